/**
 * Writing a history: one writer at a time, batches, each one transaction on the disk when it returns.
 */
import type { Attributes, Message } from '../events/index.ts'
import type { Checkpoint, Erasure, PrunedRange, SpentSequence } from './reader.ts'
import type { RecordedEvent } from './stored-event.ts'

/** A message to keep, with its attributes; without `id` the history gives it one. */
export interface NewEvent extends Attributes {
  readonly message: Message
}

export interface Batch {
  readonly events: readonly NewEvent[]
  /** Fences that came after these events: kept with the head that the events make. */
  readonly fences: readonly string[]
  /** Notes to keep, each in place of the one of its name, in the same transaction. Default: none. */
  readonly notes?: Readonly<Record<string, string>>
  /** How far consumers have come, as they told in between. */
  readonly cursors?: readonly ConsumerCursor[]
}

/** What retention spares: events above the cursor of a consumer that is at work. */
export interface ConsumerCursor {
  readonly consumer: string
  /** Every event at or below this position has been applied. */
  readonly cursor: number
}

export interface Appended {
  /** The highest position after the batch. */
  readonly head: number
  readonly recorded: number
  /** Events that the history had already, by (source, id). */
  readonly duplicates: number
  /**
   * Events with the (source, id) of another one, but another body: no duplicates, and kept as events
   * without identity.
   */
  readonly conflicts: number
}

/** Events of another history, kept as that one has them. */
export interface ImportBatch {
  readonly events: readonly RecordedEvent[]
  /** Numbers that were spent on duplicates; one that is known already is passed over. */
  readonly spent: readonly Omit<SpentSequence, 'number'>[]
  /** The records of what was erased among the events; one whose number is there is passed over. Default: none. */
  readonly erasures?: readonly Erasure[]
  /** Positions right behind the head that retention has removed there: the events follow them. Default: none. */
  readonly pruned?: PrunedRange | undefined
  /** For the first batch of an empty history that is to begin above position 1: what lies below. */
  readonly base?: Checkpoint
}

export interface HistoryWriter {
  /** The highest position. */
  head(): Promise<number>
  /**
   * Appends a batch in one transaction; positions follow the order of the events.
   *
   * @throws HistoryError `HISTORY_UNAVAILABLE` where it cannot be written now: nothing of it was.
   */
  append(batch: Batch): Promise<Appended>
  /**
   * Keeps events of another history in one transaction: positions, ids, times and all. The first must follow
   * the head, the others each other.
   *
   * @throws HistoryError `HISTORY_CONFLICT` for another position, or an identity that is recorded already;
   *   `HISTORY_UNAVAILABLE` as `append` does: nothing of the batch was written.
   */
  import(batch: ImportBatch): Promise<void>
  /** As `HistoryReader.note()`. */
  note(name: string): Promise<string | undefined>
  /** Lets the next writer in. */
  close(): Promise<void>
}
