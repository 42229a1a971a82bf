import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { ConsumeMessage } from 'amqplib'
import {
  consumerQueueOf,
  deadQueueOf,
  defineEvents,
  eventType,
  historyQueueOf,
  openPublisher,
  type Publisher,
  type PublisherOptions,
} from '../index.ts'
import { newExchange } from './fixtures/exchange.ts'
import { plainChannel, queueState } from './fixtures/plain.ts'
import { startProxy } from './fixtures/proxy.ts'
import { until } from './fixtures/until.ts'

type Settings = Partial<PublisherOptions> & Pick<PublisherOptions, 'broker' | 'exchange'>

function publisherFor(t: TestContext, options: Settings): Publisher {
  const publisher = openPublisher({ source: '/sales', ...options })
  t.after(() => publisher.close())
  return publisher
}

/** Takes everything out of a queue, in order. */
async function drain(t: TestContext, url: string, queue: string): Promise<ConsumeMessage[]> {
  const channel = await plainChannel(t, url)
  const { messageCount } = await channel.checkQueue(queue)
  const messages: ConsumeMessage[] = []
  await channel.consume(queue, (message) => messages.push(message!), { noAck: true })
  await until(`${messageCount} messages come out of ${queue}`, () => messages.length === messageCount)
  return messages
}

test('events arrive in the order of the calls, with their attributes mirrored, however many are awaited', async (t) => {
  const { url, exchange } = await newExchange(t)
  const publisher = publisherFor(t, { broker: url, exchange, inFlightMax: 7 })
  const numbers = Array.from({ length: 500 }, (_, number) => number)
  const published = await Promise.all(
    numbers.map((number) =>
      publisher.publish({ type: 'order.placed', subject: `EC-${number}`, data: { number } }),
    ),
  )
  const messages = await drain(t, url, historyQueueOf(exchange))
  assert.deepEqual(
    messages.map(({ content }) => JSON.parse(content.toString()).number),
    numbers,
  )
  assert.deepEqual(
    messages.map(({ properties }) => properties.messageId),
    published.map(({ id }) => id),
  )
  const { properties } = messages[0]!
  assert.deepEqual(
    [properties.type, properties.appId, properties.contentType, properties.deliveryMode],
    ['order.placed', '/sales', 'application/json', 2],
  )
  assert.equal(properties.headers?.['ce-subject'], 'EC-0')
})

test('room() lets no more be called than may be in flight', async (t) => {
  const { url, exchange } = await newExchange(t)
  const publisher = publisherFor(t, { broker: url, exchange, inFlightMax: 10 })
  await publisher.publish({ type: 'first' })
  const publishes = []
  let pendingMax = 0
  for (let number = 0; number < 200; number++) {
    await publisher.room()
    publishes.push(publisher.publish({ type: 't' }))
    pendingMax = Math.max(pendingMax, publisher.pending)
  }
  await Promise.all(publishes)
  assert.ok(pendingMax <= 10, `${pendingMax} pending`)
  assert.equal(publisher.pending, 0)
})

test('an event that no queue took is told, and the next one finds the history queue again', async (t) => {
  const { url, exchange } = await newExchange(t)
  const publisher = publisherFor(t, { broker: url, exchange })
  await publisher.publish({ type: 't' })
  const channel = await plainChannel(t, url)
  await channel.deleteQueue(historyQueueOf(exchange))
  await assert.rejects(publisher.publish({ type: 't', id: 'lost' }), {
    name: 'PublishError',
    code: 'PUBLISH_UNROUTABLE',
    eventId: 'lost',
    message: /same id/,
  })
  await until('the history queue is back', () =>
    publisher.publish({ type: 't', id: 'lost' }).then(
      () => true,
      () => false,
    ),
  )
})

test('an event above the limit is refused before it is sent', async (t) => {
  const { url, exchange } = await newExchange(t)
  const publisher = publisherFor(t, { broker: url, exchange, bodyBytesMax: 1_000 })
  await assert.rejects(publisher.publish({ type: 't', data: Buffer.alloc(1_001) }), {
    code: 'PUBLISH_TOO_LARGE',
  })
  await publisher.publish({ type: 't', data: Buffer.alloc(1_000) })
})

test('an event that a full queue refuses is told as not kept everywhere', async (t) => {
  const { url, exchange } = await newExchange(t)
  const publisher = publisherFor(t, { broker: url, exchange })
  await publisher.publish({ type: 't' })
  const channel = await plainChannel(t, url)
  const full = `${exchange}.full`
  await channel.assertQueue(full, {
    exclusive: true,
    arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' },
  })
  await channel.bindQueue(full, exchange, '')
  await publisher.publish({ type: 't' })
  await assert.rejects(publisher.publish({ type: 't' }), { code: 'PUBLISH_NACKED' })
})

