/**
 * Reading a history. Events come in `position` order, 1, 2, 3 … without holes, and none is seen before
 * all below it. Every method reads what is committed at that moment.
 */
import type { Identity } from '../events/index.ts'
import type { PositionedIdentity, StoredEvent } from './stored-event.ts'

export interface HistoryReader {
  /** The exchange whose history it is. */
  exchange(): Promise<string>
  /**
   * The highest position, and the lowest still held: {first: 1, head: 0} in an empty history. `first`
   * above 1 says that what lies below was removed.
   */
  bounds(): Promise<{ readonly first: number; readonly head: number }>
  /**
   * A page of events in position order.
   *
   * @param page.after - Exclusive; 0 reads from the beginning.
   * @param page.upTo - Inclusive. Default: the head.
   * @param page.limit - Events at most, fewer where their bodies pass 16 MiB. Default 500.
   */
  read(page: Page): Promise<StoredEvent[]>
  /** A page as `read` gives it, of identities alone. */
  identities(page: Page): Promise<PositionedIdentity[]>
  /** The event at a position, undefined where there is none. */
  at(position: number): Promise<StoredEvent | undefined>
  /** The event of an identity, undefined where there is none. */
  find(identity: Identity): Promise<StoredEvent | undefined>
  /** The positions of identities, undefined where one is not recorded; in their order. */
  positionsOf(identities: readonly Identity[]): Promise<(number | undefined)[]>
  /** Where a fence was recorded: the head at that moment, undefined while it was not. */
  fence(id: string): Promise<number | undefined>
  /**
   * Count and checksum of the events up to a position.
   *
   * @param options.upTo - Inclusive. Default: the head.
   */
  summary(options?: { readonly upTo?: number }): Promise<HistorySummary>
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export interface Page {
  readonly after: number
  readonly upTo?: number
  readonly limit?: number
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
