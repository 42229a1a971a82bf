/**
 * Messages of publishers that know nothing of us: whatever AMQP carries is recorded, and comes back as a
 * plain client that listened beside us got it. One consumer was live all along and one joined afterwards:
 * each gets every message once.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { inspect, isDeepStrictEqual } from 'node:util'
import { connect, type Options } from 'amqplib'
import {
  type Consumer,
  type Message,
  openHistory,
  type RecorderStatus,
  startConsumer,
  startRecorder,
} from '../index.ts'
import { effectsConsumer, readEffects } from './fixtures/effects.ts'
import { newExchange, type TestExchange } from './fixtures/exchange.ts'
import { uniqueName } from './fixtures/names.ts'
import { until } from './fixtures/until.ts'

const text = (size: number) => 'ä€😀 '.repeat(size / 10)

test('any body is kept: empty, binary, what its content type denies, and 5 MB of it', async (t) => {
  const place = await foreignPlace(t)
  const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
  await place.publish(Buffer.alloc(0))
  await place.publish(Buffer.alloc(0), { contentType: 'application/json', messageId: 'empty' })
  await place.publish(everyByte)
  await place.publish(everyByte, { contentType: 'application/json', messageId: 'no json' })
  await place.publish(everyByte, { contentType: 'text/plain; charset=utf-8', messageId: 'no text' })
  await place.publish(everyByte, {
    contentType: 'no/such; type',
    contentEncoding: 'gzip',
    messageId: 'no gzip',
  })
  await place.publish(Buffer.from('{"external_id":"a\\u0000b"}'), { contentType: 'application/json' })
  await place.publish(Buffer.alloc(5 * 1024 * 1024, everyByte), { messageId: '5 MB' })
  await place.publish(Buffer.alloc(5 * 1024 * 1024))
  await place.assertKept({ total: 9 })
})

test('a message without any property, and one with all of them, come back as they were', async (t) => {
  const place = await foreignPlace(t)
  const all: Options.Publish = {
    contentType: 'application/vnd.käfer+xml',
    contentEncoding: 'identity',
    headers: { one: 1 },
    deliveryMode: 1,
    priority: 255,
    correlationId: 'correlation\0 with a NUL',
    replyTo: 'amq.rabbitmq.reply-to.of-somebody',
    expiration: '86400000',
    messageId: text(240),
    timestamp: 2 ** 40,
    type: 'no.type.of.ours',
    userId: decodeURIComponent(new URL(place.url).username) || 'guest',
    appId: '/foreign',
  }
  await place.publish('none')
  await place.publish('empty', {
    contentType: '',
    messageId: '',
    type: '',
    appId: '',
    correlationId: '',
    headers: {},
  })
  await place.publish('all', all)
  for (const [name, value] of Object.entries(all)) await place.publish(name, { [name]: value })
  await place.publish('long ago', { timestamp: 0, messageId: 'zero' })
  await place.publish('beyond all calendars', { timestamp: 2 ** 53, messageId: 'far' })
  const [, , received] = await place.assertKept({ total: 3 + Object.keys(all).length + 2 })
  for (const [name, value] of Object.entries(all))
    assert.deepEqual(received!.properties[name as keyof Message['properties']], value)
})

/**
 * Values as the client is given them; the typed ones become plain numbers on their way. NaN and the
 * infinities are missing: RabbitMQ ends the connection that publishes one.
 */
