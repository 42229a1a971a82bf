/**
 * The bytes of a stream that are still looked at: those from `at` to `end`, in one piece. What is before `at` is
 * done with, and its room is used again, so that it is no larger than the longest value needs.
 */
import { isAscii } from 'node:buffer'

const usualBytes = 512 * 1024
const quote = 0x22

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
