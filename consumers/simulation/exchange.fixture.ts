/**
 * A fanout exchange on a cluster: a channel keeps its order in each queue, and two channels interleave
 * differently in two queues, since each packet takes its own time from each channel to each queue.
 *
 * A binding is known to the node of each channel some time after bind-ok. What a node routes before that
 * goes to the history queue alone.
 */

import { type Packet, type SimEvent, SimQueue } from './queue.fixture.ts'
import type { Random } from './random.fixture.ts'
import type { Timeline } from './timeline.fixture.ts'

export interface ExchangeOptions {
  readonly timeline: Timeline
  readonly random: Random
  /** Longest time of a binding from bind-ok to the last node, in milliseconds. */
  readonly bindMsMax: number
  /** Longest way of a packet from a channel to a queue, in milliseconds. */
  readonly routeMsMax: number
}

interface Binding {
  readonly queue: SimQueue
  readonly boundAt: number
  /** Milliseconds from bind-ok, by node. */
  readonly delays: Map<string, number>
}

/** What a consumer's queue did not get, or not keep. */
export interface Missed {
  /** Routed when the binding was not known to its node. */
  readonly unrouted: Set<SimEvent>
  /** Lost from the queue, and when. */
  readonly lostAt: Map<SimEvent, number>
}

export class SimExchange {
  readonly history: SimQueue
  readonly #options: ExchangeOptions
  readonly #bindings = new Map<string, Binding>()
  readonly #missed = new Map<string, Missed>()
  /** In which order and when things reached the history queue first. */
  readonly #arrivals = new Map<SimEvent | string, { readonly order: number; readonly at: number }>()

  constructor(options: ExchangeOptions) {
    this.#options = options
    this.history = new SimQueue({ now: () => options.timeline.now(), onLost() {} })
  }

  openChannel(name: string): Channel {
    return new Channel(name, this.#options)
  }

  /** Undefined where it was not declared, or is deleted. */
  queueOf(consumer: string): SimQueue | undefined {
    return this.#bindings.get(consumer)?.queue
  }

  missedBy(consumer: string): Missed {
    const missed = this.#missed.get(consumer) ?? { unrouted: new Set(), lostAt: new Map() }
    this.#missed.set(consumer, missed)
    return missed
  }

  /** When an event, or the fence of that id, first reached the history queue. */
  arrivalOf(packet: SimEvent | string): { readonly order: number; readonly at: number } | undefined {
    return this.#arrivals.get(packet)
  }

  bind(consumer: string): void {
    if (this.#bindings.has(consumer)) return
    const { timeline } = this.#options
    const { lostAt } = this.missedBy(consumer)
    const queue = new SimQueue({
      now: () => timeline.now(),
      onLost: (event) => {
        if (!lostAt.has(event)) lostAt.set(event, timeline.now())
      },
    })
    this.#bindings.set(consumer, { queue, boundAt: timeline.now(), delays: new Map() })
  }

  deleteQueue(consumer: string): void {
    const queue = this.queueOf(consumer)
    this.#bindings.delete(consumer)
    queue?.delete()
  }

  /** @param onArrived - Called when every queue that it goes to has it. */
  publish(channel: Channel, event: SimEvent, { consumers, onArrived }: PublishOptions): void {
    const queues = [this.history]
    for (const consumer of consumers) {
      const binding = this.#bindings.get(consumer)
      if (binding !== undefined && this.#isKnownTo(channel.name, binding)) queues.push(binding.queue)
      else this.missedBy(consumer).unrouted.add(event)
    }
    let under = queues.length
    for (const queue of queues) {
      channel.send(queue, () => {
        if (queue === this.history) this.#noteArrival(event)
        queue.arrive({ event })
        under -= 1
        if (under === 0) onArrived()
      })
    }
  }

  /** Sends a fence through the default exchange. */
  sendFence(
    channel: Channel,
    {
      queue,
      id,
      delayMs,
      onArrived,
    }: { queue: SimQueue; id: string; delayMs: number; onArrived: () => void },
  ): void {
    const packet: Packet = { fence: id }
    channel.send(
      queue,
      () => {
        if (queue === this.history) this.#noteArrival(id)
        queue.arrive(packet)
        onArrived()
      },
      delayMs,
    )
  }

  #isKnownTo(node: string, { boundAt, delays }: Binding): boolean {
    const { timeline, random, bindMsMax } = this.#options
    if (!delays.has(node)) delays.set(node, random.upTo(bindMsMax))
    return timeline.now() >= boundAt + delays.get(node)!
  }

  #noteArrival(packet: SimEvent | string): void {
    if (this.#arrivals.has(packet)) return
    this.#arrivals.set(packet, { order: this.#arrivals.size, at: this.#options.timeline.now() })
  }
}

interface PublishOptions {
  readonly consumers: readonly string[]
  readonly onArrived: () => void
}

/** The ways from one channel to the queues, each of which keeps its order. */
export class Channel {
  readonly name: string
  readonly #options: ExchangeOptions
  readonly #ways = new Map<SimQueue, { lastAt: number; under: { isCut: boolean }[] }>()

  constructor(name: string, options: ExchangeOptions) {
    this.name = name
    this.#options = options
  }

  send(queue: SimQueue, onArrived: () => void, delayMs = 0): void {
    const { timeline, random, routeMsMax } = this.#options
    const way = this.#ways.get(queue) ?? { lastAt: 0, under: [] }
    this.#ways.set(queue, way)
    way.lastAt = Math.max(way.lastAt, timeline.now() + random.upTo(routeMsMax) + delayMs)
    const { under } = way
    const packet = { isCut: false }
    under.push(packet)
    timeline.after(way.lastAt - timeline.now(), () => {
      under.splice(under.indexOf(packet), 1)
      if (!packet.isCut) onArrived()
    })
  }

  /** The connection is gone: of what is under way to each queue, a first part still arrives. */
  cut(): void {
    for (const { under } of this.#ways.values()) {
      for (const packet of under.slice(this.#options.random.upTo(under.length))) packet.isCut = true
    }
  }
}
