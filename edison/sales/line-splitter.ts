/**
 * Lines: the bytes between newlines, whatever the chunks they arrive in.
 *
 * It works on bytes, because a chunk may end inside a character; a line is decoded once it is whole.
 * A carriage return before the newline belongs to the newline, and a byte order mark is no part of
 * the first line. A line longer than the limit is reported and let go of while it arrives: memory
 * holds one chunk and at most one line.
 */

export interface Line {
  /** From 1. */
  readonly number: number
  /** Undefined for a line beyond the limit. */
  readonly bytes: Buffer | undefined
}

const newline = 0x0a
const carriageReturn = 0x0d
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf])

export class LineSplitter {
  readonly #lineBytesMax: number
  #number = 0
  /** The pieces of the line that has begun; undefined while a line beyond the limit passes. */
  #pieces: Buffer[] | undefined = []
  #length = 0

  /** @param options.lineBytesMax - Longest line, in bytes, without its end and byte order mark. */
  constructor({ lineBytesMax }: { lineBytesMax: number }) {
    this.#lineBytesMax = lineBytesMax
  }

  /** The lines that end within `chunk`. A line's bytes share the chunk's memory. */
  *push(chunk: Buffer): Generator<Line> {
    let start = 0
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      this.#hold(chunk.subarray(start, end))
      yield this.#line()
      start = end + 1
    }
    if (start < chunk.length) this.#hold(chunk.subarray(start))
  }

  /** The last line, if it has no newline. */
  *end(): Generator<Line> {
    if (this.#length === 0) return
    const last = this.#line()
    const onlyByteOrderMark = last.number === 1 && last.bytes?.length === 0
    if (!onlyByteOrderMark) yield last
  }

  #hold(piece: Buffer): void {
    this.#length += piece.length
    // Room for what does not count: a byte order mark before the line, a carriage return after it.
    if (this.#length > this.#lineBytesMax + byteOrderMark.length + 1) this.#pieces = undefined
    else this.#pieces?.push(piece)
  }

  #line(): Line {
    const pieces = this.#pieces
    this.#pieces = []
    this.#length = 0
    this.#number++
    if (pieces === undefined) return { number: this.#number, bytes: undefined }
    let bytes = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
    if (this.#number === 1 && bytes.subarray(0, 3).equals(byteOrderMark)) bytes = bytes.subarray(3)
    if (bytes.at(-1) === carriageReturn) bytes = bytes.subarray(0, -1)
    return { number: this.#number, bytes: bytes.length > this.#lineBytesMax ? undefined : bytes }
  }
}
