/**
 * Splits bytes into the JSON values that stand in them, one after the other: lines, an array's elements, values
 * with or without anything between them, over any number of lines. Holds no more than the value in hand.
 *
 * An array at the outermost level is opened, and its elements are the values. White space, commas, byte order
 * marks and record separators may stand between values. What ends is found by brackets and strings alone; whether
 * it is JSON is found when it is parsed. What is no value is told, with all of its bytes, and it goes on:
 * - behind a word that is none, with the next line, in an array with the next comma;
 * - behind a value that breaks off (a line that ends within a string, or begins with a bracket where none can
 *   be), with the next line that is indented no deeper than the one in which it began.
 *
 * Values that stand alone on a line are the usual case, and the fast one: there a line is parsed at once, and
 * looked at closer only where it does not parse.
 */
import { constants } from 'node:buffer'
import { ByteWindow } from './byte-window.ts'
import { unreadableText } from './unreadable-text.ts'

export interface ValueSink {
  /**
   * @param json - Of the text; undefined where it has not been parsed.
   * @param end - The offset in the stream just behind it.
   */
  value(text: string, json: unknown, end: number): void
  /** @param text - What is there; cut where it is too long, and then ends with `…`. */
  unreadable(text: string, why: string, end: number): void
}

export interface SplitterOptions {
  /** Longest value. */
  readonly bytesMax: number
  /**
   * Whether a value that begins so may be longer than `bytesMax`, up to what a string holds, and is told as a
   * whole where it is none. Default: none.
   */
  readonly isWhole?: (beginning: string) => boolean
  /** Of the stream: where the first bytes are. Default 0. */
  readonly offset?: number
  /** Whether this is between elements of an array. Default false. */
  readonly isInArray?: boolean
  /** Of the stream: on which line that is. Default 1. */
  readonly line?: number
}

/**
 * - between: looks for the next value. Left for `value` or `garbage`.
 * - value: looks for its end. Left for `between`, or `broken`.
 * - garbage: looks for the end of a word that is no JSON. Left for `between`.
 * - broken: looks for the line after a value that broke off. Left for `between`.
 */
type State = 'between' | 'value' | 'garbage' | 'broken'

/** Of what is too long, or broken. */
const shownBytes = 64 * 1024
/** A value that breaks off behind so many bytes is not looked through for lines again. */
const lookBackBytes = 64 * 1024
const beginningBytes = 128
/** Longer than any number that anybody writes. */
const wordBytesMax = 1_024
/** So many bytes are a string in any case; of what is no UTF-8, as base64. */
const wholeBytesMax = constants.MAX_STRING_LENGTH - 16
const wholeShownBytes = Math.floor((wholeBytesMax / 4) * 3) - 16

export class ValueSplitter {
  readonly #sink: ValueSink
  readonly #bytesMax: number
  readonly #isWhole: (beginning: string) => boolean
  readonly #window: ByteWindow
  #state: State = 'between'
  #isEnd = false
  #isInArray: boolean
  /** Where to go on looking; what is before has been looked at. */
  #next = 0
  /** Brackets that the value in hand has open. */
  #open: number[] = []
  #isInString = false
  #hasNewline = false
  /** What is wrong with what is in hand. */
  #why = ''
  /** The beginning of what is in hand, where its bytes are no longer held. */
  #head: string | undefined
  /** Offset of the line in hand, and how deep it is indented. */
  #line = 0
  #indent = 0
  /** Nothing but white space was before on the line. */
  #isLineStart = true
  /** The number of the line on which the bytes in hand begin, and of the one on which the value does. */
  #lineNumber: number
  #valueLine = 1
  /** The value before was alone on its line. */
  #isByLine = false

  constructor(
    sink: ValueSink,
    { bytesMax, isWhole = () => false, offset = 0, isInArray = false, line = 1 }: SplitterOptions,
  ) {
    this.#sink = sink
    this.#bytesMax = bytesMax
    this.#isWhole = isWhole
    this.#window = new ByteWindow(offset)
    this.#isInArray = isInArray
    this.#line = offset
    this.#lineNumber = line
  }

