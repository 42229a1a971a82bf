/**
 * Partitions under kills: of a recorder and a consumer, of an instance on PostgreSQL, and of the broker.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  applyTopology,
  type ConsumerStatus,
  connectBroker,
  openPublisher,
  startRecorder,
} from '../../index.ts'
import { ownBroker } from '../fixtures/broker.ts'
import { readEffects } from '../fixtures/effects.ts'
import { startFlow } from '../fixtures/flow.ts'
import {
  assertPartitionsEqualInTheEnd,
  assertSubjectsApart,
  consumer,
  newPartitionedExchange,
  startPartitionRecorder,
} from '../fixtures/partitioned.ts'
import { testPostgres } from '../fixtures/postgres.ts'
import { readPostgresEffects } from '../fixtures/postgres-effects.ts'
import { startProgram } from '../fixtures/program.ts'

const partitions = 3

test('recorder and consumer killed in mid-flow: nothing is lost or twice, each subject is in order and in one partition', async (t) => {
  const place = await newPartitionedExchange(t, { partitions })
  const { url: broker, exchange, history } = place
  const recorders = place.exchanges.map((_exchange, index) => startPartitionRecorder(t, place, index + 1))
  const flow = startFlow({ ...place, perSecond: 600 })
  const store = place.store(consumer)
  const options = { name: consumer, exchange, partitions, broker, history, store, settleMs: 0, auditMs: 10 }
  const first = startProgram<ConsumerStatus>(t, 'consumer', options)
  await first.until('applies live events', ({ live }) => live > 100)
  await Promise.all([recorders[1]!.kill(), first.kill()])
  startPartitionRecorder(t, place, 2)
  const second = startProgram<ConsumerStatus>(t, 'consumer', options)
  await second.until('applies live events', ({ phase, live }) => phase === 'live' && live > 300)
  await assertPartitionsEqualInTheEnd(place, { flow, store, effects: async () => readEffects(store) })
  await assertSubjectsApart(place)
})

test('a subject keeps its partition over a broker that was killed, and every event its order', async (t) => {
  const server = await ownBroker(t)
  const place = await newPartitionedExchange(t, { partitions: 5, url: server.url })
  const { url: broker, exchange, history } = place
  for (const [index, name] of place.exchanges.entries()) {
    const recorder = startRecorder({ broker, exchange: name, history: place.historyOf(index + 1) })
    t.after(() => recorder.close())
    await recorder.started()
  }
  const flow = startFlow({ ...place, perSecond: 600 })
  const store = place.store(consumer)
  const options = { name: consumer, exchange, partitions: 5, broker, history, store, settleMs: 0 }
  const running = startProgram<ConsumerStatus>(t, 'consumer', options)
  // RabbitMQ 3.10 may forget a queue that was declared a moment before.
  await running.until('applies live events', ({ live }) => live > 3_000)
  const before = flow.confirmed
  await server.kill()
  await server.start()
  await running.until('applies later events', ({ live, replayed }) => live + replayed > before + 1_000)
  await assertPartitionsEqualInTheEnd(place, { flow, store, effects: async () => readEffects(store) })
  await assertSubjectsApart(place)
})

interface InstanceReport extends Omit<ConsumerStatus, 'partitions'> {
  readonly partitions: readonly ConsumerStatus[]
}

test('two instances on PostgreSQL share the partitions, and one takes over all when the other is killed', async (t) => {
  const place = await newPartitionedExchange(t, { partitions: 4 })
  const store = await testPostgres(t)
  const { url: broker, exchange, history } = place
  for (const [index, name] of place.exchanges.entries()) {
    const recorder = startRecorder({ broker, exchange: name, history: place.historyOf(index + 1) })
    t.after(() => recorder.close())
    await recorder.started()
  }
  const flow = startFlow({ ...place, perSecond: 300 })
  const options = {
    name: consumer,
    exchange,
    partitions: 4,
    broker,
    history,
    store,
    settleMs: 0,
    auditMs: 10,
  }
  const first = startProgram<InstanceReport>(t, 'postgres-consumer', options)
  await first.until('works on all', (report) => liveIn(report) === 4)
  const second = startProgram<InstanceReport>(t, 'postgres-consumer', options)
  await second.until('works on two', (report) => liveIn(report) === 2)
  await first.until('works on two', (report) => liveIn(report) === 2)
  await second.until('applies live events', ({ live }) => live > 100)
  await first.kill()
  await second.until('works on all', (report) => liveIn(report) === 4)
  await assertPartitionsEqualInTheEnd(place, { flow, store, effects: () => readPostgresEffects(store) })
})

function liveIn({ partitions: parts }: InstanceReport): number {
  return parts.filter(({ phase }) => phase === 'live').length
}

test('on a broker without their plugin partitions are refused for good, with the command that enables it', async (t) => {
  const { url: broker } = await ownBroker(t, { plugins: [] })
  await using publisher = openPublisher({ broker, exchange: 'orders', partitions: 2, source: '/shop' })
  const refused = { code: 'BROKER_PLUGIN_MISSING', message: /rabbitmq-plugins enable rabbitmq_sharding/ }
  await assert.rejects(publisher.publish({ type: 'placed' }), refused)
  const own = connectBroker({ url: broker })
  t.after(() => own.close())
  await assert.rejects(applyTopology(own, { topologies: [{ exchange: 'orders', partitions: 2 }] }), refused)
})
