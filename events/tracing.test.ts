import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { MessageEvent, toMessage } from './event.ts'
import type { Message } from './message.ts'
import { startTracing } from './tracing.fixture.ts'
import { isTracing, traceApply, traceCreate, tracePublish, traceRecord } from './tracing.ts'

const order = (headers?: Record<string, string>): Message =>
  toMessage(
    { id: 'EC-1', type: 'order.placed', subject: 'EC-1', data: {}, headers },
    { exchange: 'orders', source: '/sales' },
  )
const eventOf = (message: Message) =>
  new MessageEvent({ id: 'EC-1', source: '/sales', type: 'order.placed', subject: 'EC-1' }, message)
const strange = { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` }

function tracing(t: TestContext) {
  const traces = startTracing()
  t.after(() => traces.stop())
  return traces
}

/** A message as it was published, with the span of that. */
async function published(traces: ReturnType<typeof startTracing>) {
  const message = order()
  await tracePublish(message, async () => {})
  return { message, span: traces.named('publish orders').at(-1)! }
}

test('without an SDK nothing traces, and a message stays as it is', async () => {
  assert.equal(isTracing(), false)
  const message = order()
  const before = structuredClone(message.properties)
  assert.equal(await tracePublish(message, async () => 'sent'), 'sent')
  assert.deepEqual(message.properties, before)
  assert.equal(
    traceApply(eventOf(message), { consumer: 'shipping', position: 1 }, () => 'applied'),
    'applied',
  )
})

test('an SDK that is registered later is seen', (t) => {
  assert.equal(isTracing(), false)
  tracing(t)
  assert.equal(isTracing(), true)
})

test('a publish is a PRODUCER span in the context of its call, and the message carries it along', async (t) => {
  const traces = tracing(t)
  const message = order()
  const tracer = trace.getTracer('application')
  await tracer.startActiveSpan('request', async (request) => {
    await tracePublish(message, async () => {
      assert.match(String(message.properties.headers?.traceparent), /^00-/)
    })
    request.end()
  })
  const [publish, request] = traces.spans()
  assert.equal(publish!.name, 'publish orders')
  assert.equal(publish!.kind, SpanKind.PRODUCER)
  assert.equal(publish!.parentSpanContext?.spanId, request!.spanContext().spanId)
  const { traceId, spanId } = publish!.spanContext()
  assert.equal(message.properties.headers?.traceparent, `00-${traceId}-${spanId}-01`)
  assert.deepEqual(publish!.attributes, {
    'messaging.system': 'rabbitmq',
    'messaging.operation.name': 'publish',
    'messaging.operation.type': 'send',
    'messaging.destination.name': 'orders',
    'messaging.message.id': 'EC-1',
    'cloudevents.event_id': 'EC-1',
    'cloudevents.event_source': '/sales',
    'cloudevents.event_type': 'order.placed',
    'cloudevents.event_subject': 'EC-1',
  })
})

test('a trace that the event carries already stays, and the publish links to it', async (t) => {
  const traces = tracing(t)
  const message = order(strange)
  await tracePublish(message, async () => {})
  assert.equal(message.properties.headers?.traceparent, strange.traceparent)
  assert.equal(message.properties.headers?.tracestate, undefined)
  const [span] = traces.spans()
  assert.equal(span!.kind, SpanKind.CLIENT)
  assert.deepEqual(
    span!.links.map(({ context }) => context.spanId),
    ['b'.repeat(16)],
  )
})

test('a header of that name that is no trace stays too', async (t) => {
  tracing(t)
  const message = order({ traceparent: 'mine' })
  await tracePublish(message, async () => {})
  assert.equal(message.properties.headers?.traceparent, 'mine')
})

test('an event that leaves later carries the trace of the moment in which it was made', async (t) => {
  const traces = tracing(t)
  const message = order()
  trace.getTracer('application').startActiveSpan('order', (request) => {
    traceCreate(message)
    request.end()
  })
  const [create, request] = traces.spans()
  assert.equal(create!.name, 'create orders')
  assert.equal(create!.kind, SpanKind.PRODUCER)
  assert.equal(create!.parentSpanContext?.spanId, request!.spanContext().spanId)
  const { traceparent } = message.properties.headers!
  assert.ok(String(traceparent).includes(create!.spanContext().spanId))
  const carried = order(strange)
  traceCreate(carried)
  assert.equal(carried.properties.headers?.traceparent, strange.traceparent)
  assert.equal(traces.spans().length, 2)
})

test('a publish that is rejected is a failed span, with the code of its error', async (t) => {
  const traces = tracing(t)
  const failure = Object.assign(new Error('no queue took it'), { code: 'PUBLISH_UNROUTABLE' })
  await assert.rejects(
    tracePublish(order(), () => Promise.reject(failure)),
    failure,
  )
  const [span] = traces.spans()
  assert.equal(span!.attributes['error.type'], 'PUBLISH_UNROUTABLE')
  assert.deepEqual(span!.status, { code: SpanStatusCode.ERROR, message: 'no queue took it' })
})

test('a batch of the recorder is one span of its own that links to its publishes, 128 at most', async (t) => {
  const traces = tracing(t)
  const { message, span: publish } = await published(traces)
  const messages = [order(), ...Array.from({ length: 200 }, () => message)]
  await trace.getTracer('application').startActiveSpan('around', async (around) => {
    await traceRecord({ exchange: 'orders', queue: 'orders.history', messages }, async () => {})
    around.end()
  })
  const [record] = traces.named('record orders')
  assert.equal(record!.kind, SpanKind.CONSUMER)
  assert.equal(record!.parentSpanContext, undefined)
  assert.deepEqual([record!.links.length, record!.droppedLinksCount], [128, 0])
  assert.equal(record!.links[0]!.context.spanId, publish.spanContext().spanId)
  assert.equal(record!.attributes['messaging.batch.message_count'], 201)
  assert.equal(record!.attributes['messaging.destination.name'], 'orders:orders.history')
})

test('a live event continues the trace of its publish, and the handler works within its span', async (t) => {
  const traces = tracing(t)
  const { message, span: publish } = await published(traces)
  await traceApply(eventOf(message), { consumer: 'shipping', position: undefined }, async () => {
    await null
    assert.deepEqual(traces.named('apply orders.shipping'), [])
    trace.getTracer('application').startSpan('query').end()
  })
  const [apply] = traces.named('apply orders.shipping')
  const [query] = traces.named('query')
  assert.equal(apply!.kind, SpanKind.CONSUMER)
  assert.equal(apply!.spanContext().traceId, publish.spanContext().traceId)
  assert.equal(apply!.parentSpanContext?.spanId, publish.spanContext().spanId)
  assert.deepEqual(apply!.links, [])
  assert.equal(query!.parentSpanContext?.spanId, apply!.spanContext().spanId)
  assert.equal(apply!.attributes['messaging.consumer.group.name'], 'shipping')
  assert.equal(apply!.attributes['messaging.destination.name'], 'orders:orders.shipping')
  assert.equal(apply!.attributes['backstory.replayed'], false)
})

test('a replayed event begins a trace of its own, which links to the publish and does not extend it', async (t) => {
  const traces = tracing(t)
  const { message, span: publish } = await published(traces)
  // Also where something around it traces.
  trace.getTracer('application').startActiveSpan('bootstrap', (around) => {
    traceApply(eventOf(message), { consumer: 'shipping', position: 17 }, () => {})
    around.end()
  })
  const [apply] = traces.named('apply orders.shipping')
  assert.equal(apply!.parentSpanContext, undefined)
  assert.notEqual(apply!.spanContext().traceId, publish.spanContext().traceId)
  assert.deepEqual(
    apply!.links.map(({ context }) => context.spanId),
    [publish.spanContext().spanId],
  )
  assert.equal(apply!.attributes['backstory.replayed'], true)
  assert.equal(apply!.attributes['backstory.position'], 17)
})

test('a handler that is synchronous stays so, and what it throws fails its span', (t) => {
  const traces = tracing(t)
  const place = { consumer: 'shipping', position: undefined, operation: 'react' } as const
  assert.equal(
    traceApply(eventOf(order()), place, () => 7),
    7,
  )
  const failure = new RangeError('no such car')
  assert.throws(
    () =>
      traceApply(eventOf(order()), place, () => {
        throw failure
      }),
    failure,
  )
  const [first, second] = traces.named('react orders.shipping')
  assert.equal(first!.status.code, SpanStatusCode.UNSET)
  assert.equal(second!.attributes['error.type'], 'RangeError')
})

test('what is only like a promise is awaited once', async (t) => {
  const traces = tracing(t)
  let runs = 0
  const query = {
    // biome-ignore lint/suspicious/noThenProperty: that is what it is about
    then(resolve: (value: string) => void) {
      runs += 1
      resolve('rows')
    },
  }
  const place = { consumer: 'shipping', position: 1 }
  assert.equal(await traceApply(eventOf(order()), place, () => query), 'rows')
  assert.equal(runs, 1)
  assert.equal(traces.named('apply orders.shipping').length, 1)
})