  /** As of the value that the sink was given last. */
  get isInArray(): boolean {
    return this.#isInArray
  }

  /** On which line that value begins, and ends: 1, 2, 3 … */
  get lines(): { readonly first: number; readonly last: number } {
    return { first: this.#valueLine, last: this.#lineNumber }
  }

  /** Tells every value that is complete. */
  push(chunk: Uint8Array): void {
    this.#next -= this.#window.append(chunk)
    this.#run()
  }

  /** The stream has ended: tells what is left. */
  end(): void {
    this.#isEnd = true
    this.#run()
  }

  #run(): void {
    while (this.#step()) {}
    const window = this.#window
    if (this.#state === 'between') return
    const bytes = window.end - window.at
    const isLong = this.#head === undefined ? this.#isTooLong(bytes) : bytes > this.#bytesMax
    if (!isLong || bytes <= shownBytes) return
    if (this.#head === undefined && this.#state === 'value') this.#why = this.#tooLong()
    // Only its end matters now.
    this.#head ??= this.#shown(window.at, window.end)
    this.#passTo(Math.min(this.#next, window.end))
  }

  /** Of what is in hand, all bytes of which are held. */
  #isTooLong(bytes: number): boolean {
    return bytes > this.#bytesMax && (bytes > wholeBytesMax || !this.#isWholeAt(this.#window.at))
  }

  #isWholeAt(index: number): boolean {
    const { bytes, end } = this.#window
    return this.#isWhole(bytes.toString('latin1', index, Math.min(end, index + beginningBytes)))
  }

  #tooLong(): string {
    return `it has more than ${this.#isWholeAt(this.#window.at) ? wholeBytesMax : this.#bytesMax} bytes`
  }

