/**
 * The manifest of an export: what it holds, and how to tell that nothing of it was lost or altered. It is
 * written last, so that an export with a manifest is whole (docs/move.md has its members).
 */
import { open, readFile, rename } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { HistoryError } from '../errors.ts'
import type { EventFilter } from '../event-filter.ts'
import type { Erasure, HistorySummary, PrunedRange } from '../reader.ts'
import type { Notes } from './travelling-notes.ts'

/** Events in a row, in a file of their own or in a stretch of one. */
export interface ManifestPart {
  /** Beside the manifest. */
  readonly file: string
  /** Where it begins in its file, in bytes. */
  readonly offset: number
  readonly bytes: number
  /** Of these bytes, in hexadecimal. */
  readonly sha256: string
  /** The positions of its first and last event. */
  readonly from: number
  readonly to: number
  /** Events, a line each. */
  readonly count: number
}

/** As `Erasure`, with its time as a text. */
export interface ManifestErasure extends Omit<Erasure, 'at'> {
  readonly at: string
}

/** As `PrunedRange`, with its time as a text. */
export interface ManifestPruned extends Omit<PrunedRange, 'at'> {
  readonly at: string
}

export interface Manifest {
  readonly format: 'backstory-export'
  readonly version: 1
  readonly exchange: string
  /** Positions above it were exported, up to `upTo`. */
  readonly after: number
  readonly upTo: number
  /** Which of these; null for all. An export with a filter is a part of a history: its positions have holes. */
  readonly filter: EventFilter | null
  readonly gzip: boolean
  /** The most events that a part has. */
  readonly partEvents: number
  /** Events in all parts, and the checksum of their identities. */
  readonly count: number
  readonly checksum: string
  /** The sums of the history below the first event, and with the last one. */
  readonly base: HistorySummary
  readonly head: HistorySummary
  /** Kept beside the events, by name, such as how the exchange is bound. */
  readonly notes: Notes
  /** The records of what was erased; `at` in RFC 3339. The lines of these events say which, and are empty. */
  readonly erasures: readonly ManifestErasure[]
  /** Positions that retention had removed, in order; `at` in RFC 3339. */
  readonly pruned: readonly ManifestPruned[]
  readonly madeAt: string
  /** The program and its version. */
  readonly madeBy: string
  readonly parts: readonly ManifestPart[]
}

/** What a manifest is called while the export is not finished. */
export function draftPath(manifestPath: string): string {
  return `${manifestPath}.partial`
}

