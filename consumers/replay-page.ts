/**
 * A page of the history as a consumer takes it in: where it began with the newest event of each subject, the
 * others up to there are superseded.
 */
import type { HistoryReader, StoredEvent } from '../history/index.ts'
import type { ConsumerState } from './store.ts'

/** @throws as `HistoryReader.read` does. */
export async function replayPage(
  history: HistoryReader,
  page: { readonly after: number; readonly upTo: number; readonly limit?: number },
  { latestTo }: Pick<ConsumerState, 'latestTo'>,
): Promise<StoredEvent[]> {
  if (page.after >= latestTo) return await history.read(page)
  // Newest as of then, wherever the page is to end.
  const events = await history.latest({ ...page, upTo: latestTo })
  return events.filter(({ position }) => position <= page.upTo)
}
