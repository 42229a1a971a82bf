/**
 * A walk over the events that are asked for, page by page, in either direction. It knows how far it came,
 * also where a filter let nothing through.
 */
import type { Pattern } from '../../events/index.ts'
import type { EventFilter } from '../event-filter.ts'
import { patternTest } from '../pattern-match.ts'
import type { HistoryReader } from '../reader.ts'
import type { StoredEvent } from '../stored-event.ts'

export interface WalkOptions {
  /** Exclusive. */
  readonly after: number
  /** Inclusive. */
  readonly upTo: number
  /** Events at most. */
  readonly limit: number
  /** Undefined: every event. */
  readonly filter: EventFilter | undefined
  /** Events must match it, beside the filter; those nested too deep for it come too. */
  readonly pattern: Pattern | undefined
  readonly newestFirst: boolean
  /** The newest event of each subject, as of `upTo`: the others come superseded. */
  readonly latest: boolean
}

export class Walk {
  readonly #reader: HistoryReader
  readonly #filter: EventFilter | undefined
  readonly #matches: ((event: StoredEvent) => boolean) | undefined
  readonly #newestFirst: boolean
  readonly #latest: boolean
  #after: number
  #upTo: number
  #left: number
  #through: number
  #first: readonly StoredEvent[] | undefined
  #isAtEnd = false
  #isShort = false

  constructor(
    reader: HistoryReader,
    { after, upTo, limit, filter, pattern, newestFirst, latest }: WalkOptions,
  ) {
    this.#reader = reader
    // What cannot be judged here, its reader judges.
    this.#matches = pattern && patternTest(pattern, { unjudged: () => true })
    this.#filter = filter
    this.#newestFirst = newestFirst
    this.#latest = latest
    this.#after = after
    this.#upTo = upTo
    this.#left = limit
    this.#through = newestFirst ? upTo + 1 : after
  }

  /** Every position up to this one was looked at; newest first, down to this one. */
  get through(): number {
    return this.#through
  }

  /** Nothing more will come: the limit, or the last position that was asked for, is reached. */
  get isDone(): boolean {
    return this.#left === 0 || this.#after >= this.#upTo
  }

  /** The last page found nothing more to look at. */
  get isAtEnd(): boolean {
    return this.#isAtEnd
  }

  /** The last page had fewer events than it might have: what follows is for another page to tell. */
  get isShort(): boolean {
    return this.#isShort
  }

  /** Reads the first events already: what keeps them from being read is told before anything is answered. */
  async begin(pageSize: number): Promise<void> {
    this.#first = await this.#read(pageSize)
  }

  /** The next events, none where there are none for now. @throws as `HistoryReader.read` and `select` do. */
  async next(pageSize: number): Promise<readonly StoredEvent[]> {
    const first = this.#first
    this.#first = undefined
    return first ?? (await this.#read(pageSize))
  }

  async #read(pageSize: number): Promise<readonly StoredEvent[]> {
    if (this.isDone) return []
    const before = this.#through
    // Of those that are read few may match.
    const limit = this.#matches === undefined ? Math.min(pageSize, this.#left) : pageSize
    const read = await this.#page(limit)
    const events = this.#matches === undefined ? read : read.filter(this.#matches).slice(0, this.#left)
    this.#isShort = read.length < limit
    this.#left -= events.length
    if (this.#left === 0 && this.#matches !== undefined) this.#goTo(events.at(-1)!.position)
    this.#isAtEnd = this.#through === before
    return events
  }

  async #page(limit: number): Promise<readonly StoredEvent[]> {
    const page = { after: this.#after, upTo: this.#upTo, limit }
    if (this.#filter === undefined && !this.#newestFirst) {
      const events = await (this.#latest ? this.#reader.latest(page) : this.#reader.read(page))
      this.#through = this.#after = events.at(-1)?.position ?? this.#after
      return events
    }
    const newestFirst = this.#newestFirst
    const { events, through } = await this.#reader.select({
      ...page,
      filter: this.#filter ?? {},
      newestFirst,
    })
    this.#goTo(through)
    return events
  }

  #goTo(through: number): void {
    this.#through = through
    if (this.#newestFirst) this.#upTo = through - 1
    else this.#after = through
  }
}
