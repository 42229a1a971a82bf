/**
 * Copies a history into another store, event by event as it is. A copy that was interrupted goes on behind
 * what it has; one that is level does nothing.
 */
import { HistoryError } from '../errors.ts'
import { openHistory, openHistoryWriter } from '../open-history.ts'
import { shownAddress } from '../postgres/postgres.ts'
import type { HistoryReader, HistorySummary } from '../reader.ts'
import { EventIntake } from './event-intake.ts'
import { EventPages, type TransferProgress } from './event-pages.ts'
import { differences } from './same-event.ts'
import { spentIn } from './spent-runs.ts'
import { missingErasures, readErasures, requireErased } from './travelling-erasures.ts'
import { keepNotes, readNotes } from './travelling-notes.ts'
import { beginOf, readPruned } from './travelling-pruned.ts'

export interface CopyOptions {
  /** The address of the history to write; it is made where there is none. No recorder may have it open. */
  readonly to: string
  /** Called after each page. */
  readonly onProgress?: (progress: TransferProgress) => void
  /** Ends it between two batches, rejecting with the signal's reason; the same call goes on. */
  readonly signal?: AbortSignal
}

export interface Copied {
  readonly exchange: string
  /** Events written now. */
  readonly copied: number
  /** Of both histories, up to the position that the copied one had when it began. */
  readonly summary: HistorySummary
}

const pageEvents = 1_000

/**
 * @param reader - Of the history to copy; its recorder may run meanwhile.
 * @throws HistoryError `HISTORY_CONFLICT` where the other history is not a copy of this one's beginning;
 *   `HISTORY_LOCKED` while a recorder has it; else as the methods of reader and writer do.
 */
export async function copyHistory(
  reader: HistoryReader,
  { to, onProgress, signal }: CopyOptions,
): Promise<Copied> {
  const exchange = await reader.exchange()
  const summary = await reader.summary()
  const writer = await openHistoryWriter({ history: to, exchange })
  const copy = openHistory({ history: to, exchange })
  try {
    const done = await writer.head()
    await requireErased(copy, await missingErasures(copy, await readErasures(reader)))
    await requireBeginning(reader, copy, { upTo: Math.min(done, summary.position), to })
    const begin = await beginOf(reader)
    const base = await reader.summary({ upTo: begin - 1 })
    const after = Math.max(done, begin - 1)
    const pruned = await readPruned(reader, { after, upTo: summary.position })
    const intake = await EventIntake.open({ writer, reader: copy, base, pruned })
    const pages = new EventPages(reader, { after, upTo: summary.position, pruned, signal })
    for (let page = await pages.next(pageEvents); page !== undefined; page = await pages.next(pageEvents)) {
      const spent = [...page.spent].flatMap(([position, runs]) => spentIn(runs, position))
      await intake.take({
        events: page.events,
        spent,
        nameOf: (index) => `position ${page!.events[index]!.position}`,
      })
      onProgress?.({ position: page.through, upTo: summary.position })
    }
    await intake.finish()
    // An erasure may have been at work meanwhile.
    const erasures = await missingErasures(copy, await readErasures(reader))
    await requireErased(copy, erasures)
    if (erasures.length > 0) await writer.import({ events: [], spent: [], erasures })
    await keepNotes(writer, await readNotes(reader))
    await requireBeginning(reader, copy, { upTo: summary.position, to })
    return { exchange, copied: intake.counts.imported, summary }
  } finally {
    await Promise.all([copy.close(), writer.close()])
  }
}

/** Both must hold the same identities up to a position, and the same event there: of one recording. */
async function requireBeginning(
  reader: HistoryReader,
  copy: HistoryReader,
  { upTo, to }: { upTo: number; to: string },
): Promise<void> {
  if (upTo === 0) return
  const [wanted, found] = await Promise.all([reader.summary({ upTo }), copy.summary({ upTo })])
  const [event, other] = await Promise.all([reader.at(upTo), copy.at(upTo)])
  const isSame = event === undefined || other === undefined || differences(event, other).length === 0
  if (isSame && found.position === wanted.position && found.checksum === wanted.checksum) return
  throw new HistoryError(
    'HISTORY_CONFLICT',
    `${shownAddress(to)} is no copy of this history: up to position ${upTo} it holds other events. Name another one, or a new one`,
  )
}