const typedHeaders: Record<string, unknown> = {
  int8: { '!': 'int8', value: -128 },
  byte: { '!': 'byte', value: 127 },
  int16: { '!': 'int16', value: -32_768 },
  short: { '!': 'short', value: 32_767 },
  int32: { '!': 'int32', value: -(2 ** 31) },
  int: { '!': 'int', value: 2 ** 31 - 1 },
  int64: { '!': 'int64', value: -(2 ** 53) },
  long: { '!': 'long', value: 2 ** 62 },
  uint8: { '!': 'uint8', value: 255 },
  unsignedbyte: { '!': 'unsignedbyte', value: 128 },
  uint16: { '!': 'uint16', value: 65_535 },
  unsignedshort: { '!': 'unsignedshort', value: 32_768 },
  uint32: { '!': 'uint32', value: 2 ** 32 - 1 },
  unsignedint: { '!': 'unsignedint', value: 2 ** 31 },
  float: { '!': 'float', value: -1.5 },
  double: { '!': 'double', value: 1 / 3 },
  float64: { '!': 'float64', value: 5e-324 },
  largest: { '!': 'double', value: Number.MAX_VALUE },
  minusZero: { '!': 'double', value: -0 },
  decimal: { '!': 'decimal', value: { places: 2, digits: 1999 } },
  timestamp: { '!': 'timestamp', value: 4_102_444_800 },
  text: text(1_000),
  emptyText: '',
  yes: true,
  no: false,
  void: null,
  bytes: Buffer.from([0, 255, 254, 10]),
  noBytes: Buffer.alloc(0),
  list: [1, 'two', null, [Buffer.from([3]), [], {}]],
  table: { a: { b: { c: [{ d: 2 ** 70 }] } }, empty: {} },
}

test('headers of every type come back, alone, together and nested', async (t) => {
  const place = await foreignPlace(t)
  for (const [name, value] of Object.entries(typedHeaders))
    await place.publish(name, { headers: { [name]: value } })
  await place.publish('together', { headers: typedHeaders, messageId: 'together' })
  await place.publish('nested', { headers: { deep: { list: [typedHeaders, [typedHeaders]] } } })
  const received = await place.assertKept({ total: Object.keys(typedHeaders).length + 2 })
  const values = received.slice(0, -2).map(({ properties }) => Object.values(properties.headers!)[0])
  assert.deepEqual(values, Object.values(typedHeaders).map(asReceived))
})

test('headers come back whatever their names, their number and their size', async (t) => {
  const place = await foreignPlace(t)
  const names = [
    '',
    ' ',
    '$bytes',
    '$number',
    '$table',
    'value',
    'headers',
    'ключ 😀',
    'a\0b',
    '"',
    '7',
    '-1',
  ]
  const inherited = ['constructor', 'toString', 'toJSON', 'hasOwnProperty', 'length', 'then']
  for (const name of [...names, ...inherited, 'n'.repeat(255)]) {
    await place.publish(name, { headers: { [name]: 'text' } })
    await place.publish(name, { headers: { [name]: Buffer.from('bytes'), table: { [name]: 'dGV4dA==' } } })
    await place.publish(name, { headers: { list: [{ [name]: { [name]: 2 ** 70 } }] } })
  }
  await place.publish('marks', {
    headers: { '!': 'no type', 'x-death': [{ queue: 'q', count: 3 }], 'x-foo': 1, BCC2: ['a'] },
  })
  await place.publish('many', {
    headers: Object.fromEntries(Array.from({ length: 3_000 }, (_, n) => [`h${n}`, n])),
  })
  await place.publish('large', { headers: { large: text(60_000) } })
  await place.publish('deep', { headers: nested(1_000) })
  await place.assertKept({ total: 3 * (names.length + inherited.length + 1) + 4 })
})

test('a header named __proto__ is a header like any other, and none of our code obeys it', async (t) => {
  const place = await foreignPlace(t)
  const values = [{ evil: true }, { toJSON: 'x', $bytes: 'x' }, [1, 2], Buffer.from([1, 2]), null]
  for (const value of values) {
    const headers = withProto(value)
    await place.publish('outside', { headers })
    await place.publish('inside', { headers: { table: headers, list: [headers], deep: withProto(headers) } })
  }
  // The client itself drops it, as it does every value that cannot be a prototype.
  await place.publish('dropped', { headers: withProto('text') })
  const heard = await place.applied({ total: 2 * values.length + 1 })
  const headers = values
    .map(withProto)
    .flatMap((one) => [one, { table: one, list: [one], deep: withProto(one) }])
  assert.deepEqual(
    heard.map((message) => message.properties.headers),
    [...headers, { other: 2 }],
  )
})

