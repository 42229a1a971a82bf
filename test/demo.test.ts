import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { testBroker } from './fixtures/broker.ts'

const repository = fileURLToPath(new URL('..', import.meta.url))

interface Run {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

async function demo(args: readonly string[]): Promise<Run> {
  const env = { ...process.env, BACKSTORY_BROKER: await testBroker() }
  return await new Promise((resolve) => {
    const command = [...process.execArgv, 'scripts/demo.ts', ...args]
    execFile(
      process.execPath,
      command,
      { cwd: repository, env, timeout: 120_000 },
      (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
      },
    )
  })
}

function order(number: number, changes: object = {}): string {
  return JSON.stringify({
    external_id: `T-${number}`,
    name: 'Edison Van',
    price: 30_000 + number,
    order_date: '2026-01-02',
    delivery_date: '2026-03-04',
    customer_name: 'Zoë D’Angelo',
    ...changes,
  })
}

/** 300 orders, of which 20 are cancelled; 3 repeats; one bad line of each kind; CRLF and blank lines. */
function smallBook(): string {
  const lines = Array.from({ length: 300 }, (_, number) => order(number))
  for (let number = 0; number < 20; number++)
    lines.push(JSON.stringify({ external_id: `T-${number * 3}`, cancel: true }))
  lines.push(order(1), order(2), order(4), '', '   ')
  lines.push(
    order(5, { price: 1 }),
    order(999, { price: 0 }),
    '{"external_id": "T-1", "cancel": true',
    'null',
  )
  lines.push(
    JSON.stringify({ external_id: 'T-none', cancel: true }),
    order(998, { delivery_date: '2025-12-31' }),
  )
  return `\uFEFF${lines.join('\r\n')}\r\n`
}

test('the demo tells with --json what came of another order book, and that all agree', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'backstory-demo-test-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const book = join(folder, 'book.jsonl')
  await writeFile(book, smallBook())
  const { code, stdout, stderr } = await demo(['--json', '--orders', book])
  assert.equal(code, 0, stderr)
  const outcome = JSON.parse(stdout.trim().split('\n').at(-1)!)
  assert.deepEqual(outcome.orders, {
    lines: 331,
    blank: 2,
    placed: 300,
    cancelled: 20,
    alreadySold: 3,
    rejected: 6,
  })
  assert.equal(outcome.ok, true)
  assert.equal(outcome.history.head, 320)
  for (const name of ['production', 'shipping']) {
    const { phase, cursor, applied, replayed, live, duplicates, checksum } = outcome.consumers[name]
    assert.deepEqual(
      { phase, cursor, applied, checksum },
      { phase: 'live', cursor: 320, applied: 320, checksum: outcome.history.checksum },
    )
    assert.equal(replayed + live, applied)
    assert.ok(Number.isInteger(duplicates))
  }
  assert.match(stderr, /All agree/)
})

test('the demo without an order book says so in one line, and a misspelt option is refused', async () => {
  const missing = await demo(['--orders', '/no/such/book.jsonl'])
  assert.equal(missing.code, 1)
  assert.match(missing.stderr, /^BOOK_NOT_FOUND: There is no order book at [^\n]+\n$/)
  const misspelt = await demo(['--order', 'x'])
  assert.equal(misspelt.code, 2)
  assert.match(misspelt.stderr, /order/)
})
