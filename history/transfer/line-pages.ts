/**
 * Lines of a stream of bytes, a page for each chunk of it, decompressed where they are gzip.
 *
 * Damage is told, not passed over: bytes that are no UTF-8, a gzip that ends too early or goes on with
 * something else, a line without an end that is longer than any event.
 */
import { isUtf8 } from 'node:buffer'
import { createGunzip } from 'node:zlib'
import { HistoryError } from '../errors.ts'

export interface LinePage {
  /** Of the first line, from 1. */
  readonly firstLine: number
  /** Blank ones too, as empty texts. */
  readonly lines: readonly string[]
}

export interface LineOptions {
  /** For messages. */
  readonly name: string
  /** Lines of the file that come before the stream. Default 0. */
  readonly linesBefore?: number
}

/** RabbitMQ 3 takes messages of 128 MiB; as base64 that is a third more. */
const lineBytesMax = 256 * 1024 * 1024
const newline = 0x0a

export async function* linePages(
  chunks: AsyncIterable<Uint8Array>,
  { name, linesBefore = 0 }: LineOptions,
): AsyncGenerator<LinePage> {
  let line = linesBefore + 1
  let rest: Uint8Array[] = []
  let restBytes = 0
  const pageOf = (bytes: Buffer): LinePage => {
    const lines = textOf(bytes, { name, line }).split('\n')
    const page = { firstLine: line, lines }
    line += lines.length
    return page
  }
  for await (const chunk of unzipped(chunks, name)) {
    const end = chunk.lastIndexOf(newline)
    if (end !== -1) {
      yield pageOf(Buffer.concat([...rest, chunk.subarray(0, end)]))
      rest = []
      restBytes = 0
    }
    const tail = chunk.subarray(end + 1)
    if (tail.length > 0) rest.push(tail)
    restBytes += tail.length
    if (restBytes > lineBytesMax) throw damaged(name, line, `is longer than ${lineBytesMax} bytes`)
  }
  if (restBytes > 0) yield pageOf(Buffer.concat(rest))
}

function textOf(bytes: Buffer, { name, line }: { name: string; line: number }): string {
  if (isUtf8(bytes)) return bytes.toString()
  let at = 0
  let before = 0
  // Which line it is takes a second look.
  for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, at)) {
    if (!isUtf8(bytes.subarray(at, end))) break
    at = end + 1
    before += 1
  }
  throw damaged(name, line + before, 'is no UTF-8')
}

/** The error for a line that is not what was written. */
export function damaged(name: string, line: number, reason: string, options?: ErrorOptions): HistoryError {
  const message = `${name}, line ${line}, ${reason}: the file was altered or cut off. Fetch it again, or make it anew`
  return new HistoryError('HISTORY_EXPORT_DAMAGED', message, options)
}

/** What comes, decompressed where it begins as gzip does. */
async function* unzipped(chunks: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  const source = chunks[Symbol.asyncIterator]()
  const first = await source.next()
  if (first.done === true) return
  const all = { [Symbol.asyncIterator]: () => withFirst(first.value, source) }
  const [one, two] = first.value
  if (one === 0x1f && (two === 0x8b || two === undefined)) yield* gunzipped(all, name)
  else yield* all
}

async function* withFirst(first: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield first
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value
  } finally {
    await rest.return?.()
  }
}

async function* gunzipped(chunks: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip({ chunkSize: chunkBytes })
  let bytes = 0
  // What fails while it is fed fails the reading.
  const feeding = feed()
  async function feed(): Promise<void> {
    try {
      for await (const chunk of chunks) {
        bytes += chunk.length
        if (!gunzip.write(chunk)) await drained()
        if (gunzip.destroyed) return
      }
      gunzip.end()
    } catch (error) {
      gunzip.destroy(error as Error)
    }
  }
  function drained(): Promise<void> {
    return new Promise((resolve) => {
      if (gunzip.destroyed) resolve()
      gunzip.once('drain', resolve).once('close', resolve)
    })
  }
  try {
    yield* gunzip as AsyncIterable<Uint8Array>
    // zlib takes what is no gzip for the end where it comes in a chunk of its own.
    if (gunzip.bytesWritten !== bytes) throw new Error('something else follows')
  } catch (cause) {
    if (typeof (cause as NodeJS.ErrnoException).syscall === 'string' || cause instanceof HistoryError)
      throw cause
    const message = `${name} is no whole gzip (${(cause as Error).message}): it was altered or cut off. Fetch it again, or make it anew`
    throw new HistoryError('HISTORY_EXPORT_DAMAGED', message, { cause })
  } finally {
    gunzip.destroy()
    await feeding
  }
}

const chunkBytes = 1024 * 1024