test('an id belongs to its source, and a message that uses it again with another body is one more event', async (t) => {
  const place = await foreignPlace(t)
  await place.publish('first', { messageId: 'id', appId: '/a' })
  await place.publish('first', { messageId: 'id', appId: '/b' })
  await place.publish('first', { messageId: 'id' })
  // Identities that would be one if their parts were only put together.
  await place.publish('first', { messageId: 'id\0/a', appId: '/b' })
  await place.publish('first', { messageId: 'id', appId: '/a\0/b' })
  await place.publish('second', { messageId: 'id', appId: '/a' })
  await place.publish('second', { messageId: 'id' })
  await place.publish('', { messageId: 'id', appId: '/a' })
  await place.assertKept({ total: 8 })
  assert.equal(place.status().conflicts, 3)
  assert.deepEqual(await place.unidentifiedPositions(), [6, 7, 8])
})

test('two identical messages without an id are two events, with an id one', async (t) => {
  const place = await foreignPlace(t)
  for (let n = 0; n < 3; n++) await place.publish('same', { type: 'order.placed', headers: { same: true } })
  await place.publish('same', { messageId: 'one' })
  const received = await place.assertKept({ total: 4 })
  assert.equal(received.filter((message) => isDeepStrictEqual(message, received[0])).length, 3)
  await place.publish('same', { messageId: 'one' })
  await until('the duplicate is counted', () => place.status().duplicates === 1)
  assert.equal(place.status().head, 4)
})

test('what looks like a fence but came through an exchange is an event, the routing key of it kept', async (t) => {
  const place = await foreignPlace(t, { topic: true })
  const fence = { headers: { 'backstory-fence': 'not one' }, type: 'backstory-fence', deliveryMode: 2 }
  await place.publish('', fence)
  await place.publish('', { ...fence, messageId: 'id' }, { routingKey: `${place.exchange}.history` })
  await place.publish('', fence, { exchange: place.topic, routingKey: 'a.b.ключ' })
  await place.publish('body', { messageId: 'other' }, { exchange: place.topic, routingKey: 'r'.repeat(255) })
  const received = await place.assertKept({ total: 4 })
  assert.deepEqual(
    received.map(({ exchange }) => exchange),
    [place.exchange, place.exchange, place.topic, place.topic],
  )
})

interface ForeignPlace {
  readonly url: string
  readonly exchange: string
  /** A topic exchange whose messages all go on to `exchange`. */
  readonly topic: string
  publish(
    body: string | Buffer,
    options?: Options.Publish,
    to?: { exchange?: string; routingKey?: string },
  ): Promise<void>
  status(): RecorderStatus
  /** Waits until so many are recorded and applied by both consumers, each once; what the late one got. */
  applied(expected: { total: number }): Promise<Message[]>
  /** The same, and compares what each of them got with what the plain client got, which it returns. */
  assertKept(expected: { total: number }): Promise<Message[]>
  unidentifiedPositions(): Promise<number[]>
}

