import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  auditHistory,
  type HistoryReader,
  type Identity,
  openHistory,
  openHistoryKeeper,
  openPublisher,
  startConsumer,
  startRecorder,
} from '../index.ts'
import { effectsConsumer } from './fixtures/effects.ts'
import { newExchange } from './fixtures/exchange.ts'
import { until } from './fixtures/until.ts'

const source = '/sales'

test('the history knows how far each consumer is: where it goes live, and where it stops', async (t) => {
  const place = await newExchange(t, { consumers: ['production'] })
  const { url: broker, exchange, history } = place
  await using recorder = startRecorder({ broker, exchange, history })
  await using publisher = openPublisher({ broker, exchange, source })
  const publish = (id: string) => publisher.publish({ type: 'order.placed', id })
  await Promise.all(['1', '2', '3'].map(publish))
  await until('they are recorded', () => recorder.status.head === 3)
  await using reader = openHistory({ history })
  const known = async () => (await reader.consumers()).map(({ name, cursor }) => [name, cursor])
  const consumer = await startConsumer(effectsConsumer('production', exchange), {
    broker,
    history,
    store: place.store('production'),
    settleMs: 0,
    auditMs: 10,
  })
  await consumer.caughtUp()
  await until('its cursor is known', async () => (await known())[0]?.[1] === 3)
  await publish('4')
  await until('it has passed the fourth', () => consumer.status.cursor === 4)
  await consumer.close()
  await until('its last word is known', async () => (await known())[0]?.[1] === 4)
  assert.deepEqual(await known(), [['production', 4]])
  assert.equal(recorder.status.head, 4, 'no notice was taken for an event')
})

test('nothing is pruned whose live copy still waits behind a replay: it would take effect twice', async (t) => {
  const place = await newExchange(t, { consumers: ['production'] })
  const { url: broker, exchange, history } = place
  await using recorder = startRecorder({ broker, exchange, history })
  await using publisher = openPublisher({ broker, exchange, source })
  const publish = (id: string) => publisher.publish({ type: 'order.placed', id })
  await recorder.started()
  await using reader = openHistory({ history })
  await using keeper = await openHistoryKeeper({ history })
  let asked = 0
  let pruned: number | undefined
  // While the second batch of copies is looked up.
  const watched = new Proxy(reader, {
    get(target, name: keyof HistoryReader) {
      if (name !== 'positionsOf') return (target[name] as () => unknown).bind(target)
      return async (identities: readonly Identity[]) => {
        asked += 1
        if (asked === 2) {
          await publish('late')
          await until('what was told before is recorded', () => recorder.status.head === 501)
          pruned = (await keeper.prune({ keepEvents: 1 })).events
        }
        return await target.positionsOf(identities)
      }
    },
  })
  const start = async (from: string | HistoryReader) => {
    const definition = effectsConsumer('production', exchange)
    // Its inbox forgets at once, as it has forgotten after an hour.
    const options = { broker, store: place.store('production'), settleMs: 0, auditMs: 10, inboxKeepMs: 0 }
    const consumer = await startConsumer(definition, { ...options, history: from })
    await consumer.caughtUp()
    return consumer
  }
  await (await start(history)).close()
  await Promise.all(Array.from({ length: 500 }, (_, index) => publish(`${index}`)))
  await until('they are recorded', () => recorder.status.head === 500)
  const consumer = await start(watched)
  await until('it has passed all', () => consumer.status.cursor === 501)
  const certificate = await consumer.certificate()
  assert.deepEqual([certificate.level, certificate.applied], [true, 501])
  assert.equal(pruned, 0)
  await until('now they may go', async () => (await reader.consumers())[0]!.cursor >= 500)
  assert.equal((await keeper.prune({ keepEvents: 1 })).events, 500)
  await consumer.close()
})

test('a new consumer that needs pruned events is refused by name, or accepts it and is certified so', async (t) => {
  const place = await newExchange(t, { consumers: ['production', 'shipping', 'stock'] })
  const { url: broker, exchange, history } = place
  await using recorder = startRecorder({ broker, exchange, history })
  await using publisher = openPublisher({ broker, exchange, source })
  for (let id = 1; id <= 30; id++)
    await publisher.publish({ type: id % 3 === 0 ? 'order.placed' : 'price.changed', id: `${id}` })
  await until('they are recorded', () => recorder.status.head === 30)
  const start = async (name: string, options: { acceptPruned?: boolean; from?: 'latest' } = {}) => {
    const store = place.store(name)
    const consumer = await startConsumer(effectsConsumer(name, exchange), {
      ...{ broker, history, store, settleMs: 0, auditMs: 10 },
      ...options,
    })
    t.after(() => consumer.close())
    return consumer
  }
  const first = await start('production')
  await first.caughtUp()
  await using reader = openHistory({ history })
  await until('its cursor is known', async () => (await reader.consumers())[0]?.cursor === 30)
  await using keeper = await openHistoryKeeper({ history })
  assert.equal((await keeper.prune({ type: 'price.changed', keepEvents: 2 })).events, 18)
  const refused = await start('shipping')
  await assert.rejects(refused.stopped, { code: 'HISTORY_PRUNED', message: /positions 1 to 2 / })
  const refusedToo = await start('stock', { from: 'latest' })
  await assert.rejects(refusedToo.stopped, { code: 'HISTORY_PRUNED' })
  const stock = await start('stock', { acceptPruned: true, from: 'latest' })
  await stock.caughtUp()
  const { level, pruned, superseded } = await stock.certificate()
  assert.deepEqual([level, pruned, superseded], [true, 18, 0])
  const accepting = await start('shipping', { acceptPruned: true })
  await accepting.caughtUp()
  await publisher.publish({ type: 'order.placed', id: '31' })
  await until('both have it', () => first.status.cursor === 31 && accepting.status.cursor === 31)
  const certificate = await accepting.certificate()
  assert.deepEqual([certificate.level, certificate.applied, certificate.pruned], [true, 13, 18])
  const before = await first.certificate()
  assert.deepEqual([before.level, before.applied, before.pruned], [true, 31, 0])
  const audit = await auditHistory(reader)
  assert.deepEqual([audit.clean, audit.held, audit.pruned], [true, 13, 18])
})
