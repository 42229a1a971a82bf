/** What a running consumer tells of itself. */
import type { SizeCounts } from '../history/index.ts'
import type { WaitingFor } from './hand-over.ts'
import type { Phase } from './store.ts'

export interface ConsumerStatus {
  readonly consumer: string
  readonly exchange: string
  readonly phase: Phase
  /** What it waits for; undefined while it works. */
  readonly waitingFor: WaitingFor
  readonly cursor: number
  /** The history's highest position, as last seen. */
  readonly head: number
  /** Positions that the cursor has not passed. */
  readonly lag: number
  /** How long ago the oldest event was recorded that the cursor has not passed, in seconds; about that. */
  readonly lagSeconds: number
  /** Events that took effect: `replayed` and `live` together, without the parked and the discarded ones. */
  readonly applied: number
  readonly replayed: number
  readonly live: number
  readonly duplicates: number
  /** Events whose handler failed, and those that wait behind them. */
  readonly parked: number
  /** Events whose `react` failed, and those that wait behind them. */
  readonly parkedReactions: number
  /** Parked events that were given up. */
  readonly discarded: number
  /** Times the live queue had lost an event that the history brought back. */
  readonly repairs: number
  readonly reconnects: number
  /** Of each transaction's events, since the store was taken in hand. */
  readonly batchSizes: SizeCounts
  readonly lastError: string | undefined
  readonly lastErrorAt: Date | undefined
}
