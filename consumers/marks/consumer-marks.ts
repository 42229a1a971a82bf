/**
 * A consumer's marks in its store, for other hands than the running consumer's: to look at, or to set.
 */
import type { Identity } from '../../events/index.ts'
import type { Marks } from '../certificate.ts'

export interface MarksTransaction {
  /** All of it as it was at one moment. */
  snapshot(): Promise<Marks>
  /** The bits of a block of passed positions (applied-blocks.ts), undefined where it has none. */
  bits(block: number): Promise<Buffer | undefined>
}

export interface MarksSetting extends MarksTransaction {
  /** These were applied, and are to be recognised when they come again. */
  putIntoInbox(identities: readonly Identity[]): Promise<void>
  /** These were not applied, whatever the inbox says. */
  takeFromInbox(identities: readonly Identity[]): Promise<void>
  /** Sets the cursor, and lets a running consumer begin again with it. */
  goBack(cursor: number): Promise<void>
}

export interface ConsumerMarks {
  /** Sees the marks as they are at its beginning, whatever the consumer does meanwhile. */
  read<Result>(work: (transaction: MarksTransaction) => Promise<Result>): Promise<Result>
  /** Keeps the consumer from writing meanwhile; all of it is committed, or nothing. */
  write<Result>(work: (transaction: MarksSetting) => Promise<Result>): Promise<Result>
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
