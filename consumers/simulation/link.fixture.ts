/**
 * The link of one process to the simulated broker: requests that fail with the connection, and sessions.
 */
import { BrokerError } from '../../broker/index.ts'
import type { Link, LiveDelivery, LiveSession } from '../link.ts'
import type { SimExchange } from './exchange.fixture.ts'
import { cloudEventOf } from './history.fixture.ts'
import type { Life } from './life.fixture.ts'
import type { Entry, SimEvent, SimQueue, Subscriber } from './queue.fixture.ts'

export interface LinkOptions {
  readonly consumer: string
  readonly exchange: SimExchange
  readonly life: Life
  readonly prefetch: number
  /** Takes the delay that the next fence to the history queue has on its way, in milliseconds. */
  readonly takeFenceDelay: () => number
  readonly onSession: (facts: SessionFacts) => void
  /** Events that are about to be acknowledged. */
  readonly onAcknowledge: (events: readonly SimEvent[]) => void
}

/** What a live session rests on. */
export interface SessionFacts {
  readonly startedAt: number
  readonly boundAt: number
  readonly fence: string | undefined
}

/** How long the broker takes to notice that a consumer is gone without a word. */
const noticeMsMax = 40
const deliveryMsMax = 2

export class SimLink implements Link {
  readonly #options: LinkOptions
  readonly #onLost = new Set<() => void>()
  #downUntil = 0
  #losses = 0
  #boundAt = 0
  #fence: string | undefined

  constructor(options: LinkOptions) {
    this.#options = options
  }

  /** The connection breaks, and comes back later. */
  cut({ downMs }: { downMs: number }): void {
    this.#downUntil = this.#options.life.timeline.now() + downMs
    this.#losses += 1
    for (const lose of [...this.#onLost]) lose()
    this.#onLost.clear()
  }

  async bind(): Promise<boolean> {
    const { exchange, consumer, life } = this.#options
    await this.#request(() => {
      exchange.bind(consumer)
    })
    this.#boundAt = life.timeline.now()
    return true
  }

  async fence(target: 'history' | 'own', id: string): Promise<void> {
    const { exchange, consumer, life, takeFenceDelay } = this.#options
    if (target === 'history') this.#fence = id
    await this.#request(() => {})
    const queue = target === 'history' ? exchange.history : exchange.queueOf(consumer)
    if (queue === undefined) throw lost('BROKER_QUEUE_LOST')
    await life.suspend(({ resolve, reject }) => {
      const lose = () => reject(lost('BROKER_CHANNEL_LOST'))
      this.#onLost.add(lose)
      exchange.sendFence(exchange.openChannel(consumer), {
        queue,
        id,
        delayMs: target === 'history' ? takeFenceDelay() : 0,
        onArrived: () => {
          this.#onLost.delete(lose)
          if (queue.isDeleted) reject(lost('BROKER_QUEUE_LOST'))
          else resolve()
        },
      })
    })
    await life.point()
  }

  /** Nothing here removes what a consumer needs. */
  async tellCursor(): Promise<void> {}

  async consume(): Promise<LiveSession> {
    const { exchange, consumer, life, onSession } = this.#options
    const queue = await this.#request(() => exchange.queueOf(consumer))
    if (queue === undefined || queue.isDeleted) throw lost('BROKER_QUEUE_LOST')
    const session = new SimSession(queue, this.#options)
    onSession({ startedAt: life.timeline.now(), boundAt: this.#boundAt, fence: this.#fence })
    const lose = () => session.lose()
    this.#onLost.add(lose)
    queue.subscribe(session)
    return session
  }

  async #request<Result>(act: () => Result): Promise<Result> {
    const { life } = this.#options
    while (life.timeline.now() < this.#downUntil) {
      if (life.signal.aborted) throw lost('BROKER_CLOSED')
      await life.clock.sleep(this.#downUntil - life.timeline.now())
    }
    const losses = this.#losses
    const result = await life.call(act)
    if (losses !== this.#losses) throw lost('BROKER_CHANNEL_LOST')
    return result
  }
}

function lost(code: 'BROKER_CHANNEL_LOST' | 'BROKER_CLOSED' | 'BROKER_QUEUE_LOST'): BrokerError {
  return new BrokerError(code, 'Lost in the simulation')
}

class SimSession implements LiveSession, Subscriber {
  isOpen = true
  cause: Error | undefined
  readonly prefetch: number
  readonly #queue: SimQueue
  readonly #options: LinkOptions
  #buffer: LiveDelivery[] = []
  /** Not acknowledged by the consumer. */
  #open: { readonly deliveryTag: number; readonly entry: Entry }[] = []
  #wake: (() => void) | undefined
  #arrivesAt = 0

  constructor(queue: SimQueue, options: LinkOptions) {
    this.#queue = queue
    this.#options = options
    this.prefetch = options.prefetch
  }

  deliver(deliveryTag: number, entry: Entry): void {
    const { life } = this.#options
    const { timeline, random } = life
    if (!this.isOpen || life.isDead) return
    this.#arrivesAt = Math.max(this.#arrivesAt, timeline.now() + random.upTo(deliveryMsMax))
    timeline.after(this.#arrivesAt - timeline.now(), () => {
      if (!this.isOpen) return
      this.#open.push({ deliveryTag, entry })
      this.#buffer.push(toLiveDelivery(deliveryTag, entry))
      this.#wake?.()
    })
  }

  cancel(): void {
    this.#end(lost('BROKER_QUEUE_LOST'))
  }

  /** Its connection, or its process, is gone; the broker gives back what it held when it notices. */
  lose(): void {
    const { timeline, random } = this.#options.life
    this.#end(lost('BROKER_CHANNEL_LOST'))
    timeline.after(random.upTo(noticeMsMax), () => this.#queue.release(this))
  }

  async ready(waitMsMax: number): Promise<void> {
    const { life } = this.#options
    await life.point({ takesTime: false })
    if (this.#buffer.length > 0 || !this.isOpen) return
    await life.suspend(({ resolve }) => {
      this.#wake = () => {
        this.#wake = undefined
        resolve()
      }
      const wake = this.#wake
      life.timeline.after(waitMsMax, () => {
        if (this.#wake === wake) wake()
      })
    })
  }

  take(max: number): LiveDelivery[] {
    return this.#buffer.splice(0, max)
  }

  ackUpTo(deliveryTag: number): void {
    const { life, onAcknowledge } = this.#options
    if (!this.isOpen || life.isDead) return
    const count = this.#open.filter((one) => one.deliveryTag <= deliveryTag).length
    const events = this.#open.splice(0, count).map(({ entry }) => entry.packet.event)
    onAcknowledge(events.filter((event) => event !== undefined))
    // A lost connection takes with it what had not arrived yet.
    life.timeline.after(life.random.upTo(deliveryMsMax), () => {
      if (this.isOpen || life.isDead) this.#queue.acknowledge(this, deliveryTag)
    })
  }

  async close(): Promise<void> {
    const wasOpen = this.isOpen
    this.isOpen = false
    await this.#options.life.call(() => {
      if (wasOpen) this.#queue.release(this)
    })
  }

  #end(cause: Error): void {
    if (!this.isOpen) return
    this.isOpen = false
    this.cause = cause
    this.#wake?.()
  }
}

function toLiveDelivery(deliveryTag: number, { packet: { event, fence } }: Entry): LiveDelivery {
  if (event?.id === undefined) return { deliveryTag, fence, event: undefined }
  return { deliveryTag, fence: undefined, event: cloudEventOf(event, event.id) }
}
