/**
 * An uptake: one slice of events taken in within one transaction. Each is applied, or parked because of its
 * verdict, or parked behind an earlier one of its subject.
 */
import { type CloudEvent, isTracing, type Logger } from '../events/index.ts'
import type { Trial } from './attempts.ts'
import { dueAfter } from './attempts.ts'
import type { ParkingPolicy } from './definition.ts'
import { type HandlerTable, runApply } from './handler-table.ts'
import type { NewParked } from './parking/parking.ts'
import type { StoreTransaction } from './store.ts'

export interface UptakeOptions<Tx> {
  readonly consumer: string
  readonly handlers: HandlerTable<Tx>
  readonly parking: Required<ParkingPolicy> | undefined
  readonly signal: AbortSignal
  readonly logger: Logger
  readonly unit: StoreTransaction<Tx>
  readonly trial: Trial
  /** Subjects that have something parked. */
  readonly held: ReadonlySet<string>
  /** Events beyond this position react; live ones always do. */
  readonly reactAfter: number | undefined
  readonly now: number
}

export class Uptake<Tx> {
  readonly #options: UptakeOptions<Tx>
  readonly #tracedAs: string | undefined
  readonly #parked: NewParked[] = []
  readonly #reacting: { readonly event: CloudEvent; readonly position: number | undefined }[] = []

  constructor(options: UptakeOptions<Tx>) {
    this.#options = options
    this.#tracedAs = isTracing() ? options.consumer : undefined
  }

  get parked(): number {
    return this.#parked.length
  }

  get reacting(): number {
    return this.#reacting.length
  }

  /**
   * Applies an event, or notes that it is to be parked; undefined where that is done already.
   *
   * @param place.position - Undefined for a live event.
   * @throws HandlerFailure, also by the promise.
   */
  take(
    event: CloudEvent,
    { index, position }: { index: number; position: number | undefined },
  ): Promise<void> | undefined {
    const { handlers, trial, held, unit, signal, logger, parking, now } = this.#options
    if (trial.verdict !== undefined) {
      this.#park(event, position, { ...trial.verdict, dueAt: dueAfter(parking, { retries: 0, now }) })
      return undefined
    }
    if (event.subject !== undefined && held.has(event.subject)) {
      this.#park(event, position, { reason: 'behind', error: undefined, attempts: 0, dueAt: undefined })
      return undefined
    }
    const handler = handlers.find(event)
    if (handler === undefined) return undefined
    if (handler.react !== undefined && this.#reacts(position)) this.#reacting.push({ event, position })
    const replayed = position !== undefined
    const context = { tx: unit.tx, replayed, position, attempt: trial.attempt, signal, logger }
    return runApply(handler, event, { context, index, tracedAs: this.#tracedAs })
  }

  /** Writes down what was parked and what is to react. */
  async write(events: readonly CloudEvent[]): Promise<void> {
    const { unit, trial } = this.#options
    if (this.#parked.length > 0) await unit.parking.park(this.#parked)
    if (this.#reacting.length > 0) await unit.reactions.add(this.#reacting)
    if (trial.careful) for (const event of events) await unit.forgetTries('apply', event)
  }

  #reacts(position: number | undefined): boolean {
    const { reactAfter } = this.#options
    return position === undefined || (reactAfter !== undefined && position > reactAfter)
  }

  #park(
    event: CloudEvent,
    position: number | undefined,
    why: Pick<NewParked, 'reason' | 'error' | 'attempts' | 'dueAt'>,
  ): void {
    this.#parked.push({ part: 'apply', event, position, parkedAt: this.#options.now, ...why })
  }
}
