/** A range of a history, page by page, with what travels along with its events. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { EventFilter } from '../event-filter.ts'
import type { HistoryReader, PrunedRange } from '../reader.ts'
import type { StoredEvent } from '../stored-event.ts'
import { type SpentRun, SpentRuns } from './spent-runs.ts'

export interface EventPage {
  readonly events: readonly StoredEvent[]
  /** By the position behind which they came. None where the events are filtered. */
  readonly spent: ReadonlyMap<number, readonly SpentRun[]>
  /** How far the history was looked at. */
  readonly through: number
}

/** How far the history was gone through, and how far it is to be. */
export interface TransferProgress {
  readonly position: number
  readonly upTo: number
}

export class EventPages {
  readonly #reader: HistoryReader
  readonly #filter: EventFilter | undefined
  readonly #upTo: number
  readonly #signal: AbortSignal | undefined
  readonly #spent: SpentRuns
  readonly #pruned: readonly PrunedRange[]
  /** Came behind events that were pruned. */
  readonly #left: SpentRun[] = []
  #after: number
  #isBegun = false

  constructor(
    reader: HistoryReader,
    options: {
      readonly after: number
      readonly upTo: number
      readonly filter?: EventFilter | undefined
      /** What was pruned between the two: it is passed over. */
      readonly pruned: readonly PrunedRange[]
      /** Ends the reading, throwing its reason. */
      readonly signal?: AbortSignal | undefined
    },
  ) {
    this.#reader = reader
    this.#filter = options.filter
    this.#upTo = options.upTo
    this.#signal = options.signal
    this.#pruned = options.pruned
    this.#after = options.after
    this.#spent = new SpentRuns(reader, { head: options.upTo })
  }

  /** @returns undefined at the end. */
  async next(limit: number): Promise<EventPage | undefined> {
    if (this.#after >= this.#upTo) return undefined
    // SQLite answers without leaving this turn: signals and timers need one of their own.
    await nextTurn()
    this.#signal?.throwIfAborted()
    const page =
      this.#filter === undefined ? await this.#whole(limit) : await this.#filtered(limit, this.#filter)
    if (page !== undefined) this.#after = page.through
    return page
  }

  async #whole(limit: number): Promise<EventPage | undefined> {
    if (!this.#isBegun) await this.#spent.upTo(this.#after)
    this.#isBegun = true
    const range = this.#pruned.find(({ last }) => last > this.#after)
    if (range !== undefined && range.first <= this.#after + 1) {
      for (const [position, runs] of await this.#spent.upTo(range.last)) {
        this.#left.push(
          ...runs.map(([source, epoch, from, to]) => [source, epoch, from, to, position] as const),
        )
      }
      return { events: [], through: range.last, spent: none }
    }
    const upTo = range === undefined ? this.#upTo : Math.min(this.#upTo, range.first - 1)
    const events = await this.#reader.read({ after: this.#after, upTo, limit })
    const through = events.at(-1)?.position
    if (through === undefined) return undefined
    const spent = new Map(await this.#spent.upTo(through))
    if (this.#left.length > 0) {
      const first = events[0]!.position
      spent.set(first, [...this.#left.splice(0), ...(spent.get(first) ?? [])])
    }
    return { events, through, spent }
  }

  async #filtered(limit: number, filter: EventFilter): Promise<EventPage> {
    const page = { filter, after: this.#after, upTo: this.#upTo, limit }
    const { events, through } = await this.#reader.select(page)
    // Nothing is left to be looked at where it did not get further.
    return { events, through: through > this.#after ? through : this.#upTo, spent: none }
  }
}

const none: ReadonlyMap<number, readonly SpentRun[]> = new Map()
