/**
 * A publisher as ours is: it counts a publish as done when it is confirmed, and after a lost connection
 * publishes again, in order and with the same ids, what was not.
 */
import type { Channel, SimExchange } from './exchange.fixture.ts'
import type { SimEvent } from './queue.fixture.ts'
import type { Timeline } from './timeline.fixture.ts'

export interface PublisherOptions {
  readonly name: string
  readonly exchange: SimExchange
  readonly timeline: Timeline
  /** The consumers of the exchange, those that are yet to join included. */
  readonly consumers: readonly string[]
  /** Sources that share its channel. */
  readonly sources: readonly { readonly name: string; readonly isAnonymous: boolean }[]
}

export class SimPublisher {
  readonly #options: PublisherOptions
  readonly #counts = new Map<string, number>()
  #channel: Channel | undefined
  #unconfirmed: SimEvent[] = []
  #toPublish = 0

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#channel = options.exchange.openChannel(options.name)
  }

  /** Everything that it was told to publish is confirmed. */
  get isDone(): boolean {
    return this.#toPublish === 0 && this.#unconfirmed.length === 0
  }

  publish({ count, everyMs }: { count: number; everyMs: number }): void {
    this.#toPublish += count
    for (let index = 0; index < count; index++) {
      this.#options.timeline.after(index * everyMs, () => this.#publishOne())
    }
  }

  reconnect({ downMs }: { downMs: number }): void {
    if (this.#channel === undefined) return
    this.#channel.cut()
    this.#channel = undefined
    const { exchange, name, timeline } = this.#options
    timeline.after(downMs, () => {
      this.#channel = exchange.openChannel(name)
      for (const event of this.#unconfirmed) this.#transmit(event)
    })
  }

  #publishOne(): void {
    this.#toPublish -= 1
    const { sources } = this.#options
    let published = 0
    for (const count of this.#counts.values()) published += count
    const { name, isAnonymous } = sources[published % sources.length]!
    const number = (this.#counts.get(name) ?? 0) + 1
    this.#counts.set(name, number)
    // Each source counts its ids from 1, so the same id comes from several sources.
    const event = { source: name, number, id: isAnonymous ? undefined : String(number) }
    this.#unconfirmed.push(event)
    this.#transmit(event)
  }

  #transmit(event: SimEvent): void {
    const channel = this.#channel
    if (channel === undefined) return
    const { exchange, consumers } = this.#options
    const onArrived = () => {
      // The confirm of a channel that is gone finds nobody.
      if (this.#channel === channel) this.#unconfirmed = this.#unconfirmed.filter((one) => one !== event)
    }
    exchange.publish(channel, event, { consumers, onArrived })
  }
}
