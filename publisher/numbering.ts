/**
 * The numbering of a publisher's events: dense from 1 within its epoch and each source, in the order in
 * which they leave.
 *
 * A number is taken when its event has left, so that what never leaves leaves no hole. An event that left
 * and failed keeps its number for when it is published again, with the same id: the broker may have it, and
 * the recorder drops the second one.
 */
import {
  type Headers,
  type HeaderValue,
  type Message,
  newEpoch,
  sequenceHeader,
  sequenceText,
} from '../events/index.ts'

/** What is beyond these bounds has no number (sources), or another one when it is published again (events). */
const sourcesMax = 10_000
const failedMax = 10_000

export class Numbering {
  readonly epoch = newEpoch()
  readonly #source: string
  /** The last number of the publisher's own source, which nearly all events have. */
  #last = 0
  /** The last numbers of the other sources. */
  readonly #others = new Map<string, number>()
  /** The sequences of events that left and failed, the oldest first. */
  readonly #failed = new Map<string, HeaderValue>()

  constructor({ source }: { source: string }) {
    this.#source = source
  }

  /**
   * Writes a sequence into the message, the last of its headers, unless the event has one of its own.
   *
   * @returns True where it is the next number: `take` it once the message has left, `clear` it where that
   *   cannot leave.
   */
  stamp(message: Message): boolean {
    const headers = message.properties.headers as Record<string, HeaderValue>
    if (headers[sequenceHeader] !== undefined) return false
    const known = this.#failed.size === 0 ? undefined : this.#failed.get(keyOf(message))
    const last = this.#lastOf(message)
    if (known === undefined && last === undefined) return false
    headers[sequenceHeader] = known ?? sequenceText(this.epoch, last! + 1)
    return known === undefined
  }

  take({ properties: { appId } }: Message): void {
    if (appId === this.#source) this.#last += 1
    else this.#others.set(appId!, (this.#others.get(appId!) ?? 0) + 1)
  }

  clear({ properties }: Message): void {
    delete (properties.headers as Record<string, HeaderValue>)[sequenceHeader]
  }

  /** The message left, and was not confirmed. */
  keep(message: Message): void {
    const stamped = (message.properties.headers as Headers)[sequenceHeader]
    if (stamped === undefined) return
    this.#failed.set(keyOf(message), stamped)
    if (this.#failed.size <= failedMax) return
    const [oldest] = this.#failed.keys()
    this.#failed.delete(oldest!)
  }

  /** The message was confirmed. */
  forget(message: Message): void {
    if (this.#failed.size > 0) this.#failed.delete(keyOf(message))
  }

  /** Undefined where the source gets no numbers. */
  #lastOf({ properties: { appId } }: Message): number | undefined {
    if (appId === this.#source) return this.#last
    const last = this.#others.get(appId!)
    return last === undefined && this.#others.size < sourcesMax ? 0 : last
  }
}

function keyOf({ properties: { appId, messageId } }: Message): string {
  return `${appId}\0${messageId}`
}
