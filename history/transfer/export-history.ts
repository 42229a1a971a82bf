/**
 * Writes a history, or a range of it, as CloudEvents in JSON lines with a manifest.
 *
 * The range is fixed when it begins, parts are closed one by one, and the draft of the manifest says which:
 * after a kill at any moment the same call goes on behind the last closed part, and what it leaves is, byte
 * for byte, what an export that was never interrupted leaves.
 */
import { isDeepStrictEqual } from 'node:util'
import { Checksum } from '../../events/index.ts'
import { HistoryError } from '../errors.ts'
import type { EventFilter } from '../event-filter.ts'
import type { HistoryReader } from '../reader.ts'
import { type EventPage, EventPages, type TransferProgress } from './event-pages.ts'
import { type ExportTarget, exportError, exportTarget, removeIfThere } from './export-target.ts'
import { draftPath, type Manifest, type ManifestPart, readManifest, writeManifest } from './manifest.ts'
import { linesOf } from './page-lines.ts'
import { readErasures } from './travelling-erasures.ts'
import { readNotes } from './travelling-notes.ts'
import { beginOf, readPruned } from './travelling-pruned.ts'

export interface ExportOptions {
  /** A file, by its ending (`.jsonl`, `.ndjson`, `.json`, `.gz`), or a folder of parts. */
  readonly to: string
  /** Exclusive. Default 0. */
  readonly after?: number
  /** Inclusive. Default: the head when the export began. */
  readonly upTo?: number
  /** Only these events: a part of the history, which can be imported as new events only. */
  readonly filter?: EventFilter
  /** Default: whether `to` ends in `.gz`. */
  readonly gzip?: boolean
  /** Events in a part at most; one is closed before where it has 256 MiB of lines. Default 100,000. */
  readonly partEvents?: number
  /** The program and its version, for the manifest. Default `backstory`. */
  readonly madeBy?: string
  /** Called after each page. */
  readonly onProgress?: (progress: TransferProgress) => void
  /** Ends it, rejecting with the signal's reason; the same call goes on. */
  readonly signal?: AbortSignal
}

const pageEvents = 1_000
const partBytesMax = 256 * 1024 * 1024

/**
 * @returns The manifest. An export that is finished already is left as it is.
 * @throws HistoryError `HISTORY_EXPORT_EXISTS` where the place holds another export; `HISTORY_EXPORT_DAMAGED`
 *   where parts of an interrupted one are gone; `HISTORY_EXPORT_UNAVAILABLE` as the file system does; else as
 *   the reader's methods do, `HISTORY_CORRUPT` where the events are not those that were recorded too.
 */
export async function exportHistory(
  reader: HistoryReader,
  {
    to,
    after = 0,
    upTo,
    filter,
    gzip = /\.gz$/i.test(to),
    partEvents = 100_000,
    madeBy = 'backstory',
    onProgress,
    signal,
  }: ExportOptions,
): Promise<Manifest> {
  const target = exportTarget(to, { gzip })
  try {
    await target.prepare()
    // A history may begin above 1.
    const begin = Math.max(after, (await beginOf(reader)) - 1)
    const wanted = { after: begin, upTo, filter: filter ?? null, gzip, partEvents, madeBy }
    const finished = await readManifest(target.manifestPath)
    if (finished !== undefined)
      return requireSame(finished, wanted, { to, exchange: await reader.exchange() })
    const draft = await beginOrGoOn(reader, target, wanted)
    const manifest = await writeParts(reader, target, draft, { signal, onProgress })
    await requireNothingRemovedSince(reader, draft, to)
    await target.finish(manifest.parts)
    await writeManifest(target.manifestPath, manifest)
    await removeIfThere(draftPath(target.manifestPath))
    return manifest
  } catch (error) {
    throw exportError(error, to)
  }
}

type Wanted = Pick<Manifest, 'after' | 'filter' | 'gzip' | 'partEvents' | 'madeBy'> & {
  readonly upTo: number | undefined
}

async function beginOrGoOn(reader: HistoryReader, target: ExportTarget, wanted: Wanted): Promise<Manifest> {
  const path = draftPath(target.manifestPath)
  const exchange = await reader.exchange()
  const found = await readManifest(path)
  if (found === undefined) {
    const draft = await newManifest(reader, { ...wanted, exchange })
    await writeManifest(path, draft)
    return draft
  }
  const draft = requireSame(found, wanted, { to: target.path, exchange })
  await requireNothingRemovedSince(reader, draft, target.path)
  const head = await reader.summary({ upTo: draft.upTo })
  if (!isDeepStrictEqual(head, draft.head)) throw exists(target.path, 'of another history')
  if (await target.holds(draft.parts)) return draft
  throw new HistoryError(
    'HISTORY_EXPORT_DAMAGED',
    `${target.path} lacks parts of the export that was interrupted there; delete it and begin again`,
  )
}

