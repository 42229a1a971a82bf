/**
 * The parking lot: events whose handler failed, kept in the consumer's store with their error until they
 * are retried or discarded, and the later events of their subjects, which wait behind them in order.
 *
 * An event is parked in the transaction that moves on. For the marks it is taken in: the cursor passes it
 * and the checksum has it. Only the number of parked ones tells that its effect is still to come.
 */
import type { CloudEvent, Identity, Message } from '../../events/index.ts'

/** The half of a handler that failed. */
export type Part = 'apply' | 'react'

/**
 * `failed`: the handler threw; `undecodable`: the body is not what its content type says; `refused`: by the
 * schema of its type; `crashed`: the process died in its handler, again and again; `behind`: an earlier
 * event of its subject is parked.
 */
export type ParkReason = 'failed' | 'undecodable' | 'refused' | 'crashed' | 'behind'

/** What is kept of an error. */
export interface ParkedError {
  readonly name: string
  readonly code: string | undefined
  readonly message: string
  readonly stack: string | undefined
  /** Equal for failures of one kind: see fingerprint.ts. */
  readonly group: string
}

export interface NewParked {
  readonly part: Part
  readonly reason: ParkReason
  readonly event: CloudEvent
  /** Undefined for one that came from the live queue. */
  readonly position: number | undefined
  /** Undefined for one that waits behind another. */
  readonly error: ParkedError | undefined
  readonly attempts: number
  /** Milliseconds since 1970. */
  readonly parkedAt: number
  /** When it is to be retried by itself; undefined: when asked. */
  readonly dueAt: number | undefined
}

export interface ParkedEvent extends Identity {
  /** Its place in the order of parking, 1, 2, 3 …; never used again. */
  readonly number: number
  readonly part: Part
  readonly reason: ParkReason
  readonly type: string
  readonly subject: string | undefined
  readonly position: number | undefined
  readonly error: ParkedError | undefined
  readonly attempts: number
  /** Times that it was tried again after it was parked. */
  readonly retries: number
  readonly parkedAt: number
  readonly dueAt: number | undefined
  /** Whether `message` was edited; the original is kept beside it. */
  readonly edited: boolean
  /** Raised when another hand edits, discards or restores it: what was read before is no longer it. */
  readonly version: number
  /** What a retry gives to the handler. */
  readonly message: Message
}

export interface ParkingCounts {
  /** Events whose `apply` is still to come. */
  readonly parked: number
  /** Events whose `react` failed. */
  readonly reactions: number
  /** Events that were given up: their `apply` will never be. */
  readonly discarded: number
}

/** Thrown within the transaction of a retry where another hand has edited or discarded the event meanwhile. */
export class ParkedChanged extends Error {}

/** Of an erased event. */
export interface ErasedIdentity extends Identity {
  readonly subject: string | undefined
}

/** Parking within one transaction of the store. */
export interface ParkingTransaction {
  /** Which of these subjects have something parked: what comes now has to wait behind it. */
  held(part: Part, subjects: readonly string[]): Promise<ReadonlySet<string>>
  park(events: readonly NewParked[]): Promise<void>
  /** Which of these are parked or were discarded, in their order: the marks have them, their effect is not there. */
  missing(part: Part, identities: readonly Identity[]): Promise<boolean[]>
  /**
   * What may run now, in the order of parking, the longest due first where there is more: what is due, and
   * what waits behind a due one of its subject. However much waits there, it costs a look at `limit` of it.
   */
  due(part: Part, options: { readonly now: number; readonly limit: number }): Promise<ParkedEvent[]>
  /**
   * The next attempt has failed too; what waits behind it goes on waiting. One that was changed since it was
   * read is left as it is: what failed is not what is there now.
   */
  failed(
    event: Pick<ParkedEvent, 'number' | 'version'>,
    failure: Pick<NewParked, 'reason' | 'error' | 'attempts' | 'dueAt'> & { readonly retries: number },
  ): Promise<void>
  /**
   * These have taken effect. What is first behind them becomes due.
   *
   * @returns How many were still as they were read; the others are left as they are.
   */
  resolve(events: readonly ParkedEvent[], now: number): Promise<number>
  /**
   * Removes what is kept of these events, given up and edited ones too; what waits behind them becomes due.
   *
   * @returns How many of them had not taken effect: from the history, and from the live queue.
   */
  erase(events: readonly ErasedIdentity[], now: number): Promise<{ replayed: number; live: number }>
  counts(): Promise<ParkingCounts>
}
