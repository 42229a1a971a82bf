/** What the audit of a consumer and its repair promise on every kind of store, as tests. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Checksum, silentLogger, toMessage } from '../../events/index.ts'
import { type HistoryReader, openHistory, openHistoryWriter } from '../../history/index.ts'
import { Applier } from '../applier.ts'
import { HandlerTable } from '../handler-table.ts'
import { openStore } from '../open-store.ts'
import { blockOf } from './applied-blocks.ts'
import { auditConsumer, repairConsumer } from './consumer-audit.ts'
import { openConsumerMarks } from './open-marks.ts'

const consumer = 'shipping'
const exchange = 'orders'
const source = '/sales'
/** A little into a third block. */
const events = 9_000

export interface StoreToAudit {
  /** The address of an empty store. */
  newStore(t: TestContext): Promise<string>
  /** Hands back the bits of a block, the checksum, and the count of what was replayed, and sets them. */
  edit(
    store: string,
    block: number,
    change: (marks: { bits: Buffer; checksum: string }) => { bits: Buffer; checksum: string },
  ): Promise<void>
}

export function consumerAuditContract(name: string, { newStore, edit }: StoreToAudit): void {
  /** As if it had never been applied. */
  const remove = (store: string, position: number) =>
    edit(store, blockOf(position), ({ bits, checksum }) => {
      const at = (position - 1) % 4_096
      bits[at >> 3]! &= ~(1 << (at & 7))
      const without = new Checksum(checksum)
      without.remove(source, String(position))
      return { bits, checksum: without.toString() }
    })

  test(`${name}: an audit names the one position that a consumer has missed, and nothing else`, async (t) => {
    const { store, history } = await newPlace(t, newStore)
    const applied = await applyAll(store, history)
    assert.equal(applied.length, events)
    {
      await using marks = await openConsumerMarks({ store })
      const { clean, missing, certificate } = await auditConsumer(marks, history)
      assert.deepEqual(
        { clean, missing, level: certificate.level },
        { clean: true, missing: none, level: true },
      )
    }
    await remove(store, 4_097)
    await using marks = await openConsumerMarks({ store, consumer })
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

  test(`${name}: a repair lets the consumer apply what it has missed, and only that, once`, async (t) => {
    const { store, history } = await newPlace(t, newStore)
    await applyAll(store, history)
    for (const position of [2, 4_096, 4_097, 8_500]) await remove(store, position)
    await using marks = await openConsumerMarks({ store })
    assert.equal(await repairConsumer(marks, history), 1)
    assert.deepEqual(await applyAll(store, history), ['2', '4096', '4097', '8500'])
    const { clean, certificate } = await auditConsumer(marks, history)
    assert.ok(clean && certificate.level)
    assert.equal(await repairConsumer(marks, history), undefined)
  })

  test(`${name}: a repair is seen by the consumer that runs: its next transaction is refused`, async (t) => {
    const { store, history } = await newPlace(t, newStore)
    await applyAll(store, history)
    const running = await openStore(store, { consumer, exchange })
    t.after(() => running.close())
    await running.acquire(new AbortController().signal)
    await remove(store, 7)
    await using marks = await openConsumerMarks({ store })
    await repairConsumer(marks, history)
    await assert.rejects(
      running.transaction(async () => {}),
      { code: 'CONSUMER_SUPERSEDED' },
    )
    await running.acquire(new AbortController().signal)
    assert.equal((await running.state()).cursor, 6)
  })

  test(`${name}: a store that does not hold that one consumer is refused by what it holds`, async (t) => {
    const { store, history } = await newPlace(t, newStore)
    await applyAll(store, history)
    await assert.rejects(openConsumerMarks({ store, consumer: 'billing' }), {
      code: 'CONSUMER_STORE_FOREIGN',
      message: /holds shipping/,
    })
  })
}

const none = { count: 0, events: [] }

async function newPlace(
  t: TestContext,
  newStore: StoreToAudit['newStore'],
): Promise<{ store: string; history: HistoryReader }> {
  const folder = await mkdtemp(join(tmpdir(), 'backstory-audit-'))
  const path = join(folder, 'orders.db')
  const writer = await openHistoryWriter({ history: path, exchange })
  const newEvents = Array.from({ length: events }, (_, index) => {
    const event = { type: 'order.placed', id: String(index + 1), subject: `EC-${(index + 1) % 100}` }
    return { ...event, source, message: toMessage(event, { exchange, source }) }
  })
  await writer.append({ events: newEvents, fences: [] })
  await writer.close()
  const history = openHistory({ history: path, exchange })
  t.after(async () => {
    await history.close()
    await rm(folder, { recursive: true })
  })
  return { store: await newStore(t), history }
}

/** Replays what the consumer does not have. @returns The ids that took effect. */
async function applyAll(address: string, history: HistoryReader): Promise<string[]> {
  const ids: string[] = []
  const store = await openStore(address, { consumer, exchange })
  const { signal } = new AbortController()
  await store.acquire(signal)
  const applier = await Applier.open({
    consumer,
    store,
    handlers: new HandlerTable({ on: { '*': ({ id }) => ids.push(id) } }),
    parking: undefined,
    carefulMax: 0,
    // As where a consumer was live not long ago: its inbox still has what the cursor has passed.
    rememberMs: 60_000,
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
