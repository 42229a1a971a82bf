/**
 * Reading a history. Events come in `position` order, 1, 2, 3 … without holes, and none is seen before
 * all below it. Every method reads what is committed at that moment.
 */
import type { Identity, Pattern } from '../events/index.ts'
import type { EventFilter } from './event-filter.ts'
import type { EventOutline, PositionedIdentity, SequencedEvent, StoredEvent } from './stored-event.ts'

export interface HistoryReader {
  /** The exchange whose history it is. */
  exchange(): Promise<string>
  /**
   * The highest position recorded, and the lowest still held: {first: 1, head: 0} in an empty history.
   * `first` above 1 says that what lies below was removed.
   */
  bounds(): Promise<{ readonly first: number; readonly head: number }>
  /**
   * A page of events in position order.
   *
   * @param page.after - Exclusive; 0 reads from the beginning.
   * @param page.upTo - Inclusive. Default: the head.
   * @param page.limit - Events at most, fewer where their bodies pass 16 MiB. Default 500.
   * @throws HistoryError `HISTORY_CORRUPT` where the next position is missing though there are later ones:
   *   a hole is told, never skipped; `HISTORY_PRUNED` where it was pruned: a page ends before such a one.
   */
  read(page: Page): Promise<StoredEvent[]>
  /**
   * A page as `read` gives it, for whoever needs the newest event of each subject alone: one that has a later
   * one of its subject at or below `upTo` is `superseded`, without data and properties. Events without a
   * subject are all whole. What is newest is so as of `upTo`, however far the history has grown.
   *
   * @param page.upTo - Inclusive.
   * @throws HistoryError as `read` does; `HISTORY_UNAVAILABLE` where a file of an older version has no index
   *   by subject, until its recorder is started with this version.
   */
  latest(page: LatestPage): Promise<StoredEvent[]>
  /**
   * A page of the events that a filter picks, oldest or newest first. A call does bounded work: with a filter
   * that no index serves (`isIndexed`) it looks at so many events, and tells how far it came.
   *
   * @param page.limit - Events at most, fewer where their bodies pass 16 MiB. Default 500.
   * @throws HistoryError as `read` does, but for a missing position: it goes on behind it.
   */
  select(page: SelectPage): Promise<Selected>
  /**
   * As `select`, where the history is elsewhere and can be asked for the events that a pattern matches. It may
   * give others too.
   */
  selectMatching?(page: MatchPage): Promise<Selected>
  /** A page as `read` gives it, of identities alone; throws as that does. */
  identities(page: Page): Promise<PositionedIdentity[]>
  /**
   * A page of events in position order, each with its publisher's own number, and nothing that takes
   * decoding. For an audit: it goes on behind a missing position.
   */
  sequences(page: Page): Promise<SequencedEvent[]>
  /** A page of events in position order, without their bodies; it goes on behind a missing position. */
  outlines(page: Page): Promise<EventOutline[]>
  /** What is held, counted by index; undefined where every event would have to be read for it. */
  counts(): Promise<HistoryCounts | undefined>
  /**
   * A page of numbers that are in no event of the history and no loss: of duplicates that their publisher
   * sent again under a new number. In the order in which they came.
   *
   * @param page.after - Exclusive, a `number` of this list; 0 reads from the beginning.
   * @param page.upTo - Inclusive, the highest position that the history had when they came.
   */
  spentSequences(page: Required<Page>): Promise<SpentSequence[]>
  /** A page of checkpoints in position order, one for each batch that was recorded. */
  checkpoints(page: Page): Promise<Checkpoint[]>
  /** The event at a position, undefined where there is none. */
  at(position: number): Promise<StoredEvent | undefined>
  /** The event of an identity, undefined where there is none. */
  find(identity: Identity): Promise<StoredEvent | undefined>
  /** The positions of identities, undefined where one is not recorded; in their order. */
  positionsOf(identities: readonly Identity[]): Promise<(number | undefined)[]>
  /** Where a fence was recorded: the head at that moment, undefined while it was not. */
  fence(id: string): Promise<number | undefined>
  /**
   * A note that a writer keeps beside the events, such as how the exchange is bound; undefined where there is
   * none.
   */
  note(name: string): Promise<string | undefined>
  /**
   * Count and checksum of the events up to a position.
   *
   * @param options.upTo - Inclusive. Default: the head.
   * @throws HistoryError `HISTORY_PRUNED` where it ends within a range of pruned positions, whose parts nobody
   *   knows any more.
   */
  summary(options?: { readonly upTo?: number }): Promise<HistorySummary>
  /** The consumers that have told how far they are, by name. */
  consumers(): Promise<KnownConsumer[]>
  /**
   * A page of the erasures that were done, in their order.
   *
   * @param page.after - Exclusive, a number of an erasure; 0 reads from the beginning.
   */
  erasures(page: { readonly after: number; readonly limit?: number }): Promise<Erasure[]>
  /** The ranges of pruned positions that reach into a page, in order; none is beside another. Default limit 500. */
  pruned(page: Page): Promise<PrunedRange[]>
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export interface Page {
  readonly after: number
  readonly upTo?: number
  readonly limit?: number
}

export interface LatestPage extends Page {
  readonly upTo: number
}

export interface SelectPage extends Page {
  readonly filter: EventFilter
  /** Goes from `upTo` down to `after`. Default false. */
  readonly newestFirst?: boolean
}

export interface MatchPage extends SelectPage {
  readonly pattern: Pattern
}

export interface Selected {
  readonly events: readonly StoredEvent[]
  /**
   * Every position up to this one was looked at, or, newest first, every one down to it. The next page goes
   * on with `after: through`, or `upTo: through - 1`. `after` itself where nothing was there to look at;
   * newest first at most `after + 1` where nothing is left.
   */
  readonly through: number
}

export interface HistoryCounts {
  /** Events of each type, the most frequent first. */
  readonly types: readonly { readonly type: string; readonly events: number }[]
  /** Different ones. */
  readonly subjects: number
}

/** A number that was spent on a duplicate. */
export interface SpentSequence {
  /** Its place in the list of these. */
  readonly number: number
  /** The highest position that the history had when it came. */
  readonly position: number
  readonly source: string
  readonly epoch: string
  readonly sequence: number
}

/** The running sums at the end of a batch, as they were when it was recorded. */
export interface Checkpoint {
  readonly position: number
  /** As `HistorySummary.checksum`, up to this position. */
  readonly checksum: string
  readonly unidentified: number
}

/** A consumer, as far as the history has heard of it. */
export interface KnownConsumer {
  readonly name: string
  /** As it was last told; a running consumer tells it every 30 seconds. */
  readonly cursor: number
  readonly toldAt: Date
}

/** Positions that retention has removed. */
export interface PrunedRange {
  readonly first: number
  /** Inclusive. */
  readonly last: number
  /** What their identities add to the checksum. */
  readonly checksum: string
  /** How many of them stated no id. */
  readonly unidentified: number
  /** Of what was pruned last. */
  readonly reason: string
  readonly at: Date
}

/** The record of an erasure: which events were emptied for ever, by whom, and why. */
export interface Erasure {
  /** 1, 2, 3 … */
  readonly number: number
  readonly subject: string
  readonly reason: string
  readonly by: string
  readonly at: Date
  readonly events: number
  /** Of the newest of them; 0 where there was none. */
  readonly lastPosition: number
}

export interface HistorySummary {
  readonly position: number
  /** Events recorded up to `position`, the removed ones included. */
  readonly count: number
  /** 128 bits in hexadecimal, over the identities of these events, whatever their order. */
  readonly checksum: string
  /** How many of them stated no id. */
  readonly unidentified: number
}
