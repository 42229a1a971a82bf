/**
 * Clients in Python, with pika and nothing of ours: a publisher that knows nothing of a history, and a
 * consumer that was made after docs/protocol.md alone.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { openSqlite } from '../history/index.ts'
import {
  type HeaderValue,
  type HistoryReader,
  type Identity,
  type Message,
  openHistory,
  type StoredEvent,
  serveFeed,
  startConsumer,
  startRecorder,
} from '../index.ts'
import { effectsConsumer } from './fixtures/effects.ts'
import { newExchange, type TestExchange } from './fixtures/exchange.ts'
import { startFlow } from './fixtures/flow.ts'
import { plainChannel } from './fixtures/plain.ts'
import { runPython, startPython, withoutPika } from './fixtures/python.ts'
import { until } from './fixtures/until.ts'

const skip = await withoutPika()

test('whatever a publisher in Python sends is recorded, and replayed byte for byte', { skip }, async (t) => {
  const place = await newExchange(t, { consumers: ['late'] })
  const { url: broker, exchange, history } = place
  const recorder = await startedRecorder(t, place)
  const sent = await runPython<Shown>('publisher', { broker, exchange })
  await until('all are recorded', () => recorder.status.head >= sent.length)

  await using reader = openHistory({ history, exchange })
  const stored = await reader.read({ after: 0, limit: 1_000 })
  assert.deepEqual(
    stored.map(({ message }) => shown(message)),
    sent,
  )
  assert.ok(stored.every(({ message: { routingKey } }) => routingKey === 'a.key'))
  const replayed: Message[] = []
  const late = effectsConsumer('late', exchange, ({ message }) => replayed.push(message))
  await using consumer = await startConsumer(late, {
    broker,
    history,
    store: place.store('late'),
    settleMs: 0,
  })
  await consumer.caughtUp()
  assert.deepEqual(replayed.map(shown), sent)
})

test('a consumer in Python that is killed in the replay and live applies each event once, in order', {
  skip,
}, async (t) => {
  const place = await newExchange(t, { consumers: ['billing'] })
  const { url: broker, exchange, history } = place
  const store = place.store('billing')
  const recorder = await startedRecorder(t, place)
  await using feed = await serveFeed({ histories: [history], port: 0 })
  await using reader = openHistory({ history, exchange })
  const start = (page: number) =>
    startPython<Marks>(t, 'consumer', {
      ...{ broker, feed: feed.url, exchange, name: 'billing', store, page, settle_seconds: 0 },
    })
  const flow = startFlow({ url: broker, exchange, sources: 2, perSecond: 150 })
  t.after(() => flow.stop())
  const foreign = await runPython<Shown>('publisher', { broker, exchange })
  await until('there is something to replay', () => recorder.status.head > 150)

  const replaying = start(1)
  await replaying.until('is replaying', ({ cursor }) => cursor > 20)
  await replaying.kill()
  const { cursor, phase } = replaying.report!
  assert.equal(phase, 'replaying')
  assert.ok(cursor < recorder.status.head, 'it was killed in the middle')

  const live = start(500)
  await live.until('is live', (report) => report.phase === 'live')
  // What it applies now is in its inbox when it dies, and in the history when it comes back.
  await recorder.close()
  await live.until('is ahead of the history', ({ applied, cursor }) => applied > cursor + 20)
  await live.kill()

  const next = await startedRecorder(t, place)
  const last = start(500)
  await last.until('is live again', (report) => report.phase === 'live')
  await flow.stop()
  // What states no id takes effect from the history, and so does what the live queue has lost.
  const channel = await plainChannel(t, broker)
  await channel.unbindQueue(`${exchange}.billing`, exchange, '')
  await runPython('publisher', { broker, exchange })
  await channel.bindQueue(`${exchange}.billing`, exchange, '')
  const total = flow.confirmed + 2 * foreign.length
  await until('all are recorded', () => next.status.head + next.status.duplicates >= total)
  const { head } = next.status
  const marks = await last.until('has all', (report) => report.cursor === head)

  const { count, checksum } = await reader.summary()
  assert.deepEqual([marks.applied, marks.checksum], [count, checksum])
  const effects = await readForeignEffects(store)
  const events = await readAll(reader)
  const key = ({ source, id }: Identity) => JSON.stringify([source, id])
  assert.deepEqual(effects.map(key).sort(), events.map(key).sort())
  for (const source of ['/flow/1', '/flow/2']) {
    const of = (identities: readonly Identity[]) => identities.filter((one) => one.source === source).map(key)
    assert.deepEqual(of(effects), of(events))
  }
  const dataOf = new Map(events.map((event) => [key(event), dataFor(event)]))
  for (const effect of effects) assert.deepEqual(JSON.parse(effect.data), dataOf.get(key(effect)))
})

test('a consumer in Python binds its queue to an exchange of somebody else as the history is bound', {
  skip,
}, async (t) => {
  const place = await newExchange(t, { consumers: ['billing'] })
  const { url: broker, exchange, history } = place
  const channel = await plainChannel(t, broker)
  await channel.assertExchange(exchange, 'topic', { durable: false })
  await startedRecorder(t, place)
  await using feed = await serveFeed({ histories: [history], port: 0 })
  const consumer = startPython<Marks>(t, 'consumer', {
    ...{
      broker,
      feed: feed.url,
      exchange,
      name: 'billing',
      store: place.store('billing'),
      settle_seconds: 0,
    },
  })
  await consumer.until('is live', ({ phase }) => phase === 'live')
  const sent = await runPython('publisher', { broker, exchange })
  await consumer.until('has all', ({ cursor }) => cursor === sent.length)
  await using reader = openHistory({ history, exchange })
  assert.equal(consumer.report!.checksum, (await reader.summary()).checksum)
})

interface Marks {
  readonly phase: 'waiting' | 'replaying' | 'live'
  readonly cursor: number
  readonly applied: number
  readonly checksum: string
}

async function readForeignEffects(path: string) {
  const database = await openSqlite(path, { readonly: true })
  try {
    const select = database.prepare('SELECT source, id, data FROM effects ORDER BY number')
    return select.all() as (Identity & { data: string })[]
  } finally {
    database.close()
  }
}

async function readAll(reader: HistoryReader): Promise<StoredEvent[]> {
  const events: StoredEvent[] = []
  for (let page = await reader.read({ after: 0 }); page.length > 0; ) {
    events.push(...page)
    page = await reader.read({ after: page.at(-1)!.position })
  }
  return events
}

/** As the consumer keeps it: JSON and text as they are, anything else in base64, nothing as null. */
function dataFor({ message }: StoredEvent): unknown {
  const { body, properties } = message
  if (body.length === 0) return null
  const isJson = properties.contentType === 'application/json'
  try {
    if (isJson) return JSON.parse(body.toString())
    if (properties.contentType?.startsWith('text/'))
      return new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch {
    // What is not what it says is kept as bytes, as the consumer does.
  }
  return body.toString('base64')
}

async function startedRecorder(t: TestContext, { url: broker, exchange, history }: TestExchange) {
  const recorder = startRecorder({ broker, exchange, history })
  t.after(() => recorder.close())
  await recorder.started()
  return recorder
}

/** A message as publisher.py tells it: in its own language's terms. */
interface Shown {
  readonly properties: Readonly<Record<string, unknown>>
  /** In hexadecimal. */
  readonly body: string
}

function shown({ properties, body }: Message): Shown {
  const stated = Object.entries(properties).filter(([, value]) => value !== undefined)
  const named = stated.map(([name, value]) => [snakeCase(name), shownValue(value as HeaderValue)])
  return { properties: Object.fromEntries(named), body: body.toString('hex') }
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

function shownValue(value: HeaderValue): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Buffer.isBuffer(value)) return { bytes: value.toString('hex') }
  if (Array.isArray(value)) return value.map(shownValue)
  const table = value as { readonly [name: string]: HeaderValue }
  if (table['!'] === 'timestamp') return { timestamp: table.value }
  if (table['!'] === 'decimal') return { decimal: decimalText(table.value as never) }
  return Object.fromEntries(Object.entries(table).map(([name, inner]) => [name, shownValue(inner)]))
}

/** AMQP writes the digits of a negative one as those of a signed number, and the client reads the others. */
function decimalText({ places, digits }: { places: number; digits: number }): string {
  return String((digits | 0) / 10 ** places)
}
