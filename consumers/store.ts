/**
 * The consumer's store: its own tables and the marks of what it has applied, in one transaction.
 *
 * The marks are a state (cursor, counts, checksum) and the inbox: the identities applied from the live
 * queue. An entry waits until the cursor has passed it, and is kept for a while after, as is what was
 * replayed of the same time, so that a recent duplicate is recognised even while the history is away.
 */
import type { Identity } from '../events/index.ts'
import type { ParkingTransaction, Part } from './parking/parking.ts'
import type { ReactionsTransaction } from './reactions.ts'

export type Phase = 'replaying' | 'live' | 'stopped'

export interface ConsumerState {
  readonly phase: Phase
  /** Every event at or below this position has been taken in: applied, or parked. */
  readonly cursor: number
  /** Events that were taken in, each once. */
  readonly replayed: number
  readonly live: number
  /** Deliveries that had been applied before and were acknowledged without effect. */
  readonly duplicates: number
  /** Of the applied events, those that stated no id. */
  readonly unidentified: number
  /** Times the audit found an event that the live queue had lost. */
  readonly repairs: number
  /** Over the identities of all events that were taken in. */
  readonly checksum: string
  /** Events that were passed over because they had been pruned. */
  readonly pruned: number
  /** Events that were passed over because an erasure had emptied them. */
  readonly erased: number
  /** Events that were passed over because it began with the newest of each subject. */
  readonly superseded: number
  /** Up to this position only the newest event of each subject is taken in; 0 where every one is. */
  readonly latestTo: number
  /** The number of the newest erasure that it was told of. */
  readonly erasure: number
  /** Events beyond this position react too; undefined until the consumer first goes live. */
  readonly reactAfter: number | undefined
}

export const initialState: ConsumerState = {
  phase: 'stopped',
  cursor: 0,
  replayed: 0,
  live: 0,
  duplicates: 0,
  unidentified: 0,
  repairs: 0,
  checksum: '0'.repeat(32),
  pruned: 0,
  erased: 0,
  superseded: 0,
  latestTo: 0,
  erasure: 0,
  reactAfter: undefined,
}

/** Whether nothing was taken in or passed over yet, so that it may still be decided where to begin. */
export function isNew({ cursor, live, replayed, latestTo }: ConsumerState): boolean {
  return cursor === 0 && live === 0 && replayed === 0 && latestTo === 0
}

/** `waiting`: applied live, not yet passed by the cursor; `passed`: kept for duplicates. */
export type InboxMark = 'waiting' | 'passed'

/** The store within one transaction. */
export interface StoreTransaction<Tx> {
  /** What the definition's `prepare` returned. */
  readonly tx: Tx
  /** The marks of these identities, in their order; undefined where the inbox does not have one. */
  marks(identities: readonly Identity[]): Promise<(InboxMark | undefined)[]>
  /**
   * Puts identities into the inbox.
   *
   * @param passedAt - For what the cursor has passed: when, in milliseconds since 1970. Default: waiting.
   */
  add(identities: readonly Identity[], passedAt?: number): Promise<void>
  /** The cursor has passed these; `at` is when, in milliseconds since 1970. */
  pass(identities: readonly Identity[], at: number): Promise<void>
  /** Forgets what was passed before this moment. */
  forget(passedBefore: number): Promise<void>
  save(state: ConsumerState): Promise<void>
  /** Notes which positions the cursor passes, ascending: what tells afterwards which one was missed. */
  noteApplied(positions: readonly number[]): Promise<void>
  /**
   * Counts a try of an event that may have killed the process, and tells how many were counted before.
   * Committed before the handler runs.
   */
  countTry(part: Part, identity: Identity): Promise<number>
  /** Forgets the tries of an event that has come through. */
  forgetTries(part: Part, identity: Identity): Promise<void>
  readonly parking: ParkingTransaction
  readonly reactions: ReactionsTransaction
}

export interface ConsumerStore<Tx> {
  /**
   * Takes the store in hand, or again in hand after `CONSUMER_SUPERSEDED`. Before the first one nothing else
   * may be called.
   *
   * @param options.standby - Waits while another instance of this consumer works on it. Default true.
   * @throws ConsumerError `CONSUMER_LOCKED` where another does, and this one does not stand by.
   */
  acquire(signal: AbortSignal, options?: { readonly standby?: boolean }): Promise<void>
  /** The state as it was last committed. */
  state(): Promise<ConsumerState>
  /** The identities that wait in the inbox. */
  waiting(): Promise<Identity[]>
  /**
   * Runs `work` in a transaction that commits when it resolves and rolls back when it rejects, with what
   * it rejected with. One at a time.
   *
   * @throws ConsumerError `CONSUMER_STORE_UNAVAILABLE` where it cannot be written now (disk full, locked),
   *   `CONSUMER_COMMIT_REFUSED` where what `work` wrote breaks a constraint that is checked at the end,
   *   `CONSUMER_SUPERSEDED` where another hand has set the marks since `acquire()`: nothing was written.
   */
  transaction<Result>(work: (transaction: StoreTransaction<Tx>) => Promise<Result>): Promise<Result>
  close(): Promise<void>
}
