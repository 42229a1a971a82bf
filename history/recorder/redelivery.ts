/**
 * Which redelivered messages without identity the history holds already.
 *
 * A recorder that died between its commit and its acknowledgement gets the same messages again. Those
 * with an id are recognised by it. The others are recognised by their place: the broker hands out again,
 * in order and first, exactly what was not acknowledged, so what is both is the end of the history and
 * the beginning of the redelivery. Comparing content alone would take two identical messages for one.
 */
import { createHash } from 'node:crypto'
import { attributesOf, encodeProperties, type Headers, type Message } from '../../events/index.ts'

/** The content of a message, as a text to compare. */
export function contentKey({ exchange, routingKey, properties, body }: Message): string {
  const hash = createHash('sha256')
  // The broker gives a redelivered message headers; once its own are taken out, none and an empty table
  // are the same.
  const headers = isEmpty(properties.headers) ? undefined : properties.headers
  hash.update(JSON.stringify([exchange, routingKey, encodeProperties({ ...properties, headers })]))
  return hash.update(body).digest('base64')
}

/** What redelivered messages are compared with, one after the other. */
export interface Comparison {
  /** `same`: all of it came again. `other`: it had been acknowledged. `open`: not known yet. */
  readonly verdict: 'open' | 'same' | 'other'
  /** Messages without identity that the history holds, where they are the same. */
  readonly known: number
  /** Whether this message is to be compared. */
  concerns(message: Message): boolean
  /** The next redelivered message that is to be compared. */
  next(message: Message): void
  /** No more redelivered messages come. */
  end(): void
}

/**
 * Compares what may not have been acknowledged with what comes redelivered, message by message. One frame
 * acknowledges a batch, so either all of it comes again, in order and first, or nothing of it does.
 */
export class Redelivery implements Comparison {
  /** How many messages without identity are compared. */
  readonly known: number
  readonly #recorded: readonly string[]
  #matched = 0
  #verdict: 'open' | 'same' | 'other'

  /** @param recorded - What may not have been acknowledged, in position order. */
  constructor(recorded: readonly Message[]) {
    this.known = recorded.length
    this.#recorded = recorded.map(contentKey)
    this.#verdict = recorded.length === 0 ? 'other' : 'open'
  }

  get verdict(): 'open' | 'same' | 'other' {
    return this.#verdict
  }

  concerns(message: Message): boolean {
    return attributesOf(message).id === undefined
  }

  next(message: Message): void {
    if (this.#verdict !== 'open') return
    if (this.#recorded[this.#matched] !== contentKey(message)) this.#verdict = 'other'
    else {
      this.#matched += 1
      if (this.#matched === this.#recorded.length) this.#verdict = 'same'
    }
  }

  end(): void {
    if (this.#verdict === 'open') this.#verdict = 'other'
  }
}

function isEmpty(headers: Headers | undefined): boolean {
  for (const _ in headers) return false
  return true
}
