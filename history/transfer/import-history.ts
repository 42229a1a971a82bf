/**
 * Reads JSON lines into a history.
 *
 * Lines that a history wrote keep their positions, ids and times; where the history has the position already
 * the event must be the same, byte for byte. So a killed import is simply run again. CloudEvents of somebody
 * else's have no position: they are recorded as new events, once for each (source, id).
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { HistoryError } from '../errors.ts'
import { type LineEvent, readEventLine } from '../event-line.ts'
import { openHistory, openHistoryWriter } from '../open-history.ts'
import { shownAddress } from '../postgres/postgres.ts'
import type { HistoryReader } from '../reader.ts'
import type { RecordedEvent } from '../stored-event.ts'
import type { HistoryWriter } from '../writer.ts'
import { EventIntake } from './event-intake.ts'
import { type ExportSource, lineName, openExportSource, type SourcePage } from './export-source.ts'
import { damaged } from './line-pages.ts'
import type { Manifest } from './manifest.ts'
import { spentOf } from './spent-runs.ts'
import { missingErasures, requireErased } from './travelling-erasures.ts'
import { keepNotes } from './travelling-notes.ts'

export interface ImportOptions {
  /** The folder or file of an export, a file of lines, gzip or not, or a stream of such bytes. */
  readonly from: string | AsyncIterable<Uint8Array>
  /** The address of the history; it is made where there is none. No recorder may have it open. */
  readonly history: string
  /** Of the history. Default: the one that the manifest names, else the one that the history has. */
  readonly exchange?: string
  /** Records the events as new ones, whatever positions they had. Default: where the first line has none. */
  readonly append?: boolean
  /** Called as bytes are read; `total` is undefined for a stream. */
  readonly onProgress?: (progress: { readonly bytes: number; readonly total: number | undefined }) => void
  /** Ends it between two batches, rejecting with the signal's reason; the same call goes on. */
  readonly signal?: AbortSignal
}

export interface Imported {
  readonly exchange: string
  /** The highest position afterwards. */
  readonly head: number
  /** Events written. */
  readonly imported: number
  /** Events that were there already. */
  readonly present: number
  /** Appended ones with the (source, id) of another event, but another body: kept, without identity. */
  readonly conflicts: number
}

/**
 * @throws HistoryError `HISTORY_EXPORT_DAMAGED` with file and line; `HISTORY_EXPORT_UNAVAILABLE`;
 *   `HISTORY_CONFLICT` where an event is not what the history holds there; `HISTORY_LOCKED` while a recorder
 *   has the history; `HISTORY_NOT_FOUND` where it is new and no exchange is known; else as `openHistoryWriter`
 *   does. Each batch is written whole or not at all.
 */
export async function importHistory({
  from,
  history,
  exchange,
  append,
  onProgress,
  signal,
}: ImportOptions): Promise<Imported> {
  const source = await openExportSource(from)
  const { manifest } = source
  requireWhole(source, append)
  let bytes = 0
  const onBytes = (more: number) => {
    bytes += more
    onProgress?.({ bytes, total: source.bytes })
  }
  await source.verify({ onBytes, signal })
  // Before the history is opened: what is no export makes no history.
  const pages = eventPages(source, { exchange: manifest?.exchange ?? '', onBytes, signal })
  const first = await pages.next()
  const isAppended = append ?? (first.done !== true && first.value.events[0]?.position === undefined)
  const target = { history, exchange: exchange ?? manifest?.exchange ?? (await exchangeOf(history)) }
  if (target.exchange === undefined) {
    throw new HistoryError(
      'HISTORY_NOT_FOUND',
      `${shownAddress(history)} does not exist yet, and no manifest says of which exchange it is to be: name the exchange (--exchange)`,
    )
  }
  const name = target.exchange
  const writer = await openHistoryWriter({ history, exchange: name })
  const reader = openHistory({ history, exchange: name })
  try {
    // A new history has none, and cannot be asked before it is there.
    const erased = manifest?.erasures.map((erasure) => ({ ...erasure, at: new Date(erasure.at) })) ?? []
    const erasures = isAppended ? [] : await missingErasures(reader, erased)
    const take = isAppended ? appender(writer, name) : await importer(writer, reader, manifest)
    for (let page = first; page.done !== true; page = await pages.next()) {
      signal?.throwIfAborted()
      await take.page(page.value)
      await nextTurn()
    }
    await take.finish()
    // Below a range there may be what was erased after it came.
    await requireErased(reader, erasures)
    if (manifest !== undefined) await keepNotes(writer, manifest.notes)
    if (manifest !== undefined && !isAppended) await writer.import({ events: [], spent: [], erasures })
    if (manifest !== undefined && !isAppended) await requireSums(reader, manifest, history)
    return { exchange: name, head: await writer.head(), ...take.counts() }
  } finally {
    await pages.return(undefined)
    await Promise.all([reader.close(), writer.close()])
  }
}

