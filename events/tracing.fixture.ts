/**
 * An application that traces: an SDK that keeps the spans, with W3C headers and contexts that follow a call
 * through its promises.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type Context,
  type ContextManager,
  context,
  propagation,
  ROOT_CONTEXT,
  type TextMapPropagator,
  trace,
} from '@opentelemetry/api'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'

export interface Traces {
  /** Ended so far, in that order. */
  spans(): ReadableSpan[]
  /** The ones of that name. */
  named(name: string): ReadableSpan[]
  stop(): void
}

/** From now on, until `stop`, this process traces. */
export function startTracing(): Traces {
  const exporter = new InMemorySpanExporter()
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
  )
  propagation.setGlobalPropagator(w3cPropagator)
  context.setGlobalContextManager(new LocalContexts())
  return {
    spans: () => exporter.getFinishedSpans(),
    named: (name) => exporter.getFinishedSpans().filter((span) => span.name === name),
    stop() {
      trace.disable()
      propagation.disable()
      context.disable()
    },
  }
}

/** https://www.w3.org/TR/trace-context, as far as these tests need it. */
const w3cPropagator: TextMapPropagator = {
  fields: () => ['traceparent', 'tracestate'],
  inject(from, carrier, setter) {
    const spanContext = trace.getSpanContext(from)
    if (spanContext === undefined) return
    const { traceId, spanId, traceFlags } = spanContext
    setter.set(carrier, 'traceparent', `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`)
    setter.set(carrier, 'tracestate', 'test=1')
  },
  extract(into, carrier, getter) {
    const [, traceId, spanId, flags] =
      /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(String(getter.get(carrier, 'traceparent'))) ??
      []
    if (traceId === undefined) return into
    const traceFlags = Number.parseInt(flags!, 16)
    return trace.setSpanContext(into, { traceId, spanId: spanId!, traceFlags, isRemote: true })
  },
}

class LocalContexts implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>()

  active(): Context {
    return this.#storage.getStore() ?? ROOT_CONTEXT
  }

  with<Args extends unknown[], Result>(
    active: Context,
    call: (...args: Args) => Result,
    self?: unknown,
    ...args: Args
  ): Result {
    return this.#storage.run(active, () => call.apply(self as never, args))
  }

  bind<Target>(_active: Context, target: Target): Target {
    return target
  }

  enable(): this {
    return this
  }

  disable(): this {
    this.#storage.disable()
    return this
  }
}
