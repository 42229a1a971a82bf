/** Events of a file: what was read of it, and where. */

import { ReplayError } from '../../errors.ts'
import type { FailureCause } from '../../failure-cause.ts'
import type { FailedLine } from '../../run/failure-line.ts'
import { TextEvent } from '../../text-event.ts'

/** Where an event stands in its file. */
export interface FilePlace {
  readonly file: EventFile
  /** In its file: 1, 2, 3 … */
  readonly number: number
  /** Offset just behind it; of a compressed file as it is not compressed. */
  readonly end: number
  /** On which it begins, and ends; undefined where that is not known, behind a token that does not say it. */
  readonly lines: { readonly first: number; readonly last: number } | undefined
  readonly isInArray: boolean
  /** Nothing that is behind it can be read. */
  readonly isLast: boolean
}

/** What an event asks of the file that it was read from. */
export interface EventFile {
  readonly name: string
  /** Events in the files before. */
  readonly before: number
  tokenOf(event: FileEvent): string
}

export class FileEvent extends TextEvent {
  readonly at: FilePlace

  /** @param json - Of the text; undefined where it has not been parsed. */
  constructor(text: string, json: unknown, at: FilePlace) {
    super(text, json)
    this.at = at
  }

  get position(): number {
    return this.at.file.before + this.at.number
  }

  get place(): string {
    return `${this.at.file.name}, event ${this.at.number}`
  }

  protected override get whereabouts(): string {
    const { lines } = this.at
    return lines === undefined ? this.place : `${this.place} on line ${lines.first}`
  }

  /** What stands in the file just before `end`; undefined where not all of it is known. */
  get written(): string | undefined {
    return this.text
  }

  get token(): string {
    return this.at.file.tokenOf(this)
  }
}

/** What is no event, in the place of one. */
export class UnreadableEvent extends FileEvent {
  readonly #why: string

  constructor(text: string, why: string, at: FilePlace) {
    super(text, undefined, at)
    this.#why = why
  }

  override get written(): undefined {
    return undefined
  }

  protected override parse(): never {
    throw new ReplayError(
      'REPLAY_EVENT_UNREADABLE',
      `${this.whereabouts}, which ends at byte ${this.at.end}, cannot be read: ${this.#why}`,
    )
  }
}

/** The event that is in a line of a failures file. It has the position and the place that it had when it failed. */
export class FailedFileEvent extends FileEvent {
  readonly causes: readonly FailureCause[]
  readonly #line: string
  readonly #failed: FailedLine

  constructor(line: string, failed: FailedLine, at: FilePlace) {
    super(failed.text, undefined, at)
    this.causes = failed.causes
    this.#line = line
    this.#failed = failed
  }

  override get position(): number {
    return this.#failed.position
  }

  override get place(): string {
    return this.#failed.place
  }

  protected override get whereabouts(): string {
    return this.place
  }

  override get written(): string {
    return this.#line
  }
}
