/** What a feed tells of its history, as an error here: what it meets there is what its reader meets. */
import { HistoryError, type HistoryErrorCode } from '../errors.ts'

/** A problem as it arrives. */
export interface ToldProblem {
  readonly code: string
  readonly detail: string
}

/** One that the feed cannot help is one to wait for: it may be gone at the next try. */
export function toldError({ code, detail }: ToldProblem, address: string): HistoryError {
  const known = passedOn.find((passed) => passed === code)
  return new HistoryError(known ?? 'HISTORY_UNAVAILABLE', `${address}: ${detail}`)
}

const passedOn: readonly HistoryErrorCode[] = [
  'HISTORY_AMBIGUOUS',
  'HISTORY_CORRUPT',
  'HISTORY_PRUNED',
  'HISTORY_DENIED',
  'HISTORY_DRIVER_MISSING',
  'HISTORY_FOREIGN',
  'HISTORY_NOT_FOUND',
  'HISTORY_TOO_NEW',
  'HISTORY_UNAVAILABLE',
]
