/**
 * The certificate: whether what a consumer has applied is what the history holds, up to the cursor.
 *
 * The consumer's side comes from its own store alone: the checksum of all that its handlers applied, less
 * what they applied beyond the cursor. The history's side is computed by the history.
 */
import { Checksum, type Identity } from '../events/index.ts'
import type { HistoryReader } from '../history/index.ts'
import type { ParkingCounts } from './parking/parking.ts'
import type { ConsumerState } from './store.ts'

export interface Certificate {
  readonly consumer: string
  readonly exchange: string
  /** Every event at or below this position has been applied. */
  readonly cursor: number
  /** The history's highest position. */
  readonly head: number
  /** Events applied, at or below the cursor and beyond it: without the parked and the discarded ones. */
  readonly applied: number
  /** Events that were taken in and wait, with their error or behind such a one, to be tried again. */
  readonly parked: number
  /** Parked events that were given up. */
  readonly discarded: number
  /** Events that were pruned before this consumer could read them. */
  readonly pruned: number
  /** Events that were passed over because an erasure had emptied them. */
  readonly erased: number
  /** Events that were passed over because the consumer began with the newest of each subject. */
  readonly superseded: number
  /** Events applied live that the cursor has not passed yet. */
  readonly beyond: number
  /** Of the applied events, those that stated no id. */
  readonly unidentified: number
  /** Of the events taken in at or below the cursor: applied, parked, discarded, erased, pruned or superseded. */
  readonly checksum: string
  readonly history: { readonly count: number; readonly checksum: string; readonly unidentified: number }
  /** Count and checksum agree: nothing missed and nothing twice up to the cursor. */
  readonly complete: boolean
  /** Complete, with the cursor at the head, nothing beyond it and nothing parked. */
  readonly level: boolean
  /** Of a consumer with partitions: that of each, in order, of which this is the sum. */
  readonly partitions?: readonly Certificate[]
}

export interface Marks {
  readonly consumer: string
  readonly exchange: string
  readonly state: ConsumerState
  /** The identities that wait in the inbox. */
  readonly waiting: readonly Identity[]
  readonly counts: ParkingCounts
}

/**
 * @param marks - As they were at one moment.
 * @throws HistoryError where the history cannot be read.
 */
export async function certify(
  { consumer, exchange, state, waiting, counts }: Marks,
  history: HistoryReader,
): Promise<Certificate> {
  const checksum = new Checksum(state.checksum)
  const positions = await history.positionsOf(waiting)
  // One that the history has at or below the cursor was applied twice: it stays in, and the sums differ.
  const beyond = waiting.filter(
    (_identity, index) => (positions[index] ?? Number.POSITIVE_INFINITY) > state.cursor,
  )
  for (const { source, id } of beyond) checksum.remove(source, id)
  const { head } = await history.bounds()
  const summary = await history.summary({ upTo: state.cursor })
  const applied = state.replayed + state.live
  const taken = applied + state.erased + state.pruned + state.superseded
  const complete = checksum.toString() === summary.checksum && taken - beyond.length === summary.count
  const { parked, discarded } = counts
  return {
    consumer,
    exchange,
    cursor: state.cursor,
    head,
    applied: applied - parked - discarded,
    parked,
    discarded,
    pruned: state.pruned,
    erased: state.erased,
    superseded: state.superseded,
    beyond: beyond.length,
    unidentified: state.unidentified,
    checksum: checksum.toString(),
    history: { count: summary.count, checksum: summary.checksum, unidentified: summary.unidentified },
    complete,
    level: complete && state.cursor === head && beyond.length === 0 && parked === 0,
  }
}
