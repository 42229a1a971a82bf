import assert from 'node:assert/strict'
import { test } from 'node:test'
import { trace } from '@opentelemetry/api'
import Database from 'better-sqlite3'
import { startTracing } from '../events/tracing.fixture.ts'
import {
  defineConsumer,
  historyQueueOf,
  openHistory,
  openOutbox,
  openPublisher,
  startConsumer,
  startRecorder,
  startRelay,
} from '../index.ts'
import { newExchange } from './fixtures/exchange.ts'
import { until } from './fixtures/until.ts'

test('an event is traced from its publish into the history, where it keeps its trace for every replay', async (t) => {
  const traces = startTracing()
  t.after(() => traces.stop())
  const { url, exchange, history } = await newExchange(t)
  await using recorder = startRecorder({ broker: url, exchange, history })
  await using publisher = openPublisher({ broker: url, exchange, source: '/sales' })
  await Promise.all(
    ['1', '2', '3'].map((id) => publisher.publish({ type: 'order.placed', id, data: { id } })),
  )
  await until('they are recorded', () => recorder.status.head === 3)
  await until('the last batch is told', () => {
    const batches = traces.named(`record ${exchange}`)
    return batches.reduce((sum, { links }) => sum + links.length, 0) === 3
  })
  const publishes = traces.named(`publish ${exchange}`)
  assert.equal(publishes.length, 3)
  const [batch] = traces.named(`record ${exchange}`)
  assert.equal(batch!.attributes['messaging.destination.name'], `${exchange}:${historyQueueOf(exchange)}`)
  const linked = traces
    .named(`record ${exchange}`)
    .flatMap(({ links }) => links.map(({ context }) => context.spanId))
  assert.deepEqual(
    linked,
    publishes.map((span) => span.spanContext().spanId),
  )

  const reader = openHistory({ history })
  t.after(() => reader.close())
  const events = await reader.read({ after: 0 })
  for (const { id, message } of events) {
    const { traceId, spanId } = publishes
      .find((span) => span.attributes['messaging.message.id'] === id)!
      .spanContext()
    assert.equal(message.properties.headers?.traceparent, `00-${traceId}-${spanId}-01`)
    // The sequence is the last header: what is injected after it would cost every row of the history.
    assert.equal(Object.keys(message.properties.headers!).at(-1), 'ce-sequence')
  }
})

test('a consumer continues the trace of what it applies live, and links to that of what it replays', async (t) => {
  const traces = startTracing()
  t.after(() => traces.stop())
  const place = await newExchange(t, { consumers: ['shipping'] })
  const { url, exchange, history } = place
  await using recorder = startRecorder({ broker: url, exchange, history })
  await using publisher = openPublisher({ broker: url, exchange, source: '/sales' })
  const publish = (id: string) => publisher.publish({ type: 'order.placed', id, data: { id } })
  await publish('replayed')
  await until('it is recorded', () => recorder.status.head === 1)
  const shipping = defineConsumer({ name: 'shipping', exchange, on: { 'order.placed': () => {} } })
  const store = place.store('shipping')
  await using consumer = await startConsumer(shipping, { broker: url, history, store, settleMs: 0 })
  await consumer.caughtUp()
  await publish('live')
  await until('it is applied', () => consumer.status.live === 1)
  const spanOf = (name: string, id: string) =>
    traces.named(name).find((span) => span.attributes['messaging.message.id'] === id)!
  const applied = spanOf(`apply ${exchange}.shipping`, 'live')
  assert.equal(applied.parentSpanContext?.spanId, spanOf(`publish ${exchange}`, 'live').spanContext().spanId)
  const replayed = spanOf(`apply ${exchange}.shipping`, 'replayed')
  assert.equal(replayed.parentSpanContext, undefined)
  assert.equal(replayed.attributes['backstory.position'], 1)
  assert.deepEqual(
    replayed.links.map(({ context }) => context.spanId),
    [spanOf(`publish ${exchange}`, 'replayed').spanContext().spanId],
  )
})

test('an event that leaves through an outbox carries the trace of the transaction that made it', async (t) => {
  const traces = startTracing()
  t.after(() => traces.stop())
  const place = await newExchange(t)
  const { url, exchange, history } = place
  await using recorder = startRecorder({ broker: url, exchange, history })
  const database = new Database(place.store('sales'))
  t.after(() => database.close())
  const outbox = openOutbox({ database, exchange, source: '/sales' })
  trace.getTracer('application').startActiveSpan('sell', (sell) => {
    database.transaction(() => outbox.add(database, { type: 'order.placed', id: '1', data: {} }))()
    sell.end()
  })
  await using relay = startRelay({ broker: url, outbox })
  await relay.caughtUp()
  await until('it is recorded', () => recorder.status.head === 1)
  const [create] = traces.named(`create ${exchange}`)
  const [sell] = traces.named('sell')
  assert.equal(create!.parentSpanContext?.spanId, sell!.spanContext().spanId)
  const reader = openHistory({ history })
  t.after(() => reader.close())
  const [event] = await reader.read({ after: 0 })
  const { headers } = event!.message.properties
  assert.ok(String(headers?.traceparent).includes(create!.spanContext().spanId))
  assert.equal(Object.keys(headers!).at(-1), 'ce-sequence')
})

test('nobody traces: what is published has no trace', async (t) => {
  const { url, exchange, history } = await newExchange(t)
  await using recorder = startRecorder({ broker: url, exchange, history })
  await using publisher = openPublisher({ broker: url, exchange, source: '/sales' })
  await publisher.publish({ type: 'order.placed', id: '1' })
  await until('it is recorded', () => recorder.status.head === 1)
  const reader = openHistory({ history })
  t.after(() => reader.close())
  const events = await reader.read({ after: 0 })
  assert.equal(events[0]!.message.properties.headers?.traceparent, undefined)
})
