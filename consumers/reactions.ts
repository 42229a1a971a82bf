/**
 * Reactions to come: the events whose `react` is still to run, written in the transaction that applied
 * them, so that none is lost with the process.
 */
import type { CloudEvent, Identity, Message } from '../events/index.ts'

/** An event whose `react` has not run to its end. */
export interface Reaction extends Identity {
  /** Its place in the order in which the events were applied; never used again. */
  readonly number: number
  readonly type: string
  readonly subject: string | undefined
  readonly position: number | undefined
  readonly message: Message
}

/** Reactions within one transaction of the store. */
export interface ReactionsTransaction {
  add(events: readonly { readonly event: CloudEvent; readonly position: number | undefined }[]): Promise<void>
  /** The oldest, in order. */
  first(limit: number): Promise<Reaction[]>
  /** These are to be forgotten. */
  erase(events: readonly Identity[]): Promise<void>
  /** These have run, or were parked. */
  remove(numbers: readonly number[]): Promise<void>
}
