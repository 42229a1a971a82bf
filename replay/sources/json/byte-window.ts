/**
 * The bytes of a stream that are still looked at: those from `at` to `end`, in one piece. What is before `at` is
 * done with, and its room is used again, so that it is no larger than the longest value needs.
 */
import { isAscii, isUtf8 } from 'node:buffer'

const usualBytes = 512 * 1024
const quote = 0x22
const newline = 0x0a

export class ByteWindow {
  /** At `end` there is always a quote, so that a search for one needs no look at `end`. */
  bytes: Buffer = Buffer.allocUnsafe(usualBytes)
  at = 0
  end = 0
  /** All of them are, where true. Where false they may be. */
  isAscii = true
  /** Of the stream, what `bytes[0]` is. */
  #offset: number

  constructor(offset: number) {
    this.#offset = offset
    this.bytes[0] = quote
  }

  /** Of the stream. */
  offsetOf(index: number): number {
    return this.#offset + index
  }

  /** undefined where it is no UTF-8. */
  text(from: number, to: number): string | undefined {
    const { bytes, isAscii } = this
    if (isAscii) return bytes.toString('latin1', from, to)
    const text = bytes.toString('utf8', from, to)
    return text.includes('\ufffd') && !isUtf8(bytes.subarray(from, to)) ? undefined : text
  }

  /** How many there are. */
  newlines(from: number, to: number): number {
    const bytes = this.bytes.subarray(from, to)
    let count = 0
    for (let at = bytes.indexOf(newline); at !== -1; at = bytes.indexOf(newline, at + 1)) count += 1
    return count
  }

  /**
   * Takes more bytes of the stream, by copy.
   *
   * @returns By how much the indices of the bytes that were there have become less.
   */
  append(chunk: Uint8Array): number {
    const { at, end } = this
    const left = end - at
    const needed = left + chunk.length + 1
    const from = this.bytes
    // A value that grows takes twice the room each time, or its bytes would be copied once a chunk.
    if (needed > from.length) this.bytes = Buffer.allocUnsafe(Math.max(needed, left * 2))
    else if (from.length > usualBytes && needed <= usualBytes) this.bytes = Buffer.allocUnsafe(usualBytes)
    const isMoved = this.bytes !== from || needed + at > from.length || left === 0
    if (isMoved) {
      from.copy(this.bytes, 0, at, end)
      this.at = 0
      this.#offset += at
    }
    const to = this.at + left
    // What was looked at before is looked at again where it is little.
    const wasAscii = this.isAscii || (left < usualBytes && isAscii(this.bytes.subarray(this.at, to)))
    this.isAscii = wasAscii && isAscii(chunk)
    this.bytes.set(chunk, to)
    this.end = to + chunk.length
    this.bytes[this.end] = quote
    return isMoved ? at : 0
  }
}
