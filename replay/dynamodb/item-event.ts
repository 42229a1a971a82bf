/** The event in an item: the item itself, or what one of its attributes holds. */
import { ReplayError } from '../errors.ts'
import { JsonEvent, type JsonEventSource } from '../json-event.ts'
import type { ReplayEvent } from '../replay-event.ts'
import { type Item, jsonOfItem } from './attribute-value.ts'

/** @param attribute - That holds the event: JSON as text or bytes, or a map. Undefined: the item is the event. */
export function eventOfItem(
  item: Item,
  position: number,
  { attribute, origin }: { readonly attribute: string | undefined; readonly origin: JsonEventSource },
): ReplayEvent {
  if (attribute === undefined) return new JsonEvent(JSON.stringify(jsonOfItem(item)), position, origin)
  const { S, B, M } = item[attribute] ?? {}
  if (S !== undefined) return new JsonEvent(S, position, origin)
  if (B !== undefined) return new JsonEvent(Buffer.from(B).toString(), position, origin)
  if (M !== undefined) return new JsonEvent(JSON.stringify(jsonOfItem(M)), position, origin)
  return new UnreadableItem(item, position, { attribute, origin })
}

/** An item that has no event. */
class UnreadableItem implements ReplayEvent {
  readonly position: number
  readonly #item: Item
  readonly #attribute: string
  readonly #origin: JsonEventSource

  constructor(
    item: Item,
    position: number,
    { attribute, origin }: { attribute: string; origin: JsonEventSource },
  ) {
    this.position = position
    this.#item = item
    this.#attribute = attribute
    this.#origin = origin
  }

  get place(): string {
    return this.#origin.placeOf(this.position)
  }

  get token(): string {
    return this.#origin.tokenOf(this.position)
  }

  get text(): string {
    return JSON.stringify(jsonOfItem(this.#item))
  }

  get json(): never {
    throw this.#unreadable()
  }

  get attributes(): never {
    throw this.#unreadable()
  }

  #unreadable(): ReplayError {
    return new ReplayError(
      'REPLAY_EVENT_UNREADABLE',
      `${this.place} has no event: its attribute ${this.#attribute} is no text, bytes or map`,
    )
  }
}