  /** @returns Whether there is more to do with the bytes that are there. */
  #step(): boolean {
    switch (this.#state) {
      case 'between':
        return this.#begin()
      case 'value':
        return this.#scan()
      case 'garbage':
        return this.#skipWord()
      case 'broken':
        return this.#skipLines()
    }
  }

  /** Looks for the beginning of the next value. */
  #begin(): boolean {
    const window = this.#window
    if (!this.#skipSeparators()) {
      if (this.#isEnd && this.#isInArray) {
        this.#isInArray = false
        this.#valueLine = this.#lineNumber
        this.#sink.unreadable('…', 'the file ends within its array', window.offsetOf(window.end))
      }
      return false
    }
    const { at, bytes } = window
    const byte = bytes[at]!
    if (this.#isLineStart) this.#indent = window.offsetOf(at) - this.#line
    this.#next = at
    this.#hasNewline = false
    this.#valueLine = this.#lineNumber
    if (byte === openObject || (byte === openArray && this.#isInArray)) {
      if (this.#isByLine && this.#isLineStart && this.#takeLine()) return true
      this.#state = 'value'
    } else if (byte === openArray || (byte === closeArray && this.#isInArray)) {
      this.#isInArray = byte === openArray
      this.#isLineStart = false
      window.at = at + 1
    } else if (byte === quote) this.#state = 'value'
    else return this.#takeWord()
    return true
  }

  /** @returns Whether something comes behind them. */
  #skipSeparators(): boolean {
    const window = this.#window
    const { bytes, end } = window
    let { at } = window
    for (; at < end; at++) {
      const byte = bytes[at]!
      if (byte === newline) {
        this.#line = window.offsetOf(at + 1)
        this.#lineNumber += 1
        this.#isLineStart = true
      } else if (byte === mark[0]) {
        if (end - at < mark.length && !this.#isEnd) break
        if (!mark.every((one, n) => bytes[at + n] === one)) break
        at += mark.length - 1
        this.#line = window.offsetOf(at + 1)
      } else if (separators[byte] === 0) break
    }
    window.at = at
    const isMarkBegun = bytes[at] === mark[0] && end - at < mark.length && !this.#isEnd
    return at < end && !isMarkBegun
  }

  /** Takes what is left of the line as a value. @returns false where it is none, or goes on in the next chunk. */
  #takeLine(): boolean {
    const window = this.#window
    const { at, bytes } = window
    const lineEnd = bytes.indexOf(newline, at)
    if (lineEnd === -1 || lineEnd >= window.end || this.#isTooLong(lineEnd - at)) return false
    let end = lineEnd
    while (separators[bytes[end - 1]!] === 1) end -= 1
    const text = window.text(at, end)
    if (text === undefined) return false
    let json: unknown
    try {
      json = JSON.parse(text)
    } catch {
      return false
    }
    this.#sink.value(text, json, window.offsetOf(end))
    window.at = lineEnd + 1
    this.#line = window.offsetOf(lineEnd + 1)
    this.#lineNumber += 1
    return true
  }

  /** Looks for the end of the value in hand. */
  #scan(): boolean {
    const window = this.#window
    const { bytes, end } = window
    const open = this.#open
    let isInString = this.#isInString
    let next = this.#next
    while (next < end) {
      let byte = bytes[next]!
      if (isInString) {
        // The quote behind the last byte ends these loops.
        while (byte !== quote && byte !== backslash && byte !== newline) byte = bytes[++next]!
        if (next >= end) break
        if (byte === newline) return this.#break('a line ends within a string', next)
        // The byte behind a backslash is part of the string, whichever it is.
        next += byte === backslash ? 2 : 1
        if (byte === backslash) continue
        isInString = false
        if (open.length === 0) return this.#finish(next)
        continue
      }
      while (structure[byte] === 0) byte = bytes[++next]!
      if (next >= end) break
      if (byte === quote) isInString = true
      else if (byte === newline) this.#hasNewline = true
      else if (byte === openObject || byte === openArray) {
        if (open.length > 0 && !this.#mayOpen(next)) {
          return this.#break(`a line begins with ${String.fromCharCode(byte)} where none can be`, next)
        }
        open.push(byte)
      } else if (!this.#close(byte)) return this.#finish(next)
      else if (open.length === 0) return this.#finish(next + 1)
      next += 1
    }
    this.#isInString = isInString
    this.#next = next
    if (!this.#isEnd) return false
    this.#tell(end, 'the file ends within it')
    return true
  }

  /** Only a line that begins with a bracket is looked at: that is what a value that was cut off is followed by. */
  #mayOpen(index: number): boolean {
    const { bytes, at } = this.#window
    let before = index - 1
    let isLineStart = false
    for (; before >= at && bytes[before]! <= space; before--) isLineStart ||= bytes[before] === newline
    // The value's bytes are no longer held.
    if (!isLineStart || before < at) return true
    const byte = bytes[before]
    return (
      byte === colon ||
      byte === openArray ||
      (byte === comma && this.#open[this.#open.length - 1] === openArray)
    )
  }

  /** @returns false where the bracket is that of the array around. */
  #close(byte: number): boolean {
    const opener = byte - 2
    const open = this.#open
    if (open[open.length - 1] === opener) {
      open.pop()
      return true
    }
    // It is no JSON: the bracket closes what it can, so that what comes behind is not taken for a part of it.
    const match = open.lastIndexOf(opener)
    if (match === -1) return !(byte === closeArray && this.#isInArray)
    open.length = match
    return true
  }

  #finish(end: number): true {
    const window = this.#window
    const { bytes } = window
    let next = end
    while (next < window.end && bytes[next] !== newline && separators[bytes[next]!] === 1) next += 1
    this.#isByLine = this.#isLineStart && !this.#hasNewline && next < window.end && bytes[next] === newline
    if (this.#head !== undefined || this.#isTooLong(end - window.at)) {
      this.#tell(end, this.#head === undefined ? this.#tooLong() : this.#why)
      return true
    }
    const text = window.text(window.at, end)
    if (text === undefined) this.#tell(end, 'it is no UTF-8')
    else {
      this.#reset(end)
      this.#sink.value(text, undefined, window.offsetOf(end))
    }
    return true
  }

  /** A number, `true`, `false`, `null`, or else garbage. */
  #takeWord(): boolean {
    const window = this.#window
    const { at, bytes } = window
    let end = at
    while (end < window.end && wordEnds[bytes[end]!] === 0) end += 1
    if (end === window.end && !this.#isEnd && end - at <= wordBytesMax) return false
    const word = window.text(at, end) ?? ''
    const json = end - at <= wordBytesMax ? parsedWord(word) : undefined
    if (json === undefined) {
      this.#state = 'garbage'
      this.#why = 'it is no JSON'
    } else {
      this.#reset(end)
      this.#sink.value(word, json, window.offsetOf(end))
    }
    return true
  }

  #skipWord(): boolean {
    const window = this.#window
    const { bytes, end } = window
    let next = this.#next
    const isEnd = (byte: number) =>
      byte === newline || (this.#isInArray && (byte === comma || byte === closeArray))
    while (next < end && !isEnd(bytes[next]!)) next += 1
    this.#next = next
    if (next === end && !this.#isEnd) return false
    this.#tell(next, this.#why)
    return true
  }

  #break(why: string, index: number): true {
    const { at, bytes } = this.#window
    const isShort = this.#head === undefined && index - at <= lookBackBytes
    this.#next = isShort ? at : Math.max(at, bytes.lastIndexOf(newline, index))
    if (this.#head === undefined) this.#why = why
    this.#state = 'broken'
    return true
  }

  /** Looks for the line that goes on behind a value that broke off. */
  #skipLines(): boolean {
    const window = this.#window
    const { bytes } = window
    for (;;) {
      const lineEnd = bytes.indexOf(newline, this.#next)
      let next = lineEnd + 1
      if (lineEnd !== -1) while (next < window.end && isIndent(bytes[next]!)) next += 1
      if (lineEnd === -1 || next >= window.end) {
        if (this.#isEnd) this.#tell(window.end, this.#why)
        else this.#next = lineEnd === -1 || lineEnd >= window.end ? window.end : lineEnd
        return this.#isEnd
      }
      this.#next = next
      if (next - lineEnd - 1 > this.#indent) continue
      const byte = bytes[next]
      if (byte === closeObject) this.#tell(next + 1, this.#why)
      else if (byte === openObject || byte === openArray || (byte === closeArray && this.#isInArray)) {
        this.#tell(lineEnd, this.#why)
      } else continue
      return true
    }
  }

  /** What is in hand, up to `end`, is no value. */
  #tell(end: number, why: string): void {
    const window = this.#window
    const text = this.#head ?? this.#shown(window.at, end)
    this.#reset(end)
    this.#isByLine = false
    this.#sink.unreadable(text, why, window.offsetOf(end))
  }

  /** What is in hand up to there is done with. */
  #passTo(index: number): void {
    const window = this.#window
    this.#lineNumber += window.newlines(window.at, index)
    window.at = index
  }

  #reset(end: number): void {
    this.#passTo(end)
    this.#next = end
    this.#state = 'between'
    this.#open.length = 0
    this.#isInString = false
    this.#isLineStart = false
    this.#head = undefined
  }

  #shown(from: number, to: number): string {
    const bytesMax = to - from > shownBytes && this.#isWholeAt(from) ? wholeShownBytes : shownBytes
    return unreadableText(this.#window.bytes.subarray(from, to), bytesMax)
  }
}

function parsedWord(word: string): unknown {
  try {
    return JSON.parse(word)
  } catch {
    return undefined
  }
}

// Imported from elsewhere, these would cost a quarter of the speed.
const quote = 0x22
const backslash = 0x5c
const newline = 0x0a
const comma = 0x2c
const colon = 0x3a
const space = 0x20
const openObject = 0x7b
const closeObject = 0x7d
const openArray = 0x5b
const closeArray = 0x5d
/** The byte order mark. */
const mark = [0xef, 0xbb, 0xbf] as const
/** White space, commas, and the record separator of RFC 7464. */
const separators = tableOf(' \t\r\n,\x1e')
const structure = tableOf('"{}[]\n')
const wordEnds = tableOf(' \t\r\n,\x1e"{}[]:')

function tableOf(characters: string): Uint8Array {
  const table = new Uint8Array(256)
  for (const character of characters) table[character.charCodeAt(0)] = 1
  return table
}

function isIndent(byte: number): boolean {
  return byte === space || byte === 0x09 || byte === 0x0d
}
