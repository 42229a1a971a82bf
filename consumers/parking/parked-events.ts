/**
 * Parked events for whoever looks after them: listed, marked to be retried, edited, discarded.
 *
 * This marks only. What is due is tried by whoever has the store in hand: the running consumer within a
 * second, or `redriveParked` where none runs. So a retry reaches this one consumer, and never the exchange.
 */
import type { Message } from '../../events/index.ts'
import type { ParkedChange } from './parked-change.ts'
import type { ParkedEvent, Part } from './parking.ts'

/** `mended`: it took effect as it was edited. */
export type ParkedState = 'parked' | 'discarded' | 'mended'

/** A parked event without its message; its error comes without its stack. */
export interface ParkedEntry extends Omit<ParkedEvent, 'message' | 'version'> {
  readonly state: ParkedState
  /** Of a consumer with partitions, which has it, such as `production-2`; else undefined. */
  readonly consumer?: string
}

export interface ParkedAction {
  /** Milliseconds since 1970. */
  readonly at: number
  /** `retry`, `schedule`, `edit`, `discard`, `restore`; `applied`, `applied as edited`. */
  readonly action: string
  readonly reason: string | undefined
}

/** All of one parked event. */
export interface ParkedDetails extends ParkedEntry {
  /** What a retry gives to the handler. */
  readonly message: Message
  /** As it was published. */
  readonly original: Message
  /** The number of the event of its subject that it waits behind; undefined where it need not wait. */
  readonly behind: number | undefined
  /** How many wait behind it. */
  readonly waiting: number
  /** What was done to it, oldest first. */
  readonly actions: readonly ParkedAction[]
}

/** Failures of one kind: see fingerprint.ts. */
export interface ParkedGroup {
  readonly group: string
  readonly part: Part
  readonly name: string
  readonly code: string | undefined
  /** Of the newest one. */
  readonly message: string
  readonly events: number
  readonly subjects: number
  /** Events that wait behind these. */
  readonly waiting: number
  /** Milliseconds since 1970. */
  readonly firstAt: number
  readonly lastAt: number
}

/** Which parked events are meant: one, those of a group or a subject, or all; of both parts unless one is named. */
export type ParkedSelection = (
  | { readonly number: number }
  | { readonly group: string }
  | { readonly subject: string }
  | { readonly all: true }
) & { readonly part?: Part | undefined }

export interface MarkOptions {
  /** Why, for whoever looks at it later; at most 1,000 characters. */
  readonly reason?: string | undefined
  /** Tells what would be marked, and marks nothing. Default false. */
  readonly dryRun?: boolean
}

/** What was marked. */
export interface ParkedMark {
  /** Names what was marked together; undefined after a dry run. */
  readonly id: string | undefined
  readonly events: number
  /** The first of them, ten at most, by number. */
  readonly first: readonly ParkedEntry[]
  /** Events that are not marked and wait behind these. */
  readonly waiting: number
  /** Where one event was named that waits behind another: that one's number. Retry that. */
  readonly behind: number | undefined
}

/** What became of the events of a mark so far. */
export interface ParkedOutcome {
  readonly applied: number
  readonly failed: number
  /** Still to be tried. */
  readonly pending: number
  readonly discarded: number
  /** Others of the consumer that were applied since: what had waited behind them. */
  readonly followed: number
  /** Others that are about to be. */
  readonly following: number
  /** Events that go on waiting behind the failed ones. */
  readonly waiting: number
}

export interface ParkedList {
  readonly group?: string | undefined
  readonly subject?: string | undefined
  readonly part?: Part | undefined
  /** Default `parked`. */
  readonly state?: ParkedState
  /** Exclusive. Default 0: from the first. */
  readonly after?: number
  /** At most 1,000. Default 100. */
  readonly limit?: number
}

export interface ParkedEvents {
  readonly consumer: string
  /** A page, by number. @throws TypeError for a limit out of its range. */
  list(options?: ParkedList): Promise<ParkedEntry[]>
  /** Undefined where there is none of that number: it was applied, or never was. */
  get(number: number): Promise<ParkedDetails | undefined>
  /** The largest first. What waits behind others belongs to none. */
  groups(): Promise<ParkedGroup[]>
  /**
   * Marks as due what of the selection waits behind nothing; the rest follows by itself, in order.
   *
   * @param options.at - Not before then. Default now.
   */
  retry(
    selection: ParkedSelection,
    options?: MarkOptions & { readonly at?: Date | undefined },
  ): Promise<ParkedMark>
  /** Gives them up: their bytes are kept, what waits behind them becomes due. */
  discard(selection: ParkedSelection, options?: MarkOptions): Promise<ParkedMark>
  /** Takes discarded ones back to be parked; they are tried again when that is asked. */
  restore(selection: ParkedSelection, options?: MarkOptions): Promise<ParkedMark>
  /**
   * Changes what a retry gives to the handler, and keeps the original beside it. It is tried again when that
   * is asked.
   *
   * @returns It as it is after; undefined where nothing of that number is parked.
   * @throws TypeError for a change that is none, or cannot be a message.
   */
  edit(number: number, change: ParkedChange, options?: MarkOptions): Promise<ParkedDetails | undefined>
  /** @param mark - The `id` of what was marked by `retry`. */
  outcome(mark: string): Promise<ParkedOutcome>
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
