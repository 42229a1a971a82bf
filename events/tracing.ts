/**
 * Traces: OpenTelemetry spans of publish, record and apply, where the application has set up tracing.
 *
 * The only importer of @opentelemetry/api, which does nothing by itself. Until an SDK is registered each of
 * these calls what it was given and makes nothing, so whoever has many events asks `isTracing` first.
 *
 * A live event continues the trace of its publish. A replayed one does not: years may lie between, and a
 * replay of a million events would hang them all onto old traces. It begins a trace of its own, which
 * links to the publish. A batch of the recorder links to the publishes in it. Names follow OpenTelemetry's
 * conventions for messaging; what they have no name for begins with `backstory.`.
 */
import {
  context,
  type Link,
  propagation,
  ROOT_CONTEXT,
  type Span,
  type Attributes as SpanAttributes,
  SpanKind,
  SpanStatusCode,
  type TextMapGetter,
  type TextMapSetter,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import type { CloudEvent } from './event.ts'
import type { Headers, HeaderValue, Message } from './message.ts'

/** Whether an SDK is registered: then spans are worth making. */
export function isTracing(): boolean {
  const provider = trace.getTracerProvider() as { getDelegateTracer?(name: string): Tracer | undefined }
  // The API's own provider stands for one that may still come; another copy of the API has its own class.
  return provider.getDelegateTracer === undefined || provider.getDelegateTracer(scope) !== undefined
}

/**
 * A span of a publish until it settles. The message carries it along, in the headers of the application's
 * propagator (`traceparent` and `tracestate` as a rule), unless it carries a trace already: that stays.
 *
 * @param message - Its headers are added to.
 */
export async function tracePublish<Result>(
  message: Message,
  publish: () => Promise<Result>,
): Promise<Result> {
  const { exchange, routingKey, properties } = message
  const links = linksTo([message])
  const span = tracer().startSpan(`publish ${exchange}`, {
    // Where the publish is not what consumers continue, it is no producer of a trace.
    kind: links.length > 0 ? SpanKind.CLIENT : SpanKind.PRODUCER,
    links,
    attributes: {
      ...attributesFor({ operation: 'publish', type: 'send', destination: [exchange, routingKey] }),
      ...attributesOfMessage(message),
    },
  })
  if (links.length === 0 && properties.headers !== undefined) inject(span, properties.headers)
  return await untilSettled(span, publish)
}

/**
 * A span of the moment at which an event is made that leaves later, from an outbox: what applies it continues
 * the trace of whoever made it. The message carries it along as with `tracePublish`.
 */
export function traceCreate(message: Message): void {
  if (linksTo([message]).length > 0) return
  const { exchange, routingKey, properties } = message
  const span = tracer().startSpan(`create ${exchange}`, {
    kind: SpanKind.PRODUCER,
    attributes: {
      ...attributesFor({ operation: 'create', type: 'create', destination: [exchange, routingKey] }),
      ...attributesOfMessage(message),
    },
  })
  if (properties.headers !== undefined) inject(span, properties.headers)
  span.end()
}

/** A span of a batch on its way into the history, with links to the first of its publishes. */
export async function traceRecord<Result>(
  { exchange, queue, messages }: { exchange: string; queue: string; messages: readonly Message[] },
  record: () => Promise<Result>,
): Promise<Result> {
  const span = tracer().startSpan(`record ${exchange}`, {
    root: true,
    kind: SpanKind.CONSUMER,
    links: linksTo(messages),
    attributes: {
      ...attributesFor({ operation: 'record', type: 'process', destination: [exchange, queue] }),
      'messaging.batch.message_count': messages.length,
    },
  })
  return await untilSettled(span, record)
}

export interface TraceApplyOptions {
  readonly consumer: string
  /** Where the event was read in the history; undefined for a live one. */
  readonly position: number | undefined
  /** Default `apply`. */
  readonly operation?: 'apply' | 'react'
}

/**
 * A span of a handler at work on an event, which is the current span inside it.
 *
 * @returns What `handle` returns; the span lasts until that, or the promise, is there. Nothing becomes
 *   asynchronous by it.
 */
export function traceApply<Result>(
  event: CloudEvent,
  { consumer, position, operation = 'apply' }: TraceApplyOptions,
  handle: () => Result,
): Result {
  const { message } = event
  const replayed = position !== undefined
  const origin = replayed ? ROOT_CONTEXT : propagation.extract(ROOT_CONTEXT, message.properties, headerGetter)
  const { exchange, routingKey } = message
  const span = tracer().startSpan(
    `${operation} ${exchange}.${consumer}`,
    {
      kind: SpanKind.CONSUMER,
      links: replayed ? linksTo([message]) : [],
      attributes: {
        ...attributesFor({
          operation,
          type: 'process',
          destination: [exchange, routingKey, `${exchange}.${consumer}`],
        }),
        'messaging.consumer.group.name': consumer,
        ...attributesOfEvent(event),
        'backstory.replayed': replayed,
        ...(replayed && { 'backstory.position': position }),
      },
    },
    origin,
  )
  return context.with(trace.setSpan(origin, span), () => untilDone(span, handle))
}

const scope = 'backstory'
/** An SDK keeps 128 unless told otherwise. */
const linksMax = 128

/** Asked for each time: it is cheap, and an SDK may be registered at any time. */
function tracer(): Tracer {
  return trace.getTracer(scope)
}

function attributesFor({
  operation,
  type,
  destination,
}: {
  operation: string
  type: 'create' | 'process' | 'send'
  destination: readonly string[]
}): SpanAttributes {
  return {
    'messaging.system': 'rabbitmq',
    'messaging.operation.name': operation,
    'messaging.operation.type': type,
    'messaging.destination.name': destination.filter((part) => part !== '').join(':'),
  }
}

/** Of a message of ours. */
function attributesOfMessage({ routingKey, properties }: Message): SpanAttributes {
  const { messageId: id, appId: source, type, headers } = properties
  return {
    ...(routingKey !== '' && { 'messaging.rabbitmq.destination.routing_key': routingKey }),
    ...attributesOfEvent({ id, source, type, subject: headers?.['ce-subject'] }),
  }
}

function attributesOfEvent({
  id,
  source,
  type,
  subject,
}: {
  readonly id: string | undefined
  readonly source: string | undefined
  readonly type: string | undefined
  readonly subject: HeaderValue | undefined
}): SpanAttributes {
  return {
    'messaging.message.id': id,
    'cloudevents.event_id': id,
    'cloudevents.event_source': source,
    'cloudevents.event_type': type,
    'cloudevents.event_subject': typeof subject === 'string' ? subject : undefined,
  }
}

/** Links to where messages were published, as far as they say so; at most as many as a span keeps. */
function linksTo(messages: readonly Message[]): Link[] {
  const links: Link[] = []
  for (const { properties } of messages) {
    if (links.length === linksMax) break
    const origin = propagation.extract(ROOT_CONTEXT, properties, headerGetter)
    const spanContext = trace.getSpanContext(origin)
    if (spanContext !== undefined) links.push({ context: spanContext })
  }
  return links
}

function inject(span: Span, headers: Headers): void {
  propagation.inject(trace.setSpan(context.active(), span), headers, headerSetter)
}

const headerGetter: TextMapGetter<Message['properties']> = {
  keys: ({ headers }) => Object.keys(headers ?? {}),
  get({ headers }, name) {
    const value = headers?.[name]
    return typeof value === 'string' ? value : undefined
  },
}

const headerSetter: TextMapSetter<Headers> = {
  set(headers, name, value) {
    if (!(name in headers)) (headers as Record<string, HeaderValue>)[name] = value
  },
}

async function untilSettled<Result>(span: Span, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    noteFailure(span, error)
    throw error
  } finally {
    span.end()
  }
}

function untilDone<Result>(span: Span, work: () => Result): Result {
  let isPending = false
  try {
    const result = work()
    if (!isThenable(result)) return result
    isPending = true
    // What is only like a promise may begin its work when it is awaited, and each time anew.
    return untilSettled(span, () => Promise.resolve(result)) as Result
  } catch (error) {
    noteFailure(span, error)
    throw error
  } finally {
    if (!isPending) span.end()
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}

function noteFailure(span: Span, error: unknown): void {
  const { code, name, message } = error as { code?: unknown; name?: unknown; message?: string }
  span.setAttribute(
    'error.type',
    typeof code === 'string' ? code : typeof name === 'string' ? name : '_OTHER',
  )
  span.setStatus({ code: SpanStatusCode.ERROR, message: message ?? String(error) })
}