/** Written whole or not at all, and on the disk when it returns. */
export async function writeManifest(path: string, manifest: Manifest): Promise<void> {
  const draft = `${path}.new`
  const file = await open(draft, 'w')
  try {
    await file.writeFile(`${JSON.stringify(manifest, null, 2)}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(draft, path)
  await syncFolder(dirname(path))
}

/** A rename is on the disk once its folder is. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } catch (error) {
    // Windows has no such thing.
    if (!['EPERM', 'EISDIR', 'EINVAL'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  } finally {
    await folder.close()
  }
}

/**
 * @returns undefined where there is none.
 * @throws HistoryError `HISTORY_EXPORT_DAMAGED` where it is no manifest, or contradicts itself.
 */
export async function readManifest(path: string): Promise<Manifest | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw error
  })
  if (text === undefined) return undefined
  let manifest: unknown
  try {
    manifest = JSON.parse(text)
  } catch (cause) {
    throw damaged(path, 'it is no JSON', { cause })
  }
  const reason = reasonAgainst(manifest)
  if (reason !== undefined) throw damaged(path, reason)
  return manifest as Manifest
}

function damaged(path: string, reason: string, options?: ErrorOptions): HistoryError {
  const message = `${path} is not the manifest that was written: ${reason}. Fetch the export again, or make it anew`
  return new HistoryError('HISTORY_EXPORT_DAMAGED', message, options)
}

/** Undefined where there is nothing against it. */
function reasonAgainst(value: unknown): string | undefined {
  if (!isTable(value) || value.format !== 'backstory-export') return 'it is of another format'
  if (value.version !== 1)
    return `it is of version ${String(value.version)}, which this backstory does not read`
  const {
    exchange,
    filter,
    gzip,
    checksum,
    base,
    head,
    madeAt,
    madeBy,
    notes,
    erasures,
    pruned,
    parts,
    ...numbers
  } = value
  const isShaped =
    [exchange, madeAt, madeBy].every((text) => typeof text === 'string') &&
    typeof gzip === 'boolean' &&
    (filter === null || isTable(filter)) &&
    isTable(notes) &&
    Object.values(notes).every((note) => typeof note === 'string') &&
    Array.isArray(erasures) &&
    erasures.every(isErasure) &&
    Array.isArray(pruned) &&
    pruned.every(isPruned) &&
    isChecksum(checksum) &&
    [base, head].every(isSummary) &&
    [numbers.after, numbers.upTo, numbers.count, numbers.partEvents].every(isCount) &&
    Array.isArray(parts) &&
    parts.every(isPart)
  if (!isShaped) return 'a member is missing or of another kind'
  const manifest = value as unknown as Manifest
  const sum = manifest.parts.reduce((total, { count }) => total + count, 0)
  if (sum !== manifest.count) return `its parts have ${sum} events, it says ${manifest.count}`
  let last = manifest.after
  for (const { from, to, count, file } of manifest.parts) {
    if (from <= last || to < from || count > to - from + 1) return `the positions of ${file} are not in order`
    const isWhole = isPrunedAway(manifest, last, from) && heldIn(manifest, from, to) === count
    if (filter === null && !isWhole) return `positions before or in ${file} are missing`
    last = to
  }
  return last > manifest.upTo ? `its parts go beyond ${manifest.upTo}` : undefined
}

/** Whether nothing but pruned positions lies between two. */
function isPrunedAway(manifest: Manifest, after: number, before: number): boolean {
  return heldIn(manifest, after + 1, before - 1) === 0
}

/** Positions of a range that were not pruned. */
function heldIn({ pruned }: Manifest, from: number, to: number): number {
  return pruned.reduce(
    (held, { first, last }) => held - Math.max(0, Math.min(last, to) - Math.max(first, from) + 1),
    to - from + 1,
  )
}

function isPart(value: unknown): boolean {
  if (!isTable(value)) return false
  const { file, sha256, offset, bytes, from, to, count } = value
  return (
    typeof file === 'string' &&
    // Beside the manifest and nowhere else.
    file === basename(file) &&
    !['', '.', '..'].includes(file) &&
    !file.includes('\\') &&
    typeof sha256 === 'string' &&
    /^[0-9a-f]{64}$/.test(sha256) &&
    [offset, bytes, from, to, count].every(isCount)
  )
}

function isPruned(value: unknown): boolean {
  if (!isTable(value) || !isChecksum(value.checksum)) return false
  const { reason, at, first, last, unidentified } = value
  const isTime = typeof at === 'string' && !Number.isNaN(Date.parse(at))
  return isTime && typeof reason === 'string' && [first, last, unidentified].every(isCount)
}

function isErasure(value: unknown): boolean {
  if (!isTable(value)) return false
  const { subject, reason, by, at, number, events, lastPosition } = value
  const isTime = typeof at === 'string' && !Number.isNaN(Date.parse(at))
  return (
    isTime &&
    [subject, reason, by].every((text) => typeof text === 'string') &&
    [number, events, lastPosition].every(isCount)
  )
}

function isSummary(value: unknown): boolean {
  return (
    isTable(value) &&
    isChecksum(value.checksum) &&
    [value.position, value.count, value.unidentified].every(isCount)
  )
}

function isChecksum(value: unknown): boolean {
  return typeof value === 'string' && /^[0-9a-f]{32}$/.test(value)
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
