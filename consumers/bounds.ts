/**
 * Whether a history and a consumer's cursor fit together: what is missing is told, never skipped.
 */
import { ConsumerError } from './errors.ts'

/** @throws ConsumerError `CONSUMER_HISTORY_TRUNCATED`, `CONSUMER_AHEAD`. */
export function checkBounds(
  consumer: string,
  cursor: number,
  { first, head }: { first: number; head: number },
): void {
  if (first > cursor + 1) throw truncated(consumer, cursor, first)
  if (cursor <= head) return
  throw new ConsumerError(
    'CONSUMER_AHEAD',
    `Consumer ${consumer} has applied up to position ${cursor}, but the history ends at ${head}: it is another one, or was restored from a backup. Name the right history, or start with an empty store`,
  )
}

export function truncated(consumer: string, cursor: number, first: number): ConsumerError {
  return new ConsumerError(
    'CONSUMER_HISTORY_TRUNCATED',
    `Consumer ${consumer} has applied up to position ${cursor}, but the history now begins at ${first}: what lies between was removed. Restore it, or start the consumer with an empty store and accept the gap`,
  )
}
