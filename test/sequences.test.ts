import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { sequenceOf } from '../events/index.ts'
import { historyQueueOf, openPublisher } from '../index.ts'
import { newExchange } from './fixtures/exchange.ts'
import { plainChannel } from './fixtures/plain.ts'
import { startProxy } from './fixtures/proxy.ts'
import { until } from './fixtures/until.ts'

interface Arrived {
  readonly id: string
  readonly source: string
  readonly epoch: string | undefined
  readonly sequence: number | undefined
  readonly headers: readonly string[]
}

/** Takes everything out of the history queue, in order. */
async function arrived(t: TestContext, url: string, exchange: string): Promise<Arrived[]> {
  const channel = await plainChannel(t, url)
  const queue = historyQueueOf(exchange)
  const { messageCount } = await channel.checkQueue(queue)
  const messages: Arrived[] = []
  await channel.consume(
    queue,
    (message) => {
      const { messageId, appId, headers = {} } = message!.properties
      const sequence = sequenceOf({ headers })
      messages.push({
        epoch: undefined,
        sequence: undefined,
        ...sequence,
        id: messageId,
        source: appId,
        headers: Object.keys(headers),
      })
    },
    { noAck: true },
  )
  await until(`${messageCount} messages come out of ${queue}`, () => messages.length === messageCount)
  return messages
}

const numbersOf = (messages: readonly Arrived[]) => messages.map(({ id, sequence }) => `${id}: ${sequence}`)

test('a publisher numbers its events from 1, in the order of the calls, in an epoch of its own', async (t) => {
  const { url, exchange } = await newExchange(t)
  for (const round of ['a', 'b']) {
    await using publisher = openPublisher({ broker: url, exchange, source: '/sales', inFlightMax: 3 })
    await Promise.all(
      [1, 2, 3, 4, 5].map((n) =>
        publisher.publish({ type: 't', id: `${round}${n}`, subject: 's', headers: { more: 1 } }),
      ),
    )
  }
  const messages = await arrived(t, url, exchange)
  assert.deepEqual(numbersOf(messages), [
    ...['a1: 1', 'a2: 2', 'a3: 3', 'a4: 4', 'a5: 5'],
    ...['b1: 1', 'b2: 2', 'b3: 3', 'b4: 4', 'b5: 5'],
  ])
  const [first, second, ...more] = [...new Set(messages.map(({ epoch }) => epoch!))]
  assert.ok(first! < second!)
  assert.deepEqual(more, [])
  assert.equal(messages[0]!.headers.at(-1), 'ce-sequence')
})

test('what is refused before it leaves uses up no number, and a sequence of its own stays', async (t) => {
  const { url, exchange } = await newExchange(t)
  const publisher = openPublisher({ broker: url, exchange, source: '/sales', bodyBytesMax: 100 })
  const outcomes = await Promise.allSettled([
    publisher.publish({ type: 't', id: 'a' }),
    publisher.publish({ type: '', id: 'no type' }),
    publisher.publish({ type: 't', id: 'large', data: 'x'.repeat(200) }),
    publisher.publish({ type: 't', id: 'unsendable', headers: { wrong: Symbol('wrong') as never } }),
    publisher.publish({ type: 't', id: 'own', extensions: { sequence: 42 } }),
    publisher.publish({ type: 't', id: 'b' }),
  ])
  assert.deepEqual(
    outcomes.map(({ status }) => status === 'fulfilled'),
    [true, false, false, false, true, true],
  )
  await publisher.close()
  await assert.rejects(publisher.publish({ type: 't' }), { code: 'PUBLISH_CLOSED' })
  const messages = await arrived(t, url, exchange)
  assert.deepEqual(numbersOf(messages), ['a: 1', 'own: undefined', 'b: 2'])
  assert.equal(messages[1]!.headers.filter((name) => name === 'ce-sequence').length, 1)
})

test('each source that a publisher speaks for has numbers without a hole', async (t) => {
  const { url, exchange } = await newExchange(t)
  await using publisher = openPublisher({ broker: url, exchange, source: '/sales' })
  for (const [id, source] of [['a'], ['b', '/other'], ['c'], ['d', '/third'], ['e', '/other']] as const) {
    await publisher.publish({ type: 't', id, ...(source !== undefined && { source }) })
  }
  assert.deepEqual(numbersOf(await arrived(t, url, exchange)), ['a: 1', 'b: 1', 'c: 2', 'd: 1', 'e: 2'])
})

test('an event that is published again after a failure has the number that it had', async (t) => {
  const { url, exchange } = await newExchange(t)
  await using publisher = openPublisher({ broker: url, exchange, source: '/sales' })
  await publisher.publish({ type: 't', id: 'a' })
  const channel = await plainChannel(t, url)
  const full = `${exchange}.full`
  await channel.assertQueue(full, { exclusive: true, arguments: rejecting })
  await channel.bindQueue(full, exchange, '')
  await assert.rejects(publisher.publish({ type: 't', id: 'b' }), { code: 'PUBLISH_NACKED' })
  await channel.unbindQueue(full, exchange, '')
  for (const id of ['c', 'b', 'd', 'b']) await publisher.publish({ type: 't', id })
  // The first b is in the history queue: only the other one had no room for it. After it was confirmed it is
  // an event like any other.
  const numbers = ['a: 1', 'b: 2', 'c: 3', 'b: 2', 'd: 4', 'b: 5']
  assert.deepEqual(numbersOf(await arrived(t, url, exchange)), numbers)
})

/** A queue that takes no message. */
const rejecting = { 'x-max-length': 0, 'x-overflow': 'reject-publish' }

test('over cut connections every event keeps its number: none is twice, none is left out', async (t) => {
  const { url, exchange } = await newExchange(t)
  const proxy = await startProxy(t, url)
  await using publisher = openPublisher({ broker: proxy.url, exchange, source: '/sales', inFlightMax: 100 })
  const publishes = []
  for (let number = 1; number <= 1_000; number++) {
    if (number === 300 || number === 700) proxy.cut()
    await publisher.room()
    publishes.push(publisher.publish({ type: 't', id: `${number}` }))
  }
  await Promise.all(publishes)
  const firstTimes = [...new Set(numbersOf(await arrived(t, url, exchange)))]
  assert.deepEqual(
    firstTimes,
    Array.from({ length: 1_000 }, (_, index) => `${index + 1}: ${index + 1}`),
  )
})