async function newManifest(
  reader: HistoryReader,
  { upTo, exchange, ...wanted }: Wanted & { readonly exchange: string },
): Promise<Manifest> {
  const head = await reader.summary({ upTo })
  const after = Math.min(wanted.after, head.position)
  return {
    format: 'backstory-export',
    version: 1,
    exchange,
    ...wanted,
    after,
    upTo: head.position,
    count: 0,
    checksum: new Checksum().toString(),
    base: await reader.summary({ upTo: after }),
    head,
    notes: await readNotes(reader),
    erasures: (await readErasures(reader)).map((erasure) => ({ ...erasure, at: erasure.at.toISOString() })),
    pruned: (await readPruned(reader, { after, upTo: head.position })).map((range) => ({
      ...range,
      at: range.at.toISOString(),
    })),
    madeAt: new Date().toISOString(),
    parts: [],
  }
}

/** Parts that were closed before an erasure have what it has emptied, and likewise what was pruned. */
async function requireNothingRemovedSince(reader: HistoryReader, draft: Manifest, to: string): Promise<void> {
  const { after, upTo } = draft
  const erasures = (await readErasures(reader)).map(({ number }) => number)
  const pruned = (await readPruned(reader, { after, upTo })).map(({ first, last }) => [first, last])
  const before = {
    erasures: draft.erasures.map(({ number }) => number),
    pruned: draft.pruned.map(({ first, last }) => [first, last]),
  }
  if (isDeepStrictEqual({ erasures, pruned }, before)) return
  throw new HistoryError(
    'HISTORY_EXPORT_EXISTS',
    `${to} holds what was erased or pruned in the history since the export was begun: delete it and begin again`,
  )
}

/** @throws HistoryError `HISTORY_EXPORT_EXISTS` where it is not the export that is wanted. */
function requireSame(
  found: Manifest,
  wanted: Wanted,
  { to, exchange }: { to: string; exchange: string },
): Manifest {
  const { after, upTo, filter, gzip, partEvents } = found
  if (found.exchange !== exchange) throw exists(to, `of the exchange ${found.exchange}`)
  const same = { after: Math.min(wanted.after, upTo), filter: wanted.filter, gzip: wanted.gzip }
  const isSame =
    isDeepStrictEqual({ after, filter, gzip }, same) &&
    partEvents === wanted.partEvents &&
    (wanted.upTo === undefined || wanted.upTo === upTo)
  if (isSame) return found
  throw exists(to, `of positions ${after + 1} to ${upTo}, made with other options`)
}

function exists(to: string, what: string): HistoryError {
  return new HistoryError(
    'HISTORY_EXPORT_EXISTS',
    `${to} holds an export ${what}; name another place, or delete it`,
  )
}

async function writeParts(
  reader: HistoryReader,
  target: ExportTarget,
  draft: Manifest,
  { signal, onProgress }: Pick<ExportOptions, 'signal' | 'onProgress'>,
): Promise<Manifest> {
  const { upTo, partEvents } = draft
  const filter = draft.filter ?? undefined
  const after = draft.parts.at(-1)?.to ?? draft.after
  const pruned = draft.pruned.map((range) => ({ ...range, at: new Date(range.at) }))
  const pages = new EventPages(reader, { after, upTo, filter, pruned, signal })
  const checksum = new Checksum(draft.checksum)
  let manifest = draft
  for (;;) {
    let page = await nextWithEvents(pages, Math.min(pageEvents, partEvents))
    if (page === undefined) break
    const part = await target.open(manifest.parts)
    const from = page.events[0]!.position
    let count = 0
    let characters = 0
    let to = from
    try {
      while (page !== undefined) {
        const lines = linesOf(page)
        for (const { source, id } of page.events) checksum.add(source, id)
        await part.file.write(lines)
        count += page.events.length
        characters += lines.length
        to = page.events.at(-1)!.position
        onProgress?.({ position: page.through, upTo })
        if (count >= partEvents || characters >= partBytesMax) break
        page = await nextWithEvents(pages, Math.min(pageEvents, partEvents - count))
      }
      const { bytes, sha256 } = await part.file.close()
      await target.settle(part)
      const closed: ManifestPart = { file: part.name, offset: part.offset, bytes, sha256, from, to, count }
      manifest = {
        ...manifest,
        count: manifest.count + count,
        checksum: checksum.toString(),
        parts: [...manifest.parts, closed],
      }
    } catch (error) {
      await part.file.abandon()
      throw error
    }
    await writeManifest(draftPath(target.manifestPath), manifest)
  }
  onProgress?.({ position: upTo, upTo })
  requireSums(manifest)
  return manifest
}

async function nextWithEvents(pages: EventPages, limit: number): Promise<EventPage | undefined> {
  for (;;) {
    const page = await pages.next(limit)
    if (page === undefined || page.events.length > 0) return page
  }
}

/** What was read must be what was recorded: an export of a history that was tampered with is none. */
function requireSums({ filter, checksum, base, head, pruned, exchange }: Manifest): void {
  if (filter !== null) return
  const sum = new Checksum(base.checksum)
  for (const part of [checksum, ...pruned.map((range) => range.checksum)]) sum.addAll(part)
  if (sum.toString() === head.checksum) return
  throw new HistoryError(
    'HISTORY_CORRUPT',
    `The events of ${exchange} from ${base.position + 1} to ${head.position} are not those that were recorded: \`backstory audit\` names what was changed`,
  )
}
