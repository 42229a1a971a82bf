/**
 * Exchanges that somebody else declares, of every type and with any properties: recorded as they are, with no
 * change to who publishes to them, and consumed by queues that are bound as the history is.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Options } from 'amqplib'
import {
  BrokerError,
  consumerQueueOf,
  historyQueueOf,
  openHistory,
  openPublisher,
  startConsumer,
  startRecorder,
} from '../index.ts'
import { effectsConsumer, readEffects } from './fixtures/effects.ts'
import { newExchange, type TestExchange } from './fixtures/exchange.ts'
import { plainChannel, plainPublish, queueState } from './fixtures/plain.ts'
import { until } from './fixtures/until.ts'

type Place = TestExchange & { readonly channel: Awaited<ReturnType<typeof plainChannel>> }

/** An exchange that somebody else has declared. */
async function foreignExchange(
  t: TestContext,
  type: string,
  options: Options.AssertExchange = { durable: true },
): Promise<Place> {
  const place = await newExchange(t, { consumers: ['late'] })
  const channel = await plainChannel(t, place.url)
  await channel.assertExchange(place.exchange, type, options)
  return { ...place, channel }
}

const recorderOptions = ({ url, exchange, history }: Place) => ({ broker: url, exchange, history })
const consumerOptions = (place: Place) => ({
  broker: place.url,
  history: place.history,
  store: place.store('late'),
  settleMs: 0,
  auditMs: 20,
})

async function recordedKeys({ history }: Place): Promise<string[]> {
  await using reader = openHistory({ history })
  return (await reader.read({ after: 0 })).map(({ message }) => message.routingKey)
}

const kinds: readonly [what: string, type: string, options: Options.AssertExchange][] = [
  ['a topic exchange', 'topic', { durable: true }],
  ['a headers exchange', 'headers', { durable: true }],
  ['a transient, auto-deleted topic exchange', 'topic', { durable: false, autoDelete: true }],
  ['a fanout exchange with an alternate one', 'fanout', { durable: true, alternateExchange: 'amq.fanout' }],
]

for (const [what, type, options] of kinds) {
  test(`${what} is recorded whole as it is, and a consumer bootstraps from it and goes live`, async (t) => {
    const place = await foreignExchange(t, type, options)
    const { exchange, channel } = place
    await using recorder = startRecorder(recorderOptions(place))
    await recorder.started()
    const keys = ['', 'a', 'a.b.ключ', '#']
    for (const routingKey of keys)
      await plainPublish(channel, exchange, { routingKey, messageId: routingKey })
    await until('recorded', () => recorder.status.head === 4)
    assert.deepEqual(await recordedKeys(place), keys)
    await using consumer = await startConsumer(effectsConsumer('late', exchange), consumerOptions(place))
    await consumer.caughtUp()
    await plainPublish(channel, exchange, { routingKey: 'live', messageId: 'live', headers: { live: true } })
    await until('applied', () => consumer.status.cursor === 5)
    assert.equal(consumer.status.repairs, 0)
    assert.equal(readEffects(place.store('late')).at(-1)?.replayed, 0)
    assert.equal((await consumer.certificate()).level, true)
    // Nothing of it was declared anew.
    await channel.assertExchange(exchange, type, options)
  })
}

