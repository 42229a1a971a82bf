/**
 * A definition's handlers, looked up by event type, and how one of them is run.
 */
import {
  type Catalog,
  type CloudEvent,
  checkData,
  compilePattern,
  type DataSchema,
  EventError,
  type EventType,
  traceApply,
} from '../events/index.ts'
import { type Erasure, HistoryError, publishedTest } from '../history/index.ts'
import {
  type ErasureContext,
  type ErasureHandler,
  type Handler,
  type HandlerContext,
  type Handlers,
  type Reaction,
  type RetryPolicy,
  resolveRetry,
  type TwoPartHandler,
} from './definition.ts'
import { handlerError } from './handler-failure.ts'

export interface ResolvedHandler<Tx> {
  readonly apply: Handler<string, unknown, Tx> | undefined
  readonly react: Reaction<string, unknown> | undefined
  readonly retry: Required<RetryPolicy>
  readonly schema: DataSchema | undefined
}

export class HandlerTable<Tx> {
  /** Whether any has a `react`. */
  readonly reacts: boolean
  readonly #handlers = new Map<string, ResolvedHandler<Tx>>()
  readonly #retry: Required<RetryPolicy>
  readonly #onErased: ErasureHandler<Tx> | undefined
  readonly #matches: ((event: CloudEvent) => boolean) | undefined

  /** @throws TypeError for a retry policy out of its range. EventError `PATTERN_INVALID`. */
  constructor(definition: {
    on: Handlers<Catalog, Tx>
    events?: Catalog
    retry?: RetryPolicy
    onErased?: ErasureHandler<Tx>
    pattern?: unknown
  }) {
    this.#matches =
      definition.pattern === undefined ? undefined : publishedTest(compilePattern(definition.pattern))
    this.#retry = resolveRetry(definition.retry)
    this.#onErased = definition.onErased && ((...args) => definition.onErased!(...args))
    const events = (definition.events ?? {}) as Record<string, EventType<unknown>>
    for (const [type, handler] of Object.entries(definition.on)) {
      const parts = (typeof handler === 'function' ? { apply: handler } : handler) as TwoPartHandler<
        string,
        unknown,
        Tx
      >
      this.#handlers.set(type, {
        apply: parts.apply,
        react: parts.react,
        retry:
          parts.retry === undefined ? this.#retry : resolveRetry({ ...definition.retry, ...parts.retry }),
        schema: events[type]?.schema,
      })
    }
    this.reacts = [...this.#handlers.values()].some(({ react }) => react !== undefined)
  }

  /** Undefined where the event is not for this consumer. */
  find(event: CloudEvent): ResolvedHandler<Tx> | undefined {
    const handler = this.#of(event.type)
    if (handler === undefined || this.#matches === undefined) return handler
    try {
      return this.#matches(event) ? handler : undefined
    } catch (error) {
      // Whether it is for this consumer nobody can say: that is a failure of the event's own.
      return { ...handler, react: undefined, apply: refusal(error) }
    }
  }

  /** Tells of an erasure. @throws ErasureFailure with the cause. */
  async erased(erasure: Erasure, context: ErasureContext<Tx>): Promise<void> {
    try {
      await this.#onErased?.(erasure, context)
    } catch (cause) {
      // The history may be away while its events are read: that is no failure of the handler's.
      if (cause instanceof HistoryError) throw cause
      throw new ErasureFailure('onErased failed', { cause })
    }
  }

  retryOf(type: string): Required<RetryPolicy> {
    return this.#of(type)?.retry ?? this.#retry
  }

  #of(type: string): ResolvedHandler<Tx> | undefined {
    return this.#handlers.get(type) ?? this.#handlers.get('*')
  }
}

function refusal(error: unknown): () => never {
  return () => {
    throw error
  }
}

/** What `onErased` threw, on its way out of the transaction that it rolls back. */
export class ErasureFailure extends Error {}

/**
 * Runs the `apply` of an event; undefined where it has none or is done already.
 *
 * @throws HandlerFailure, also by the promise, with the event's place in its slice.
 */
export function runApply<Tx>(
  { apply, schema }: ResolvedHandler<Tx>,
  event: CloudEvent,
  {
    context,
    index,
    tracedAs,
  }: {
    context: HandlerContext<Tx>
    index: number
    /** The consumer's name, where the application traces. */
    tracedAs: string | undefined
  },
): Promise<void> | undefined {
  try {
    if (schema !== undefined) checkData(schema, event)
    if (apply === undefined) return undefined
    const handled =
      tracedAs === undefined
        ? apply(event, context)
        : traceApply(event, { consumer: tracedAs, position: context.position }, () => apply(event, context))
    // Most handlers are synchronous, and an await for each would cost more than they do.
    if (!isThenable(handled)) return undefined
    return Promise.resolve(handled).then(
      () => {},
      (error: unknown) => {
        throw handlerError(error, index, event)
      },
    )
  } catch (error) {
    throw handlerError(error, index, event)
  }
}

/** An event that is not what it says will not be so at the next try. */
export function isHopeless(error: unknown): error is EventError {
  return error instanceof EventError
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}
