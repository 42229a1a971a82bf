/** A file while it is read: takes its bytes, and makes events of the values in them. */
import { beginsFailureLine, readFailureLine } from '../../run/failure-line.ts'
import { type EventFile, FailedFileEvent, FileEvent, type FilePlace, UnreadableEvent } from './file-event.ts'
import { checkOf, type ResumePoint, tokenText } from './resume-token.ts'
import { type ValueSink, ValueSplitter } from './value-splitter.ts'

export interface FileReadingOptions {
  readonly name: string
  /** Events in the files before. */
  readonly before: number
  /** Of the files before, and of this one's beginning. */
  readonly earlier: string
  readonly head: string | undefined
  readonly bytesMax: number
  /** To go on behind. */
  readonly from?: Pick<ResumePoint, 'offset' | 'number' | 'isInArray' | 'line'>
}

export class FileReading implements EventFile, ValueSink {
  readonly name: string
  readonly before: number
  readonly #options: FileReadingOptions
  readonly #splitter: ValueSplitter
  readonly #knowsLines: boolean
  #number: number
  #offset: number
  #events: FileEvent[] = []

  constructor(options: FileReadingOptions) {
    const { name, before, bytesMax, from = { offset: 0, number: 0, isInArray: false, line: 1 } } = options
    this.name = name
    this.before = before
    this.#options = options
    this.#number = from.number
    this.#offset = from.offset
    this.#knowsLines = from.line !== undefined
    const { line = 1, ...rest } = from
    this.#splitter = new ValueSplitter(this, {
      ...rest,
      line,
      bytesMax,
      // A failed event is longer in its line than it was where it was read.
      isWhole: beginsFailureLine,
    })
  }

  /** Events of it so far, those before `from` included. */
  get number(): number {
    return this.#number
  }

  /** @returns The events that the bytes complete. */
  push(chunk: Uint8Array): FileEvent[] {
    this.#offset += chunk.length
    this.#splitter.push(chunk)
    return this.#taken()
  }

  /** @param damage - Why there is no more to read, where that is not its end. */
  end(damage?: string): FileEvent[] {
    this.#splitter.end()
    if (damage !== undefined) {
      const at = { ...this.#next(this.#offset), lines: undefined, isLast: true }
      this.#events.push(new UnreadableEvent('…', damage, at))
    }
    return this.#taken()
  }

  value(text: string, json: unknown, end: number): void {
    const failed = readFailureLine(text)
    const at = this.#next(end)
    this.#events.push(
      failed === undefined ? new FileEvent(text, json, at) : new FailedFileEvent(text, failed, at),
    )
  }

  unreadable(text: string, why: string, end: number): void {
    this.#events.push(new UnreadableEvent(text, why, this.#next(end)))
  }

  tokenOf({ at: { number, end, lines, isInArray, isLast }, written }: FileEvent): string {
    const { name, before, earlier, head } = this.#options
    return tokenText({
      file: name,
      earlier,
      head,
      offset: end,
      event: before + number,
      number,
      line: lines?.last,
      isInArray,
      isLast,
      last: written === undefined ? undefined : checkOf(written),
    })
  }

  #next(end: number): FilePlace {
    this.#number += 1
    const { isInArray, lines } = this.#splitter
    return {
      file: this,
      number: this.#number,
      end,
      lines: this.#knowsLines ? lines : undefined,
      isInArray,
      isLast: false,
    }
  }

  #taken(): FileEvent[] {
    const events = this.#events
    this.#events = []
    return events
  }
}