async function foreignPlace(t: TestContext, { topic: hasTopic = false } = {}): Promise<ForeignPlace> {
  const place = await newExchange(t, { consumers: ['early', 'late'] })
  const { url, exchange, history } = place
  const recorder = startRecorder({ broker: url, exchange, history })
  t.after(() => recorder.close())
  await recorder.started()
  const reader = openHistory({ history, exchange })
  t.after(() => reader.close())
  const early = await startListening(t, place, 'early')
  await early.consumer.caughtUp()
  const topic = uniqueName('topic')
  const plain = await plainClient(t, place, hasTopic ? topic : undefined)

  const applied: ForeignPlace['applied'] = async ({ total }) => {
    await until(`${total} recorded: ${inspect(recorder.status)}`, () => {
      if (recorder.status.state === 'stopped') throw new Error(recorder.status.lastError)
      return recorder.status.head >= total
    })
    const late = await startListening(t, place, 'late')
    for (const { consumer, path, heard } of [early, late]) {
      await until(`${consumer.status.consumer} at ${total}: ${inspect(consumer.status)}`, () => {
        if (consumer.status.phase === 'stopped') throw new Error(consumer.status.lastError)
        return consumer.status.cursor >= total
      })
      assert.equal((await consumer.certificate()).level, true)
      assert.equal(readEffects(path).length, total)
      assert.equal(heard.length, total)
      assert.equal(consumer.status.repairs, 0)
    }
    await until('the plain client has all', () => plain.received.length >= total)
    return late.heard
  }

  return {
    url,
    exchange,
    topic,
    publish: plain.publish,
    status: () => recorder.status,
    applied,
    async assertKept({ total }) {
      const heardLate = await applied({ total })
      const stored = await reader.read({ after: 0 })
      assert.deepEqual(
        stored.map(({ message }) => bare(message)),
        plain.received,
      )
      assert.deepEqual(heardLate, plain.received)
      // Live, what has no identity waits for the history, and others pass it by.
      assert.deepEqual(inSomeOrder(early.heard), inSomeOrder(plain.received))
      return plain.received
    },
    async unidentifiedPositions() {
      const identities = await reader.identities({ after: 0 })
      return identities.filter(({ unidentified }) => unidentified).map(({ position }) => position)
    },
  }
}

interface Listener {
  readonly consumer: Consumer
  readonly path: string
  readonly heard: Message[]
}

async function startListening(t: TestContext, place: TestExchange, name: string): Promise<Listener> {
  const heard: Message[] = []
  const definition = effectsConsumer(name, place.exchange, ({ message }) => heard.push(bare(message)))
  const path = place.store(name)
  const { url: broker, history } = place
  const consumer = await startConsumer(definition, { broker, history, store: path, settleMs: 0, auditMs: 20 })
  t.after(() => consumer.close())
  return { consumer, path, heard }
}

/** Publishes to an exchange and hears what it publishes, by amqplib alone. */
async function plainClient(t: TestContext, { url, exchange }: TestExchange, topic: string | undefined) {
  const connection = await connect(url)
  t.after(() => connection.close().catch(() => {}))
  const channel = await connection.createConfirmChannel()
  if (topic !== undefined) {
    await channel.assertExchange(topic, 'topic', { durable: false, autoDelete: true })
    await channel.bindExchange(exchange, topic, '#')
  }
  const { queue } = await channel.assertQueue('', { exclusive: true })
  await channel.bindQueue(queue, exchange, '')
  const received: Message[] = []
  const onMessage: Parameters<typeof channel.consume>[1] = (message) => {
    const { fields, properties, content: body } = message!
    received.push(bare({ ...fields, properties: properties as Message['properties'], body }))
  }
  await channel.consume(queue, onMessage, { noAck: true })
  const publish: ForeignPlace['publish'] = async (body, options = {}, to = {}) => {
    const { exchange: target = exchange, routingKey = '' } = to
    if (!channel.publish(target, routingKey, Buffer.from(body), options)) await once(channel, 'drain')
  }
  return { received, publish }
}

/** A message without the properties that are not there. */
function bare({ exchange, routingKey, properties, body }: Message): Message {
  const stated = Object.entries(properties).filter(([, value]) => value !== undefined)
  return { exchange, routingKey, properties: Object.fromEntries(stated), body: Buffer.from(body) }
}

function inSomeOrder(messages: readonly Message[]): Message[] {
  const key = (message: Message) => inspect(message, { depth: 10, maxStringLength: 1_000, sorted: true })
  return messages
    .map((message) => ({ message, key: key(message) }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ message }) => message)
}

function asReceived(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('!' in value) || !('value' in value)) return value
  return value['!'] === 'decimal' || value['!'] === 'timestamp' ? value : value.value
}

function withProto(value: unknown): Record<string, unknown> {
  return Object.defineProperty({ other: 2 }, '__proto__', { value, enumerable: true })
}

function nested(depth: number): Record<string, unknown> {
  let table: Record<string, unknown> = { end: 2 ** 70 }
  for (let level = 1; level < depth; level++) table = { t: table }
  return table
}
