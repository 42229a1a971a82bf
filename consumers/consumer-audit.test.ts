import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Checksum, silentLogger, toMessage } from '../events/index.ts'
import { type HistoryReader, openHistory, openHistoryWriter, openSqlite } from '../history/index.ts'
import { blockOf } from './applied-blocks.ts'
import { Applier } from './applier.ts'
import { auditConsumer, repairConsumer } from './consumer-audit.ts'
import { HandlerTable } from './handler-table.ts'
import { openSqliteMarks } from './sqlite-consumer-marks.ts'
import { openSqliteStore } from './sqlite-store.ts'

const consumer = 'shipping'
const exchange = 'orders'
const source = '/sales'
/** A little into a third block. */
const events = 9_000

test('an audit names the one position that a consumer has missed, and nothing else', async (t) => {
  const { store, history } = await newPlace(t)
  const applied = await applyAll(store, history)
  assert.equal(applied.length, events)
  {
    await using marks = await openSqliteMarks({ store })
    const { clean, missing, certificate } = await auditConsumer(marks, history)
    assert.deepEqual(
      { clean, missing, level: certificate.level },
      { clean: true, missing: none, level: true },
    )
  }
  await removeFromConsumer(store, 4_097)
  await using marks = await openSqliteMarks({ store, consumer })
  const seen: number[] = []
  const audit = await auditConsumer(marks, history, { onProgress: ({ position }) => seen.push(position) })
  assert.deepEqual(audit.missing, {
    count: 1,
    events: [{ position: 4_097, source, id: '4097', type: 'order.placed', subject: 'EC-97' }],
  })
  assert.equal(audit.clean, false)
  assert.equal(audit.certificate.complete, false)
  assert.deepEqual(seen, [4_096, 8_192, events])
})

test('a repair lets the consumer apply what it has missed, and only that, once', async (t) => {
  const { store, history } = await newPlace(t)
  await applyAll(store, history)
  for (const position of [2, 4_096, 4_097, 8_500]) await removeFromConsumer(store, position)
  await using marks = await openSqliteMarks({ store })
  assert.equal(await repairConsumer(marks, history), 1)
  assert.deepEqual(await applyAll(store, history), ['2', '4096', '4097', '8500'])
  const { clean, certificate } = await auditConsumer(marks, history)
  assert.ok(clean && certificate.level)
  assert.equal(await repairConsumer(marks, history), undefined)
})

test('a repair is seen by the consumer that runs: its next transaction is refused', async (t) => {
  const { store, history } = await newPlace(t)
  await applyAll(store, history)
  const running = await openSqliteStore({ path: store, consumer, exchange })
  t.after(() => running.close())
  await running.acquire(new AbortController().signal)
  await removeFromConsumer(store, 7)
  await using marks = await openSqliteMarks({ store })
  await repairConsumer(marks, history)
  await assert.rejects(
    running.transaction(async () => {}),
    { code: 'CONSUMER_SUPERSEDED' },
  )
  await running.acquire(new AbortController().signal)
  assert.equal((await running.state()).cursor, 6)
})

test('a store that does not hold that one consumer is refused by what it holds', async (t) => {
  const { store, history } = await newPlace(t)
  await applyAll(store, history)
  await assert.rejects(openSqliteMarks({ store, consumer: 'billing' }), {
    code: 'CONSUMER_STORE_FOREIGN',
    message: /holds shipping/,
  })
})

const none = { count: 0, events: [] }

async function newPlace(t: TestContext): Promise<{ store: string; history: HistoryReader }> {
  const folder = await mkdtemp(join(tmpdir(), 'backstory-audit-'))
  const path = join(folder, 'orders.db')
  const writer = await openHistoryWriter({ path, exchange })
  const newEvents = Array.from({ length: events }, (_, index) => {
    const event = { type: 'order.placed', id: String(index + 1), subject: `EC-${(index + 1) % 100}` }
    return { ...event, source, message: toMessage(event, { exchange, source }) }
  })
  await writer.append({ events: newEvents, fences: [] })
  await writer.close()
  const history = openHistory({ path, exchange })
  t.after(async () => {
    await history.close()
    await rm(folder, { recursive: true })
  })
  return { store: join(folder, 'shipping.db'), history }
}

/** Replays what the consumer does not have. @returns The ids that took effect. */
async function applyAll(path: string, history: HistoryReader): Promise<string[]> {
  const ids: string[] = []
  const store = await openSqliteStore({ path, consumer, exchange })
  const { signal } = new AbortController()
  await store.acquire(signal)
  const applier = await Applier.open({
    consumer,
    store,
    handlers: new HandlerTable({ on: { '*': ({ id }) => ids.push(id) } }),
    parking: undefined,
    carefulMax: 0,
    rememberMs: 0,
    clock: { now: Date.now, sleep: async () => {} },
    signal,
    logger: silentLogger,
  })
  for (;;) {
    const page = await history.read({ after: applier.state.cursor, limit: 500 })
    if (page.length === 0) break
    await applier.replay(page)
  }
  await store.close()
  return ids
}

/** As if it had never been applied. */
async function removeFromConsumer(path: string, position: number): Promise<void> {
  const database = await openSqlite(path)
  const block = blockOf(position)
  const bits = database
    .prepare('SELECT bits FROM backstory_applied WHERE block = ?')
    .pluck()
    .get(block) as Buffer
  const at = (position - 1) % 4_096
  bits[at >> 3]! &= ~(1 << (at & 7))
  database.prepare('UPDATE backstory_applied SET bits = ? WHERE block = ?').run(bits, block)
  const checksum = new Checksum(
    database.prepare('SELECT checksum FROM backstory_consumers').pluck().get() as string,
  )
  checksum.remove(source, String(position))
  database
    .prepare('UPDATE backstory_consumers SET checksum = ?, replayed = replayed - 1')
    .run(checksum.toString())
  database.close()
}
