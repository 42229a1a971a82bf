/** An event of a history: a line of CloudEvents JSON, with all that the history says of it. */
import { isRfc3339, untyped, withJsonData, withJsonDataText } from '../../../events/index.ts'
import { bodyLengthOf, eventLine, type StoredEvent } from '../../../history/index.ts'
import type { EventAttributes } from '../../event-attributes.ts'
import type { PublishedMessage, ReplayEvent } from '../../replay-event.ts'
import { checkOf, tokenText } from './history-token.ts'

/** Its line is made once somebody looks at it. */
export class HistoryEvent implements ReplayEvent {
  readonly position: number
  readonly #event: StoredEvent
  readonly #upTo: number
  #text: string | undefined
  #json: unknown
  #jsonText: string | undefined
  #attributes: EventAttributes | undefined

  /** @param upTo - With which position the run ends. */
  constructor(event: StoredEvent, upTo: number) {
    this.position = event.position
    this.#event = event
    this.#upTo = upTo
  }

  get place(): string {
    return `position ${this.position}`
  }

  get token(): string {
    return tokenText({ position: this.position, check: checkOf(this.#event), upTo: this.#upTo })
  }

  get length(): number {
    return bodyLengthOf(this.#event)
  }

  get text(): string {
    this.#text ??= eventLine(this.#event)
    return this.#text
  }

  get published(): PublishedMessage {
    return this.#event
  }

  get json(): unknown {
    this.#json ??= withJsonData(JSON.parse(this.text))
    return this.#json
  }

  get jsonText(): string {
    this.#jsonText ??= withJsonDataText(this.text)
    return this.#jsonText
  }

  /** As its line has them. */
  get attributes(): EventAttributes {
    const { id, source, type, subject, time } = this.#event
    this.#attributes ??= {
      id,
      source,
      type: type === '' ? untyped : type,
      subject,
      time: time !== undefined && isRfc3339(time) ? time : undefined,
    }
    return this.#attributes
  }
}
