/** An event that is JSON text: parsed once it is looked at. Where it stands in its source is each source's own. */
import { withJsonData, withJsonDataText } from '../events/index.ts'
import { ReplayError } from './errors.ts'
import { type EventAttributes, eventAttributes } from './event-attributes.ts'
import type { ReplayEvent } from './replay-event.ts'

export abstract class TextEvent implements ReplayEvent {
  readonly text: string
  abstract readonly position: number
  abstract readonly place: string
  abstract readonly token: string
  #json: unknown
  /** What is in base64 has been looked at. */
  #isDecoded = false
  #jsonText: string | undefined
  #attributes: EventAttributes | undefined

  /** @param json - Of the text; undefined where it has not been parsed. */
  constructor(text: string, json?: unknown) {
    this.text = text
    this.#json = json
  }

  get json(): unknown {
    if (!this.#isDecoded) {
      // No JSON is undefined.
      this.#json = withJsonData(this.#json === undefined ? this.parse() : this.#json)
      this.#isDecoded = true
    }
    return this.#json
  }

  get jsonText(): string {
    this.#jsonText ??= withJsonDataText(this.text)
    return this.#jsonText
  }

  get attributes(): EventAttributes {
    this.#attributes ??= eventAttributes(this.json)
    return this.#attributes
  }

  /** The place, for messages: it may say more. */
  protected get whereabouts(): string {
    return this.place
  }

  protected parse(): unknown {
    try {
      return JSON.parse(this.text)
    } catch (cause) {
      throw new ReplayError(
        'REPLAY_EVENT_UNREADABLE',
        `${this.whereabouts} is no JSON: ${(cause as Error).message}`,
        { cause },
      )
    }
  }
}
