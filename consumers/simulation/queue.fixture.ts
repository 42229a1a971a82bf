/**
 * A quorum queue with a single active consumer, as facts about RabbitMQ have it: what is not acknowledged
 * goes back to the front, in order, and only then does the next consumer get anything.
 */

/** What the simulated publishers send; without `id`, a message without identity. */
export interface SimEvent {
  readonly source: string
  /** The source's own count, from 1: the order in which it published. */
  readonly number: number
  readonly id: string | undefined
}

export type Packet =
  | { readonly event: SimEvent; readonly fence?: undefined }
  | { readonly event?: undefined; readonly fence: string }

/** A packet at its place in a queue. */
export interface Entry {
  readonly packet: Packet
  readonly arrivedAt: number
}

export interface Subscriber {
  readonly prefetch: number
  deliver(deliveryTag: number, entry: Entry): void
  /** The broker has ended the consumer: its queue is gone. */
  cancel(): void
}

interface Subscription {
  readonly subscriber: Subscriber
  readonly unacked: { readonly deliveryTag: number; readonly entry: Entry }[]
  lastTag: number
}

export class SimQueue {
  /** Events that arrive from now on and are lost: expired, or dropped by a dying node. */
  dropNext = 0
  isDeleted = false
  readonly #now: () => number
  readonly #onLost: (event: SimEvent) => void
  #ready: Entry[] = []
  #subscriptions: Subscription[] = []

  constructor({ now, onLost }: { now: () => number; onLost: (event: SimEvent) => void }) {
    this.#now = now
    this.#onLost = onLost
  }

  get isEmpty(): boolean {
    return this.#ready.length === 0 && this.#subscriptions.every(({ unacked }) => unacked.length === 0)
  }

  arrive(packet: Packet): void {
    if (this.isDeleted) this.#lose(packet)
    else if (packet.event !== undefined && this.dropNext > 0) {
      this.dropNext -= 1
      this.#lose(packet)
    } else {
      this.#ready.push({ packet, arrivedAt: this.#now() })
      this.#pump()
    }
  }

  subscribe(subscriber: Subscriber): void {
    this.#subscriptions.push({ subscriber, unacked: [], lastTag: 0 })
    this.#pump()
  }

  acknowledge(subscriber: Subscriber, upToTag: number): void {
    const subscription = this.#subscriptions.find((one) => one.subscriber === subscriber)
    if (subscription === undefined) return
    const { unacked } = subscription
    while (unacked.length > 0 && unacked[0]!.deliveryTag <= upToTag) unacked.shift()
    this.#pump()
  }

  /** The broker has noticed that this consumer is gone. */
  release(subscriber: Subscriber): void {
    const at = this.#subscriptions.findIndex((one) => one.subscriber === subscriber)
    if (at === -1) return
    const [{ unacked }] = this.#subscriptions.splice(at, 1) as [Subscription]
    this.#ready.unshift(...unacked.map(({ entry }) => entry))
    this.#pump()
  }

  purge(): void {
    for (const { packet } of this.#ready.splice(0)) this.#lose(packet)
  }

  delete(): void {
    this.isDeleted = true
    const subscriptions = this.#subscriptions.splice(0)
    for (const { unacked } of subscriptions) for (const { entry } of unacked) this.#lose(entry.packet)
    this.purge()
    for (const { subscriber } of subscriptions) subscriber.cancel()
  }

  /** The entries of an event, delivered and not acknowledged ones included. */
  entriesOf(event: SimEvent): Entry[] {
    const delivered = this.#subscriptions.flatMap(({ unacked }) => unacked.map(({ entry }) => entry))
    return [...delivered, ...this.#ready].filter(({ packet }) => packet.event === event)
  }

  #pump(): void {
    const active = this.#subscriptions[0]
    if (active === undefined) return
    while (this.#ready.length > 0 && active.unacked.length < active.subscriber.prefetch) {
      const entry = this.#ready.shift()!
      active.lastTag += 1
      active.unacked.push({ deliveryTag: active.lastTag, entry })
      active.subscriber.deliver(active.lastTag, entry)
    }
  }

  #lose({ event }: Packet): void {
    if (event !== undefined) this.#onLost(event)
  }
}