test('of many in flight only the one that the broker closes the channel over is refused; the others arrive in order', async (t) => {
  const { url, exchange } = await newExchange(t)
  const publisher = publisherFor(t, { broker: url, exchange, bodyBytesMax: 200 * 1024 * 1024 })
  await publisher.publish({ type: 't', id: 'before' })
  const ids = ['a', 'b', 'huge', 'c', 'd']
  // RabbitMQ 3.10 takes at most 128 MiB, 4.x 16 MiB.
  const outcomes = await Promise.allSettled(
    ids.map((id) =>
      publisher.publish({ type: 't', id, ...(id === 'huge' && { data: Buffer.alloc(135 * 1024 * 1024) }) }),
    ),
  )
  assert.deepEqual(
    outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason.code : outcome.value.id)),
    ['a', 'b', 'PUBLISH_REFUSED', 'c', 'd'],
  )
  const seen = new Set(
    (await drain(t, url, historyQueueOf(exchange))).map(({ properties }) => properties.messageId),
  )
  assert.deepEqual([...seen], ['before', 'a', 'b', 'c', 'd'])
})

test('a header that AMQP has no form for fails that event alone', async (t) => {
  const { url, exchange } = await newExchange(t)
  const publisher = publisherFor(t, { broker: url, exchange })
  const wrong = { type: 't', headers: { wrong: Symbol('wrong') as never } }
  const [first, second, third] = await Promise.allSettled([
    publisher.publish({ type: 't' }),
    publisher.publish(wrong),
    publisher.publish({ type: 't' }),
  ])
  assert.deepEqual([first?.status, second?.status, third?.status], ['fulfilled', 'rejected', 'fulfilled'])
  assert.ok(second?.status === 'rejected' && second.reason instanceof TypeError)
})

test('while the broker is away every publish settles in time, and close() ends', async (t) => {
  const publisher = publisherFor(t, { broker: 'amqp://127.0.0.1:1', exchange: 'away', confirmTimeoutMs: 300 })
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, () => publisher.publish({ type: 't' })),
  )
  for (const outcome of outcomes) {
    assert.ok(outcome.status === 'rejected' && outcome.reason.code === 'PUBLISH_TIMEOUT')
  }
  assert.equal(publisher.pending, 0)
  await publisher.room()
  const last = assert.rejects(publisher.publish({ type: 't' }), { code: 'PUBLISH_TIMEOUT' })
  await publisher.close()
  await last
  await publisher.room()
  await assert.rejects(publisher.publish({ type: 't' }), { code: 'PUBLISH_CLOSED' })
})

test('a connection that is cut in mid-flow loses nothing and keeps the order; what comes again has the same id', async (t) => {
  const { url, exchange } = await newExchange(t)
  const proxy = await startProxy(t, url)
  const publisher = publisherFor(t, { broker: proxy.url, exchange, inFlightMax: 200 })
  const publishes = []
  for (let number = 0; number < 3_000; number++) {
    if (number === 500 || number === 2_000) proxy.cut()
    await publisher.room()
    publishes.push(publisher.publish({ type: 't', id: `${number}` }))
  }
  await Promise.all(publishes)
  const ids = (await drain(t, url, historyQueueOf(exchange))).map(
    ({ properties }) => properties.messageId as string,
  )
  const firstTimes = [...new Set(ids)]
  assert.deepEqual(
    firstTimes,
    Array.from({ length: 3_000 }, (_, number) => `${number}`),
  )
})

test('close() waits for what is pending, and leaves a shared connection open', async (t) => {
  const { url, exchange } = await newExchange(t)
  const publisher = openPublisher({ broker: url, exchange, source: '/sales' })
  const publishes = Array.from({ length: 300 }, () => publisher.publish({ type: 't' }))
  await publisher.close()
  await Promise.all(publishes)
  const channel = await plainChannel(t, url)
  assert.equal((await queueState(channel, historyQueueOf(exchange))).messageCount, 300)
  assert.equal((await queueState(channel, deadQueueOf(historyQueueOf(exchange)))).messageCount, 0)
})

test('the catalog types what may be published', async (t) => {
  const { url, exchange } = await newExchange(t)
  const events = defineEvents({ placed: eventType<{ model: string }>(), closed: eventType<undefined>() })
  const publisher = openPublisher({ broker: url, exchange, source: '/sales', events })
  t.after(() => publisher.close())
  await publisher.publish({ type: 'placed', data: { model: 'Edison One' } })
  await publisher.publish({ type: 'closed' })
  // @ts-expect-error: its data is missing
  const missing = () => publisher.publish({ type: 'placed' })
  // @ts-expect-error: no such type
  const unknown = () => publisher.publish({ type: 'lost', data: {} })
  assert.equal(typeof missing, typeof unknown)
})

test('an option out of its range is a TypeError that names it', () => {
  const options = { broker: 'amqp://127.0.0.1', exchange: 'orders', source: '/sales' }
  assert.throws(() => openPublisher({ ...options, inFlightMax: 0 }), /`inFlightMax`/)
  assert.throws(() => openPublisher({ ...options, confirmTimeoutMs: 1.5 }), /`confirmTimeoutMs`/)
  assert.throws(() => openPublisher({ ...options, bodyBytesMax: -1 }), /`bodyBytesMax`/)
  assert.throws(() => openPublisher({ ...options, exchange: '' }), /`exchange`/)
  assert.throws(() => openPublisher({ ...options, source: '' }), /`source`/)
  assert.throws(() => openPublisher({ ...options, broker: 'http://x' }), TypeError)
  assert.equal(consumerQueueOf('orders', 'shipping'), 'orders.shipping')
})
