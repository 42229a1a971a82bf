/** Pages of events as the lines of an export. */
import type { EventFilter } from '../event-filter.ts'
import { eventLineWith } from '../event-line.ts'
import type { HistoryReader } from '../reader.ts'
import { type EventPage, EventPages, type TransferProgress } from './event-pages.ts'
import { readPruned } from './travelling-pruned.ts'

const pageEvents = 1_000

export function linesOf({ events, spent }: EventPage): string {
  let lines = ''
  for (const event of events) {
    const runs = spent.get(event.position)
    lines += `${eventLineWith(event, runs === undefined ? {} : { spentsequences: JSON.stringify(runs) })}\n`
  }
  return lines
}

/**
 * The lines of an export for a stream, some at a time, each with its line break: without a manifest, whose
 * reader cannot tell whether they are whole, and without going on after an interruption.
 *
 * @throws HistoryError as the reader's methods do.
 */
export async function* exportLines(
  reader: HistoryReader,
  {
    after = 0,
    upTo,
    filter,
    onProgress,
    signal,
  }: {
    /** Exclusive. Default 0. */
    readonly after?: number | undefined
    /** Inclusive. Default: the head when it begins. */
    readonly upTo?: number | undefined
    readonly filter?: EventFilter | undefined
    readonly onProgress?: ((progress: TransferProgress) => void) | undefined
    readonly signal?: AbortSignal | undefined
  },
): AsyncGenerator<string, void, void> {
  const { head } = await reader.bounds()
  const end = Math.min(upTo ?? head, head)
  const pruned = await readPruned(reader, { after, upTo: end })
  const pages = new EventPages(reader, { after, upTo: end, filter, pruned, signal })
  for (let page = await pages.next(pageEvents); page !== undefined; page = await pages.next(pageEvents)) {
    if (page.events.length > 0) yield linesOf(page)
    onProgress?.({ position: page.through, upTo: end })
  }
}
