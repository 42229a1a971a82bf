import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { attributesOf, toMessage } from '../../../events/index.ts'
import { openHistoryWriter } from '../../../history/index.ts'
import { runCli, tempFolder } from '../run-cli.fixture.ts'

test('prune counts, spares what a consumer needs, takes rules from a file, and says what it refuses', async (t) => {
  const cwd = tempFolder(t)
  const exchange = 'orders'
  const writer = await openHistoryWriter({ history: join(cwd, 'backstory-history.db'), exchange })
  const events = Array.from({ length: 10 }, (_, index) => {
    const input = { type: index % 2 === 0 ? 'price.changed' : 'order.placed', id: `${index}`, data: index }
    const message = toMessage(input, { exchange, source: '/sales' })
    return { ...attributesOf(message), message }
  })
  await writer.append({ events, fences: [], cursors: [{ consumer: 'shipping', cursor: 5 }] })
  await writer.close()
  const prune = (...more: string[]) => runCli(['history', 'prune', ...more], { cwd })
  const dry = await prune('--type', 'price.changed', '--keep-events', '0', '--dry-run')
  assert.deepEqual([dry.code, dry.stdout], [0, '3 events of price.changed would go\n'])
  assert.match(dry.stderr, /Consumer shipping still needs what lies above 5/)
  writeFileSync(
    join(cwd, 'retention.json'),
    JSON.stringify([
      { type: 'price.changed', 'keep-events': 1 },
      { 'older-than': '90d', 'keep-bytes': '1GB' },
    ]),
  )
  const done = await prune('--policy', 'retention.json', '--json', '--forget-consumer', 'shipping')
  assert.equal(done.code, 0, done.stderr)
  const lines = done.stdout.trim().split('\n')
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).events),
    [4, 0],
  )
  const head = await runCli(['history', 'head'], { cwd })
  assert.equal(head.code, 0, head.stderr)
  const audit = await runCli(['audit', exchange], { cwd })
  assert.equal(audit.code, 0, audit.stdout)
  for (const [args, message] of [
    [[], /older-than, --keep-events or --keep-bytes is missing/],
    [['--older-than', '90'], /must be an age/],
    [['--policy', 'retention.json', '--type', 'x'], /no other rule goes with it/],
    [['--policy', 'none.json'], /cannot be read/],
  ] as const) {
    const refused = await prune(...args)
    assert.match(refused.stderr, message)
  }
})
