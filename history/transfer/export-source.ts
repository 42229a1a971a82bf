/**
 * An export being read: by its manifest where it has one, else whatever lines are there.
 *
 * With a manifest every byte is compared with it before the first line is given: an export that was altered
 * or cut off is refused whole.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { HistoryError } from '../errors.ts'
import { readEventLine } from '../event-line.ts'
import { exportError, manifestPathOf, sizeOf } from './export-target.ts'
import { damaged, type LinePage, linePages } from './line-pages.ts'
import { draftPath, type Manifest, type ManifestPart, readManifest } from './manifest.ts'

export interface SourcePage extends LinePage {
  readonly file: string
  /** Undefined where there is no manifest. */
  readonly part: ManifestPart | undefined
}

export interface ExportSource {
  /** For messages. */
  readonly name: string
  readonly manifest: Manifest | undefined
  /** In bytes; undefined where that is not known. Each is gone through twice where there is a manifest. */
  readonly bytes: number | undefined
  /** Compares all that is there with the manifest; does nothing without one. */
  verify(options: ReadOptions): Promise<void>
  pages(options: ReadOptions): AsyncIterable<SourcePage>
}

export interface ReadOptions {
  /** Called with the length of each chunk that was read. */
  readonly onBytes?: ((bytes: number) => void) | undefined
  /** Ends it, throwing its reason. */
  readonly signal?: AbortSignal | undefined
}

/**
 * @param from - The folder or file of an export, any file of lines, or a stream of bytes.
 * @throws HistoryError `HISTORY_EXPORT_UNAVAILABLE` where it cannot be read; `HISTORY_EXPORT_DAMAGED` where it
 *   was not finished, or its manifest is none.
 */
export async function openExportSource(from: string | AsyncIterable<Uint8Array>): Promise<ExportSource> {
  if (typeof from !== 'string') return streamSource(from)
  try {
    const isFolder = (await stat(from)).isDirectory()
    const manifestPath = manifestPathOf(from, { isFile: !isFolder })
    const manifest = await readManifest(manifestPath)
    if (manifest !== undefined) return new ManifestSource(from, isFolder ? from : dirname(from), manifest)
    if (isFolder || (await sizeOf(draftPath(manifestPath))) !== undefined) throw unfinished(from)
    return fileSource(from, (await stat(from)).size)
  } catch (error) {
    throw exportError(error, from)
  }
}

function unfinished(path: string): HistoryError {
  return new HistoryError(
    'HISTORY_EXPORT_DAMAGED',
    `${path} has no manifest: it is no export, or one that was not finished. The command that began it goes on with it`,
  )
}

function streamSource(stream: AsyncIterable<Uint8Array>): ExportSource {
  const name = 'standard input'
  return {
    name,
    manifest: undefined,
    bytes: undefined,
    async verify() {},
    pages: (options) => namedPages(counted(stream, options), { name }),
  }
}

function fileSource(path: string, bytes: number): ExportSource {
  return {
    name: path,
    manifest: undefined,
    bytes,
    async verify() {},
    pages: (options) => namedPages(counted(bytesOf(path), options), { name: path }),
  }
}

async function* namedPages(
  chunks: AsyncIterable<Uint8Array>,
  { name }: { name: string },
): AsyncGenerator<SourcePage> {
  for await (const page of linePages(chunks, { name })) yield { ...page, file: name, part: undefined }
}

class ManifestSource implements ExportSource {
  readonly name: string
  readonly manifest: Manifest
  readonly bytes: number
  readonly #folder: string

  constructor(name: string, folder: string, manifest: Manifest) {
    this.name = name
    this.manifest = manifest
    this.bytes = 2 * manifest.parts.reduce((sum, { bytes }) => sum + bytes, 0)
    this.#folder = folder
  }

  async verify(options: ReadOptions): Promise<void> {
    for (const part of this.manifest.parts) {
      const path = join(this.#folder, part.file)
      try {
        const size = await sizeOf(path)
        const ends = part.offset + part.bytes
        if (size === undefined || size < ends) {
          const has =
            size === undefined ? 'is not there' : `was cut off: it has ${size} bytes of at least ${ends}`
          throw new HistoryError(
            'HISTORY_EXPORT_DAMAGED',
            `${path} ${has}. Fetch the export again, or make it anew`,
          )
        }
        const hash = createHash('sha256')
        for await (const chunk of counted(bytesOf(path, part), options)) hash.update(chunk)
        if (hash.digest('hex') !== part.sha256) throw await this.#altered(path, part)
      } catch (error) {
        throw exportError(error, path)
      }
    }
  }

  async *pages(options: ReadOptions): AsyncGenerator<SourcePage> {
    for (const part of this.manifest.parts) {
      const path = join(this.#folder, part.file)
      const chunks = counted(bytesOf(path, part), options)
      const linesBefore = this.#linesBefore(part)
      let lines = 0
      for await (const page of linePages(chunks, { name: path, linesBefore })) {
        lines += page.lines.length
        yield { ...page, file: path, part }
      }
      if (lines !== part.count) throw damaged(path, linesBefore + lines, `is the last one of ${part.count}`)
    }
  }

  /** Names the line, where it can be seen to be wrong. */
  async #altered(path: string, part: ManifestPart): Promise<HistoryError> {
    const linesBefore = this.#linesBefore(part)
    let expected = part.from
    try {
      for await (const { firstLine, lines } of linePages(bytesOf(path, part), { name: path, linesBefore })) {
        for (const [index, text] of lines.entries()) {
          const reason = reasonAgainst(text, this.manifest, expected)
          if (reason !== undefined) return damaged(path, firstLine + index, reason)
          expected += 1
        }
      }
    } catch (error) {
      if (error instanceof HistoryError) return error
      throw error
    }
    const where = `lines ${linesBefore + 1} to ${linesBefore + part.count} (positions ${part.from} to ${part.to})`
    return new HistoryError(
      'HISTORY_EXPORT_DAMAGED',
      `${path} is not what was exported: the SHA-256 of its ${where} is another. Fetch it again, or make it anew`,
    )
  }

  #linesBefore({ file, offset }: ManifestPart): number {
    const before = this.manifest.parts.filter((part) => part.file === file && part.offset < offset)
    return before.reduce((sum, { count }) => sum + count, 0)
  }
}

function reasonAgainst(
  text: string,
  { exchange, filter, pruned }: Manifest,
  expected: number,
): string | undefined {
  try {
    const { position } = readEventLine(text, { exchange })
    const isDense = filter === null && pruned.length === 0
    return !isDense || position === expected ? undefined : `has position ${position}, not ${expected}`
  } catch (error) {
    if (error instanceof TypeError) return error.message
    throw error
  }
}

/** A file's bytes, or those of a part in it. */
function bytesOf(path: string, part?: ManifestPart): AsyncIterable<Uint8Array> {
  if (part?.bytes === 0) return createReadStream(path, { end: 0, start: 1 })
  const range = part === undefined ? {} : { start: part.offset, end: part.offset + part.bytes - 1 }
  return createReadStream(path, { ...range, highWaterMark: chunkBytes })
}

const chunkBytes = 1024 * 1024

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  { onBytes, signal }: ReadOptions,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    signal?.throwIfAborted()
    onBytes?.(chunk.length)
    yield chunk
  }
}

/** `part-000001.jsonl, line 17`. */
export function lineName({ file, firstLine }: SourcePage, index: number): string {
  return `${basename(file)}, line ${firstLine + index}`
}
