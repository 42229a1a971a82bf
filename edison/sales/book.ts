/**
 * The order book: JSON Lines from a file or a stream, a page of lines at a time.
 *
 * Every line comes out, in order, as an entry, as blank, or as rejected with the reason; nothing in a
 * book can stop the reading. A complete line is never held back for bytes that have not arrived, so
 * selling from a pipe goes on as orders come in.
 */
import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { SalesError } from './errors.ts'
import { LineSplitter } from './line-splitter.ts'

/** A line of the book. `line` counts from 1, blank lines too. */
export type BookLine =
  | { readonly line: number; readonly kind: 'entry'; readonly entry: unknown }
  | { readonly line: number; readonly kind: 'blank' }
  | { readonly line: number; readonly kind: 'rejected'; readonly reason: string }

export interface ReadBookOptions {
  /** First line to read; those before are neither decoded nor counted. Default 1. */
  readonly fromLine?: number
  /** Last line to read. Default: to the end. */
  readonly toLine?: number
  /** Lines a page at most. Default 200. */
  readonly pageSize?: number
  /** Longest line in bytes; a longer one is rejected without being held. Default 1 MiB. */
  readonly lineBytesMax?: number
}

/**
 * Opens an order book's file, for `readBook`.
 *
 * @throws SalesError `BOOK_NOT_FOUND`, or `BOOK_UNREADABLE` for a folder or a file without permission.
 */
export async function openBook(path: string): Promise<Readable> {
  try {
    const file = await open(path)
    if (!(await file.stat()).isDirectory()) return file.createReadStream({ highWaterMark: 256 * 1_024 })
    await file.close()
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new SalesError('BOOK_NOT_FOUND', `There is no order book ${path}; check the path`, { cause })
    }
    throw new SalesError('BOOK_UNREADABLE', `Order book ${path} cannot be opened: ${said(cause)}`, { cause })
  }
  throw new SalesError('BOOK_UNREADABLE', `Order book ${path} is a folder; name a file in it`)
}

/** Reads a book in pages of at most `pageSize` lines; no page is empty. */
export async function* readBook(
  bytes: AsyncIterable<Uint8Array>,
  {
    fromLine = 1,
    toLine = Number.POSITIVE_INFINITY,
    pageSize = 200,
    lineBytesMax = 1_024 * 1_024,
  }: ReadBookOptions = {},
): AsyncGenerator<BookLine[]> {
  const splitter = new LineSplitter({ lineBytesMax })
  let page: BookLine[] = []
  for await (const chunk of chunksThenEnd(bytes)) {
    for (const { number, bytes } of chunk === undefined ? splitter.end() : splitter.push(chunk)) {
      if (number < fromLine) continue
      if (number > toLine) return
      page.push(
        bytes === undefined
          ? { line: number, kind: 'rejected', reason: `longer than ${lineBytesMax} bytes` }
          : readLine(number, bytes),
      )
      if (page.length === pageSize || number === toLine) {
        yield page
        page = []
      }
      // A pipe may stay open for ever: the last line asked for ends the reading.
      if (number === toLine) return
    }
    if (page.length > 0) yield page
    page = []
  }
}

/** The chunks, then `undefined` once, so that the last line takes the same way as the others. */
async function* chunksThenEnd(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer | undefined> {
  for await (const chunk of bytes) yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
  yield undefined
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function readLine(line: number, bytes: Buffer): BookLine {
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch {
    return { line, kind: 'rejected', reason: 'not UTF-8' }
  }
  if (text.trim() === '') return { line, kind: 'blank' }
  try {
    return { line, kind: 'entry', entry: JSON.parse(text) as unknown }
  } catch (error) {
    return { line, kind: 'rejected', reason: `not JSON: ${said(error)}` }
  }
}

function said(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
