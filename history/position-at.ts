/** Positions by time. */
import type { HistoryReader } from './reader.ts'

/**
 * The first position that was recorded at or after a moment; one above the head where there is none.
 *
 * The recorder's times never step back from one position to the next, so halving finds it, also where
 * positions are no longer held.
 */
export async function positionAt(history: HistoryReader, moment: Date): Promise<number> {
  const { first, head } = await history.bounds()
  let low = first
  let high = head + 1
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const event = await nextFrom(history, { position: middle, below: high })
    if (event === undefined || event.recordedAt >= moment) high = middle
    else low = event.position + 1
  }
  return low
}

/** The first event that is held at or above a position; undefined where there is none below the other one. */
async function nextFrom(
  history: HistoryReader,
  { position, below }: { position: number; below: number },
): Promise<{ readonly position: number; readonly recordedAt: Date } | undefined> {
  const [event] = await history.outlines({ after: position - 1, upTo: below - 1, limit: 1 })
  return event
}
