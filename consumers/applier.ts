/**
 * The applier: makes events take effect, each once, together with the marks that say so.
 *
 * A batch is one transaction. Where a handler throws, the transaction is rolled back; the events before
 * the failing one are applied without it, then it is tried alone, so a batch costs no savepoints while
 * all goes well. Where the store cannot be written, the batch waits and is tried again: nothing was
 * acknowledged, nothing is lost.
 */
import type { CloudEvent, Identity, Logger } from '../events/index.ts'
import type { PositionedIdentity, StoredEvent } from '../history/index.ts'
import { truncated } from './bounds.ts'
import type { Handler, HandlerContext, RetryPolicy } from './definition.ts'
import { ConsumerError } from './errors.ts'
import { asHandlerFailure, type HandlerFailure, handlerError } from './handler-failure.ts'
import type { Clock } from './link.ts'
import type { ConsumerState, ConsumerStore, Phase, StoreTransaction } from './store.ts'
import { Tally } from './tally.ts'

export interface ApplierOptions<Tx> {
  readonly consumer: string
  readonly store: ConsumerStore<Tx>
  readonly handlers: ReadonlyMap<string, Handler<string, unknown, Tx>>
  readonly retry: Required<RetryPolicy>
  /** How recently an event must have been recorded for a replay to put it into the inbox, in milliseconds. */
  readonly rememberMs: number
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly logger: Logger
}

export class Applier<Tx> {
  readonly #options: ApplierOptions<Tx>
  #state: ConsumerState
  #lastError: string | undefined

  private constructor(options: ApplierOptions<Tx>, state: ConsumerState) {
    this.#options = options
    this.#state = state
  }

  static async open<Tx>(options: ApplierOptions<Tx>): Promise<Applier<Tx>> {
    return new Applier(options, await options.store.state())
  }

  /** As it was last committed. */
  get state(): ConsumerState {
    return this.#state
  }

  /** The newest failure of a handler or of the store. */
  get lastError(): string | undefined {
    return this.#lastError
  }

