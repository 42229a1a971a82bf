import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openSqliteStore } from '../../../consumers/sqlite/sqlite-store.ts'
import { type ConsumerState, initialState } from '../../../consumers/store.ts'
import { attributesOf, Checksum, toMessage } from '../../../events/index.ts'
import { openHistoryWriter } from '../../../history/index.ts'
import { runCli, tempFolder } from '../run-cli.fixture.ts'

const exchange = 'orders'
const source = '/sales'

/** A folder with a history of events 1 to `head`, and the stores of consumers that applied up to `cursor`. */
async function place(t: TestContext, head: number): Promise<string> {
  const cwd = tempFolder(t)
  const writer = await openHistoryWriter({ history: join(cwd, 'backstory-history.db'), exchange })
  const messages = Array.from({ length: head }, (_, index) =>
    toMessage({ type: 'order.placed', id: String(index + 1) }, { exchange, source }),
  )
  await writer.append({
    events: messages.map((message) => ({ ...attributesOf(message), message })),
    fences: [],
  })
  await writer.close()
  return cwd
}

interface Applied {
  readonly cursor: number
  readonly beyond?: readonly number[]
  /** Positions below the cursor that were not applied. */
  readonly missed?: readonly number[]
  readonly exchange?: string
}

async function consumerWith(cwd: string, name: string, applied: Applied): Promise<void> {
  const { cursor, beyond = [], missed = [] } = applied
  const checksum = new Checksum()
  const replayed = Array.from({ length: cursor }, (_, index) => index + 1).filter((n) => !missed.includes(n))
  for (const n of [...replayed, ...beyond]) checksum.add(source, String(n))
  const state: ConsumerState = {
    ...initialState,
    phase: 'live',
    cursor,
    replayed: replayed.length,
    live: beyond.length,
    checksum: checksum.toString(),
  }
  const store = await openSqliteStore({
    path: join(cwd, `${name}.db`),
    consumer: name,
    exchange: applied.exchange ?? exchange,
  })
  await store.transaction(async (unit) => {
    await unit.add(beyond.map((n) => ({ source, id: String(n) })))
    await unit.save(state)
  })
  await store.close()
}

const lines = (stdout: string) =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

test('status shows each consumer, with its lag where the history is there', async (t) => {
  const cwd = await place(t, 10)
  await consumerWith(cwd, 'production', { cursor: 10 })
  await consumerWith(cwd, 'shipping', { cursor: 7, beyond: [9] })
  const { code, stdout } = await runCli('consumers status production.db shipping.db --json'.split(' '), {
    cwd,
  })
  assert.equal(code, 0)
  const [production, shipping] = lines(stdout)
  assert.equal(production!.lag, 0)
  const { consumer, phase, cursor, head, lag, applied, beyond, store } = shipping!
  assert.deepEqual(
    { consumer, phase, cursor, head, lag, applied, beyond, store },
    {
      consumer: 'shipping',
      phase: 'live',
      cursor: 7,
      head: 10,
      lag: 3,
      applied: 8,
      beyond: 1,
      store: 'shipping.db',
    },
  )
  const table = (await runCli('consumers status production.db shipping.db'.split(' '), { cwd })).stdout
  assert.match(table, /^consumer +exchange +phase +cursor +head +lag/)
  assert.match(table, /^shipping +orders +live +7 +10 +3 +8 /m)
})

test('status needs no history, unless one was named', async (t) => {
  const cwd = tempFolder(t)
  await consumerWith(cwd, 'shipping', { cursor: 7 })
  const { code, stdout } = await runCli('consumers status shipping.db --json'.split(' '), { cwd })
  assert.equal(code, 0)
  assert.equal('lag' in lines(stdout)[0]!, false)
  const named = await runCli('consumers status shipping.db --history h.db'.split(' '), { cwd })
  assert.equal(named.code, 4)
  assert.match(named.stderr, /^HISTORY_NOT_FOUND: /)
})

test('a certificate is complete where all up to the cursor was applied, and level at the head', async (t) => {
  const cwd = await place(t, 10)
  await consumerWith(cwd, 'production', { cursor: 10 })
  await consumerWith(cwd, 'shipping', { cursor: 7, beyond: [9] })
  const both = await runCli('consumers certificate production.db shipping.db --json'.split(' '), { cwd })
  assert.equal(both.code, 0)
  assert.deepEqual(
    lines(both.stdout).map(({ complete, level }) => ({ complete, level })),
    [
      { complete: true, level: true },
      { complete: true, level: false },
    ],
  )
  const level = await runCli('consumers certificate production.db shipping.db --level'.split(' '), { cwd })
  assert.equal(level.code, 1)
  assert.match(level.stdout, /^consumer +production$[\s\S]*^consumer +shipping$/m)
  assert.equal(level.stderr, 'Consumer shipping is not level\n')
})

test('a consumer that missed an event has no certificate: exit code 1', async (t) => {
  const cwd = await place(t, 10)
  await consumerWith(cwd, 'shipping', { cursor: 10, missed: [4] })
  const { code, stdout, stderr } = await runCli('consumers certificate shipping.db'.split(' '), { cwd })
  assert.equal(code, 1)
  assert.match(stdout, /^complete +no$/m)
  assert.equal(stderr, 'Consumer shipping is not complete\n')
})

test('a certificate against the history of another exchange is refused', async (t) => {
  const cwd = await place(t, 3)
  await consumerWith(cwd, 'billing', { cursor: 3, exchange: 'payments' })
  const { code, stderr } = await runCli('consumers certificate billing.db'.split(' '), { cwd })
  assert.equal(code, 4)
  assert.match(stderr, /^HISTORY_FOREIGN: /)
})

test('a store that is none, or not there, is told in one line', async (t) => {
  const cwd = await place(t, 3)
  for (const [store, code, expected] of [
    ['backstory-history.db', 5, /^CONSUMER_STORE_FOREIGN: [^\n]+\n$/],
    ['missing.db', 2, /^CLI_FILE_UNREADABLE: missing\.db does not exist[^\n]*\n$/],
  ] as const) {
    const status = await runCli(['consumers', 'status', store], { cwd })
    assert.equal(status.code, code)
    assert.match(status.stderr, expected)
  }
})
