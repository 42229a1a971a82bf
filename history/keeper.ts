/**
 * Keeping a history within what it may hold: whatever removes anything from it is here, and nowhere else.
 *
 * A keeper works beside a running recorder, in small transactions, and may be interrupted at any point.
 */
import type { Pruned, PruneOptions } from './prune.ts'
import type { Erasure } from './reader.ts'

export interface ErasureOptions {
  /** Whose events are emptied: all that are recorded by now. */
  readonly subject: string
  /** Kept with the record. */
  readonly reason: string
  /** Who has it done; kept with the record. */
  readonly by: string
  /** Called after each transaction. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void
  /** Ends it between two transactions, rejecting with the signal's reason. */
  readonly signal?: AbortSignal
}

export interface HistoryKeeper {
  /** How many events of a subject are recorded and whole. */
  countErasable(subject: string): Promise<number>
  /**
   * Empties all events of a subject for ever: body, headers and properties. Their position, identity, type,
   * subject, time and sequence stay, and a record of who and why. When it resolves, no copy of what was
   * emptied is left in the history's files. One that was interrupted is finished by the next, of
   * whatever subject: consumers are told of them in order.
   *
   * @returns The record; undefined where the subject has no event that is whole.
   * @throws HistoryError `HISTORY_UNAVAILABLE` where it cannot be written now, or where a reader has been at
   *   one query for so long that the write-ahead log cannot be cleared: do it again.
   */
  erase(options: ErasureOptions): Promise<Erasure | undefined>
  /**
   * Removes events by age or size, with all that is known of each. Their positions are remembered as ranges,
   * with the sum of their identities, so that certificates and audits go on being right.
   *
   * @throws TypeError for a rule that says nothing, or a number out of its range; HistoryError
   *   `HISTORY_UNAVAILABLE`.
   */
  prune(options: PruneOptions): Promise<Pruned>
  /** Forgets a consumer that is gone for ever, so that it keeps nothing from being pruned. False where unknown. */
  forgetConsumer(name: string): Promise<boolean>
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