function requireWhole({ name, manifest }: ExportSource, append: boolean | undefined): void {
  if (manifest === undefined || manifest.filter === null || append === true) return
  throw new HistoryError(
    'HISTORY_CONFLICT',
    `${name} holds only the events that a filter picked, so that its positions have holes: import it as new events (--append), or an export without a filter`,
  )
}

/** Of a history that is there. */
async function exchangeOf(history: string): Promise<string | undefined> {
  const reader = openHistory({ history })
  try {
    return await reader.exchange()
  } catch (error) {
    if (error instanceof HistoryError && error.code === 'HISTORY_NOT_FOUND') return undefined
    throw error
  } finally {
    await reader.close()
  }
}

interface EventsPage {
  readonly source: SourcePage
  readonly events: readonly LineEvent[]
  /** Of the line of each event, in its page. */
  readonly lines: readonly number[]
}

async function* eventPages(
  source: ExportSource,
  { exchange, ...options }: { exchange: string } & Parameters<ExportSource['pages']>[0],
): AsyncGenerator<EventsPage, void, void> {
  for await (const page of source.pages(options)) {
    const events: LineEvent[] = []
    const lines: number[] = []
    for (const [index, text] of page.lines.entries()) {
      if (text.trim() === '') continue
      events.push(eventOf(page, index, exchange))
      lines.push(index)
    }
    if (events.length > 0) yield { source: page, events, lines }
  }
}

function eventOf(page: SourcePage, index: number, exchange: string): LineEvent {
  try {
    return readEventLine(page.lines[index]!, { exchange })
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause
    throw damaged(page.file, page.firstLine + index, cause.message, { cause })
  }
}

interface Take {
  page(page: EventsPage): Promise<void>
  /** Call it once, behind the last page. */
  finish(): Promise<void>
  counts(): Pick<Imported, 'imported' | 'present' | 'conflicts'>
}

async function importer(
  writer: HistoryWriter,
  reader: HistoryReader,
  manifest: Manifest | undefined,
): Promise<Take> {
  const pruned = (manifest?.pruned ?? []).map((range) => ({ ...range, at: new Date(range.at) }))
  const intake = await EventIntake.open({ writer, reader, base: manifest?.base, pruned })
  return {
    async page({ source, events, lines }) {
      const recorded = events.map((event, index) => requirePosition(event, source, lines[index]!))
      const spent = events.flatMap(({ position, spentsequences }) =>
        spentsequences === undefined ? [] : spentOf(spentsequences, position!),
      )
      await intake.take({ events: recorded, spent, nameOf: (index) => lineName(source, lines[index]!) })
    },
    finish: () => intake.finish(),
    counts: () => ({ ...intake.counts, conflicts: 0 }),
  }
}

function requirePosition(event: LineEvent, source: SourcePage, line: number): RecordedEvent {
  const { position, recordedAt } = event
  if (position !== undefined && recordedAt !== undefined) return { ...event, position, recordedAt }
  throw damaged(source.file, source.firstLine + line, 'has no position, though the first line has one')
}

function appender(writer: HistoryWriter, exchange: string): Take {
  let imported = 0
  let present = 0
  let conflicts = 0
  return {
    async page({ events }) {
      // Of what was erased nothing is left that could be recorded anew.
      const whole = events.filter(({ erased }) => erased === undefined)
      const batch = whole.map(({ message, ...event }) => ({
        ...event,
        message: message.exchange === '' ? { ...message, exchange } : message,
      }))
      const appended = await writer.append({ events: batch, fences: [] })
      imported += appended.recorded
      present += appended.duplicates
      conflicts += appended.conflicts
    },
    async finish() {},
    counts: () => ({ imported, present, conflicts }),
  }
}

async function requireSums(reader: HistoryReader, { head }: Manifest, history: string): Promise<void> {
  const found = await reader.summary({ upTo: head.position })
  if (found.position === head.position && found.checksum === head.checksum) return
  throw new HistoryError(
    'HISTORY_CONFLICT',
    `${shownAddress(history)} holds other events up to position ${found.position} than the manifest says (checksum ${found.checksum}, not ${head.checksum}): it is another history, or the manifest was altered`,
  )
}
