import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { attributesOf, toMessage } from '../../../events/index.ts'
import { openHistoryWriter } from '../../../history/index.ts'
import { runCli, tempFolder } from '../run-cli.fixture.ts'

test('erase counts, refuses to do it unasked, does it, and finds nothing left', async (t) => {
  const cwd = tempFolder(t)
  const exchange = 'orders'
  const writer = await openHistoryWriter({ history: join(cwd, 'backstory-history.db'), exchange })
  const events = ['EC-1', 'EC-2', 'EC-1'].map((subject, index) => {
    const input = { type: 'order.placed', subject, id: `${index}`, data: 'a secret' }
    const message = toMessage(input, { exchange, source: '/sales' })
    return { ...attributesOf(message), message }
  })
  await writer.append({ events, fences: [] })
  await writer.close()
  const run = (...more: string[]) =>
    runCli(['history', 'erase', '--subject', 'EC-1', '--reason', 'asked for', ...more], { cwd })
  const counted = await run('--dry-run')
  assert.deepEqual([counted.code, counted.stdout], [0, '2 events of EC-1 would be emptied\n'])
  const refused = await run()
  assert.equal(refused.code, 2)
  assert.match(refused.stderr, /CLI_USAGE.*say --yes/)
  const done = await run('--yes', '--by', 'the office', '--json')
  assert.equal(done.code, 0)
  const { at, ...record } = JSON.parse(done.stdout)
  assert.deepEqual(record, {
    number: 1,
    subject: 'EC-1',
    reason: 'asked for',
    by: 'the office',
    events: 2,
    lastPosition: 3,
  })
  assert.ok(Date.parse(at) > 0)
  const shown = await runCli(['history', 'show', '1'], { cwd })
  assert.doesNotMatch(shown.stdout, /secret/)
  const again = await run('--yes')
  assert.equal(again.code, 1)
  assert.match(again.stderr, /nothing to erase/)
})
