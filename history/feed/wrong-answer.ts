/** Answers that a feed does not give: of something else, which nobody need wait for, or cut off on their way. */
import { HistoryError } from '../errors.ts'

export function noFeed(address: string, cause?: unknown): HistoryError {
  const message = `${address} does not answer as a feed; name another address`
  return new HistoryError('HISTORY_FOREIGN', message, { cause })
}

export function cutOff(address: string): HistoryError {
  return new HistoryError('HISTORY_UNAVAILABLE', `${address} sent but a part of its answer`)
}