  /** Applies a page of the history that begins right after the cursor, and moves the cursor to its end. */
  async replay(events: readonly StoredEvent[]): Promise<void> {
    await this.#inOrder(events, async (slice, attempt) => {
      await this.#transaction(async (unit, tally) => {
        const marks = await unit.marks(slice)
        const passed: Identity[] = []
        for (const [index, event] of slice.entries()) {
          if (event.position !== tally.cursor + 1)
            throw truncated(this.#options.consumer, tally.cursor, event.position)
          if (marks[index] !== undefined) passed.push(event)
          else {
            const handled = this.#handle(event, { tx: unit.tx, index, position: event.position, attempt })
            if (handled !== undefined) await handled
            tally.count(event, { replayed: true, unidentified: event.unidentified })
          }
          tally.cursor = event.position
        }
        if (passed.length > 0) await unit.pass(passed, this.#options.clock.now())
        await this.#remember(
          unit,
          slice.filter((_event, index) => marks[index] === undefined),
        )
      })
    })
  }

  /** Puts what was recorded lately into the inbox: a duplicate of it may come while the history is away. */
  async #remember(unit: StoreTransaction<Tx>, events: readonly StoredEvent[]): Promise<void> {
    const { clock, rememberMs } = this.#options
    const now = clock.now()
    const last = events.at(-1)
    // They were recorded in this order: where the last one is old, all are.
    if (last === undefined || last.recordedAt.getTime() < now - rememberMs) return
    await unit.add(
      events.filter(({ unidentified }) => !unidentified),
      now,
    )
  }

  /**
   * Applies live events that the history does not have at or below the cursor.
   *
   * @param onCommitted - Called with the number of events done, from the first, after each commit.
   */
  async live(events: readonly CloudEvent[], onCommitted: (done: number) => void): Promise<void> {
    let done = 0
    await this.#inOrder(events, async (slice, attempt) => {
      await this.#transaction(async (unit, tally) => {
        const marks = await unit.marks(slice)
        const added = new Map<string, Identity>()
        for (const [index, event] of slice.entries()) {
          // Either may hold any character, NUL too: the length tells where the id ends.
          const key = `${event.id.length} ${event.id}${event.source}`
          if (marks[index] !== undefined || added.has(key)) tally.duplicates += 1
          else {
            const handled = this.#handle(event, { tx: unit.tx, index, position: undefined, attempt })
            if (handled !== undefined) await handled
            tally.count(event, { replayed: false, unidentified: false })
            added.set(key, event)
          }
        }
        if (added.size > 0) await unit.add([...added.values()])
      })
      done += slice.length
      onCommitted(done)
    })
  }

  /**
   * Moves the cursor over what was applied live.
   *
   * @param page - Identities right after the cursor, in position order.
   * @returns How many of them the cursor has passed: it stops at the first that was not applied.
   */
  async pass(page: readonly PositionedIdentity[]): Promise<number> {
    return await this.#transaction(async (unit, tally) => {
      const marks = await unit.marks(page)
      const missing = marks.indexOf(undefined)
      const passed = missing === -1 ? page : page.slice(0, missing)
      const last = passed.at(-1)
      if (last !== undefined) {
        for (const [index, { position }] of passed.entries()) {
          const below = tally.cursor + index
          if (position !== below + 1) throw truncated(this.#options.consumer, below, position)
        }
        await unit.pass(passed, this.#options.clock.now())
        tally.cursor = last.position
      }
      return passed.length
    })
  }

  /** Counts deliveries that the history showed to be applied. */
  countDuplicates(duplicates: number): void {
    this.#state = { ...this.#state, duplicates: this.#state.duplicates + duplicates }
  }

  /** Forgets inbox entries that the cursor passed before this moment. */
  async forget(passedBefore: number): Promise<void> {
    await this.#transaction(async (unit) => {
      await unit.forget(passedBefore)
    })
  }

  async enter(phase: Phase, { repair = false }: { repair?: boolean } = {}): Promise<void> {
    if (phase === this.#state.phase && !repair) return
    await this.#transaction(async (_unit, tally) => {
      tally.phase = phase
      if (repair) tally.repairs += 1
    })
  }

  /** One transaction: what `work` tallies is saved with it, and known once it has committed. */
  async #transaction<Result>(
    work: (unit: StoreTransaction<Tx>, tally: Tally) => Promise<Result>,
  ): Promise<Result> {
    const { store } = this.#options
    const tally = new Tally(this.#state)
    const result = await this.#whenAvailable(() =>
      store.transaction(async (unit) => {
        tally.restart(this.#state)
        const worked = await work(unit, tally)
        await unit.save(tally.toState())
        return worked
      }),
    )
    this.#state = tally.toState()
    return result
  }

  /** Tries again while the store cannot be written, with growing waits, until told to stop. */
  async #whenAvailable<Result>(write: () => Promise<Result>): Promise<Result> {
    const { clock, signal, logger, consumer } = this.#options
    for (let retryMs = storeRetryMsMin; ; retryMs = Math.min(retryMs * 2, storeRetryMsMax)) {
      try {
        return await write()
      } catch (error) {
        const isUnavailable = error instanceof ConsumerError && error.code === 'CONSUMER_STORE_UNAVAILABLE'
        if (!isUnavailable || signal.aborted) throw error
        this.#lastError = error.message
        // Another writer is done in a moment, nearly always.
        if (retryMs > storeRetryMsMin * 4) {
          logger.error('consumer.store-unavailable', { consumer, error: error.message, retryMs })
        }
        await clock.sleep(retryMs)
      }
    }
  }

  /** Applies events slice by slice; see the header. */
  async #inOrder<Event extends CloudEvent>(
    events: readonly Event[],
    apply: (slice: readonly Event[], attempt: number) => Promise<void>,
  ): Promise<void> {
    let from = 0
    let to = events.length
    let attempt = 1
    while (from < events.length) {
      this.#options.signal.throwIfAborted()
      try {
        await apply(events.slice(from, to), attempt)
        from = to
        to = events.length
        attempt = 1
      } catch (error) {
        const failure = asHandlerFailure(error, { slice: to - from, event: events[from]! })
        if (failure === undefined) throw error
        if (failure === 'one of several') {
          to = from + 1
          continue
        }
        if (failure.index > 0) {
          to = from + failure.index
          continue
        }
        to = from + 1
        await this.#waitForRetry(failure, attempt)
        attempt += 1
      }
    }
  }

  async #waitForRetry({ event, cause }: HandlerFailure, attempt: number): Promise<void> {
    const { consumer, retry, clock, logger } = this.#options
    const reason = cause instanceof Error ? cause.message : String(cause)
    this.#lastError = reason
    const fields = { consumer, id: event.id, source: event.source, type: event.type, attempt, error: reason }
    if (attempt >= retry.attempts) {
      logger.error('handler.gave-up', fields)
      throw new ConsumerError(
        'CONSUMER_HANDLER_FAILED',
        `Consumer ${consumer} stopped at event ${event.id} of ${event.source} (${event.type}): its handler failed ${attempt} times, last with: ${reason}. The event is not applied and not lost; mend the handler and start again`,
        { cause },
      )
    }
    logger.warn('handler.failed', fields)
    await clock.sleep(Math.min(retry.backoffMs * 2 ** (attempt - 1), retry.backoffMsMax))
  }

  /** Runs the handler of an event; undefined where it has none or is done already. */
  #handle(
    event: CloudEvent,
    {
      tx,
      index,
      position,
      attempt,
    }: { tx: Tx; index: number; position: number | undefined; attempt: number },
  ): Promise<void> | undefined {
    const { handlers, signal, logger } = this.#options
    const handler = handlers.get(event.type) ?? handlers.get('*')
    if (handler === undefined) return undefined
    const context: HandlerContext<Tx> = {
      tx,
      replayed: position !== undefined,
      position,
      attempt,
      signal,
      logger,
    }
    try {
      const handled = handler(event, context)
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
}

const storeRetryMsMin = 10
const storeRetryMsMax = 5_000

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}
