/** The event of a source whose events are JSON texts, told apart by their position. */
import { TextEvent } from './text-event.ts'

export class JsonEvent extends TextEvent {
  readonly position: number
  readonly #source: JsonEventSource

  constructor(text: string, position: number, source: JsonEventSource) {
    super(text)
    this.position = position
    this.#source = source
  }

  get place(): string {
    return this.#source.placeOf(this.position)
  }

  get token(): string {
    return this.#source.tokenOf(this.position)
  }
}

/** What a `JsonEvent` asks of where it was read. */
export interface JsonEventSource {
  placeOf(position: number): string
  tokenOf(position: number): string
}
