/**
 * Where an export is written: a folder of parts, or one file in which the parts follow each other.
 *
 * Nothing has its final name before it is whole and on the disk: a part and the one file end in `.partial`
 * until then, and so does the manifest, which names the parts that are closed.
 */
import { mkdir, rename, stat, truncate, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { HistoryError } from '../errors.ts'
import { type ManifestPart, syncFolder } from './manifest.ts'
import { PartFile } from './part-file.ts'

export interface OpenPart {
  readonly file: PartFile
  readonly name: string
  readonly offset: number
}

export interface ExportTarget {
  readonly path: string
  readonly manifestPath: string
  prepare(): Promise<void>
  /** Whether the closed parts are there with their lengths. */
  holds(parts: readonly ManifestPart[]): Promise<boolean>
  /** Begins the part behind these. */
  open(parts: readonly ManifestPart[]): Promise<OpenPart>
  /** Gives a closed part its name. */
  settle(part: OpenPart): Promise<void>
  /** Gives all its name, once every part is closed. */
  finish(parts: readonly ManifestPart[]): Promise<void>
}

/** A path that ends in `.jsonl`, `.ndjson`, `.json` or `.gz` is a file's, any other a folder's. */
function isExportFile(path: string): boolean {
  return /\.(jsonl|ndjson|json|gz)$/i.test(path)
}

export function exportTarget(path: string, { gzip }: { gzip: boolean }): ExportTarget {
  return isExportFile(path) ? new FileTarget(path, gzip) : new FolderTarget(path, gzip)
}

/** Where the manifest of an export is, by the export's path. */
export function manifestPathOf(path: string, { isFile = isExportFile(path) } = {}): string {
  return isFile ? `${path}.manifest.json` : join(path, 'manifest.json')
}

const partial = '.partial'

class FolderTarget implements ExportTarget {
  readonly path: string
  readonly #gzip: boolean

  constructor(path: string, gzip: boolean) {
    this.path = path
    this.#gzip = gzip
  }

  get manifestPath(): string {
    return manifestPathOf(this.path)
  }

  async prepare(): Promise<void> {
    await mkdir(this.path, { recursive: true })
  }

  async holds(parts: readonly ManifestPart[]): Promise<boolean> {
    for (const { file, bytes } of parts) if ((await sizeOf(join(this.path, file))) !== bytes) return false
    return true
  }

  async open(parts: readonly ManifestPart[]): Promise<OpenPart> {
    const name = `part-${String(parts.length + 1).padStart(6, '0')}.jsonl${this.#gzip ? '.gz' : ''}`
    const path = join(this.path, `${name}${partial}`)
    return { name, offset: 0, file: await PartFile.open(path, { offset: 0, gzip: this.#gzip }) }
  }

  async settle({ name }: OpenPart): Promise<void> {
    await rename(join(this.path, `${name}${partial}`), join(this.path, name))
    await syncFolder(this.path)
  }

  async finish(): Promise<void> {}
}

class FileTarget implements ExportTarget {
  readonly path: string
  readonly #gzip: boolean

  constructor(path: string, gzip: boolean) {
    this.path = path
    this.#gzip = gzip
  }

  get manifestPath(): string {
    return manifestPathOf(this.path)
  }

  async prepare(): Promise<void> {
    await mkdir(dirname(this.path), { recursive: true })
  }

  async holds(parts: readonly ManifestPart[]): Promise<boolean> {
    const end = endOf(parts)
    const size = await sizeOf(`${this.path}${partial}`)
    // It was killed between the last two steps: the file has its name already.
    if (size === undefined) return end === 0 || (await sizeOf(this.path)) === end
    return size >= end
  }

  async open(parts: readonly ManifestPart[]): Promise<OpenPart> {
    const offset = endOf(parts)
    const file = await PartFile.open(`${this.path}${partial}`, { offset, gzip: this.#gzip })
    return { name: basename(this.path), offset, file }
  }

  async settle(): Promise<void> {}

  async finish(parts: readonly ManifestPart[]): Promise<void> {
    const draft = `${this.path}${partial}`
    if (parts.length === 0) await this.#writeEmpty(draft)
    if ((await sizeOf(draft)) === undefined) return
    if (parts.length > 0) await truncate(draft, endOf(parts))
    await rename(draft, this.path)
    await syncFolder(dirname(this.path))
  }

  /** No bytes at all would be no gzip. */
  async #writeEmpty(draft: string): Promise<void> {
    const file = await PartFile.open(draft, { offset: 0, gzip: this.#gzip })
    if (this.#gzip) await file.write('')
    await file.close()
  }
}

function endOf(parts: readonly ManifestPart[]): number {
  const last = parts.at(-1)
  return last === undefined ? 0 : last.offset + last.bytes
}

/** Undefined where there is no such file. */
export async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

export async function removeIfThere(path: string): Promise<void> {
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
}

/** The HistoryError for what the file system threw; errors of other kinds come back as they are. */
export function exportError(error: unknown, path: string): unknown {
  if (typeof (error as NodeJS.ErrnoException | undefined)?.syscall !== 'string') return error
  return new HistoryError(
    'HISTORY_EXPORT_UNAVAILABLE',
    `${path} cannot be used now (${(error as Error).message}): name the right place, or make room; the same command goes on where it stopped`,
    { cause: error },
  )
}
