/** The event of a source whose events are JSON texts: parsed once it is looked at. */
import { withJsonData, withJsonDataText } from '../events/index.ts'
import { ReplayError } from './errors.ts'
import { type EventAttributes, eventAttributes } from './event-attributes.ts'
import type { ReplayEvent } from './replay-event.ts'

export class JsonEvent implements ReplayEvent {
  readonly position: number
  readonly text: string
  readonly #source: JsonEventSource
  #json: unknown
  #isParsed = false
  #jsonText: string | undefined
  #attributes: EventAttributes | undefined

  constructor(text: string, position: number, source: JsonEventSource) {
    this.text = text
    this.position = position
    this.#source = source
  }

  get place(): string {
    return this.#source.placeOf(this.position)
  }

  get token(): string {
    return this.#source.tokenOf(this.position)
  }

  get json(): unknown {
    if (!this.#isParsed) {
      this.#json = this.#parse()
      this.#isParsed = true
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

  #parse(): unknown {
    try {
      return withJsonData(JSON.parse(this.text))
    } catch (cause) {
      throw new ReplayError(
        'REPLAY_EVENT_UNREADABLE',
        `${this.place} is no JSON: ${(cause as Error).message}`,
        { cause },
      )
    }
  }
}

/** What a `JsonEvent` asks of where it was read. */
export interface JsonEventSource {
  placeOf(position: number): string
  tokenOf(position: number): string
}
