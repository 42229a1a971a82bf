/** Positions by time. */
import type { HistoryReader } from './reader.ts'

/**
 * The first position that was recorded at or after a moment; one above the head where there is none.
 *
 * The recorder's times never step back from one position to the next, so halving finds it.
 */
export async function positionAt(history: HistoryReader, moment: Date): Promise<number> {
  const { first, head } = await history.bounds()
  let low = first
  let high = head + 1
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const event = await history.at(middle)
    if (event !== undefined && event.recordedAt >= moment) high = middle
    else low = middle + 1
  }
  return low
}