test('a direct exchange is recorded by the keys that are named, and by more of them later, never by fewer', async (t) => {
  const place = await foreignExchange(t, 'direct')
  const { exchange, channel } = place
  const nameThem = { code: 'BROKER_BINDINGS_UNKNOWN', message: /type direct, .* name the bindings/ }
  await assert.rejects(startRecorder(recorderOptions(place)).started(), nameThem)
  const bindings = [{ routingKey: 'placed' }, { routingKey: 'paid' }]
  const first = startRecorder({ ...recorderOptions(place), bindings })
  await first.started()
  await using consumer = await startConsumer(effectsConsumer('late', exchange), consumerOptions(place))
  await consumer.caughtUp()
  const publishAll = async () => {
    for (const routingKey of ['placed', 'paid', 'shipped'])
      await plainPublish(channel, exchange, { routingKey })
  }
  await publishAll()
  await until('two are applied', () => consumer.status.cursor === 2)
  await first.close()

  const fewer = { ...recorderOptions(place), bindings: bindings.slice(1) }
  await assert.rejects(startRecorder(fewer).started(), {
    code: 'BROKER_TOPOLOGY_MISMATCH',
    message: /is bound by placed as well/,
  })
  const more = [...bindings, { routingKey: 'shipped' }]
  const second = startRecorder({ ...recorderOptions(place), bindings: more })
  await second.started()
  await publishAll()
  await until('three more are applied', () => consumer.status.cursor === 5)
  await second.close()
  // What it was told once, the next knows from the history.
  await using third = startRecorder(recorderOptions(place))
  await third.started()
  const { repairs } = consumer.status
  await publishAll()
  await until('and three more', () => consumer.status.cursor === 8)
  assert.equal(consumer.status.repairs, repairs, 'its queue is bound by the new key too')
  assert.deepEqual((await recordedKeys(place)).toSorted(), [
    ...Array(3).fill('paid'),
    ...Array(3).fill('placed'),
    ...Array(2).fill('shipped'),
  ])
})

test('a headers exchange is recorded by the headers that are named', async (t) => {
  const place = await foreignExchange(t, 'headers')
  const bindings = [{ arguments: { 'x-match': 'any', region: 'eu', vip: true } }]
  await using recorder = startRecorder({ ...recorderOptions(place), bindings })
  await recorder.started()
  const rows = [{ region: 'eu' }, { region: 'us' }, { vip: true }, { vip: false }, {}]
  for (const [index, headers] of rows.entries())
    await plainPublish(place.channel, place.exchange, { routingKey: String(index), headers })
  await until('two are recorded', () => recorder.status.head === 2)
  assert.deepEqual(await recordedKeys(place), ['0', '2'])
})

test('an exchange to be bound by bindings must be there: none is made in its place', async (t) => {
  const place = await newExchange(t)
  const bindings = [{ routingKey: '#' }]
  const recorder = startRecorder({
    broker: place.url,
    exchange: place.exchange,
    history: place.history,
    bindings,
  })
  await assert.rejects(recorder.started(), {
    code: 'BROKER_EXCHANGE_MISSING',
    message: new RegExp(`^Exchange ${place.exchange} is not there`),
  })
  const channel = await plainChannel(t, place.url)
  await assert.rejects(channel.checkExchange(place.exchange), { code: 404 })
  for (const wrong of [
    [],
    'a',
    [{ routingKey: 7 }],
    [{ arguments: { a: {} } }],
    [{ routingKey: 'k'.repeat(256) }],
  ])
    assert.throws(
      () => startRecorder({ ...recorderOptions(place as Place), bindings: wrong as [] }),
      TypeError,
    )
})

test('on a topic exchange a consumer waits for its recorder, and our publisher refuses until it has begun', async (t) => {
  const place = await foreignExchange(t, 'topic')
  const { url, exchange, channel } = place
  await using consumer = await startConsumer(effectsConsumer('late', exchange), consumerOptions(place))
  await until('it waits', () => consumer.status.waitingFor === 'recorder')
  await using early = openPublisher({ broker: url, exchange, source: '/sales' })
  await assert.rejects(early.publish({ type: 'order.placed' }), (error) => {
    assert.ok(error instanceof BrokerError)
    assert.equal(error.code, 'BROKER_BINDINGS_UNKNOWN')
    return /start its recorder first/.test(error.message)
  })
  await using recorder = startRecorder({ ...recorderOptions(place), bindings: [{ routingKey: 'orders.*' }] })
  await consumer.caughtUp()
  await using publisher = openPublisher({ broker: url, exchange, source: '/sales' })
  await publisher.publish({ type: 'order.placed', routingKey: 'orders.eu' })
  await until('applied', () => consumer.status.cursor === 1)
  // Neither publisher nor consumer has bound what was not asked for.
  await plainPublish(channel, exchange, { routingKey: 'invoices.eu' })
  for (const queue of [historyQueueOf(exchange), consumerQueueOf(exchange, 'late')])
    assert.equal((await queueState(channel, queue)).messageCount, 0)
  await publisher.publish({ type: 'order.placed', routingKey: 'orders.us' })
  await until('applied', () => consumer.status.cursor === 2)
  assert.equal(recorder.status.head, 2)
})
