/**
 * The link over RabbitMQ: the consumer's queue, its fences and its deliveries.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Binding,
  type Broker,
  type BrokerChannel,
  BrokerError,
  checkPartition,
  consumerQueueOf,
  cursorMessage,
  type Delivery,
  declareAsRecorded,
  fenceIdOf,
  fenceMessage,
  historyQueueOf,
  sendConfirmed,
} from '../broker/index.ts'
import { attributesOf, MessageEvent } from '../events/index.ts'
import { type HistoryReader, isTransient, readBindings } from '../history/index.ts'
import type { Link, LiveDelivery, LiveSession } from './link.ts'

export interface QueueLinkOptions {
  /** Sends the fences. RabbitMQ may stop reading from a connection that publishes: not that of the queue. */
  readonly fenceBroker: Broker
  readonly exchange: string
  /** Says how the exchange is bound. */
  readonly history: HistoryReader
  readonly consumer: string
  readonly prefetch: number
  /** Messages in the queue, at most; undefined for no limit. */
  readonly lengthMax?: number
  /** Ends every wait for the broker. */
  readonly signal: AbortSignal
}

export function queueLink(
  broker: Broker,
  { fenceBroker, exchange, history, consumer, prefetch, lengthMax, signal }: QueueLinkOptions,
): Link {
  const queue = consumerQueueOf(exchange, consumer)
  let session: QueueSession | undefined
  let bindings: readonly Binding[] | undefined
  return {
    async bind() {
      try {
        bindings = (await readBindings(history)) ?? bindings
      } catch (error) {
        // While the history is away, the queue is bound as it was.
        if (!isTransient(error)) throw error
      }
      await checkPartition(broker, { exchange, signal })
      try {
        await declareAsRecorded(broker, { exchange, queues: [{ name: queue, lengthMax }], bindings, signal })
        return true
      } catch (error) {
        if (error instanceof BrokerError && error.code === 'BROKER_BINDINGS_UNKNOWN') return false
        throw error
      }
    },
    async fence(target, id) {
      if (target === 'history')
        return await sendConfirmed(fenceBroker, fenceMessage(historyQueueOf(exchange), id), signal)
      try {
        await sendConfirmed(fenceBroker, fenceMessage(queue, id), signal)
      } catch (error) {
        // In a cluster, a queue that is deleted while one of its nodes comes back may go without a word to
        // its consumer: that no queue takes a fence is then all that tells of it.
        if (error instanceof BrokerError && error.code === 'BROKER_QUEUE_LOST') await session?.close()
        throw error
      }
    },
    async tellCursor(cursor) {
      const message = cursorMessage(historyQueueOf(exchange), { consumer, cursor })
      // A consumer that was told to stop tells it too, and must not wait for a broker that takes no publishes.
      const sending = sendConfirmed(fenceBroker, message, AbortSignal.timeout(tellMsMax))
      await Promise.race([sending, sleep(tellMsMax, undefined, { ref: false }).then(refuseToWait)])
    },
    async consume() {
      session = new QueueSession(await broker.openChannel({ signal }), signal)
      await session.start(queue, prefetch)
      return session
    },
  }
}

const tellMsMax = 1_000

function refuseToWait(): never {
  throw new BrokerError('BROKER_CHANNEL_LOST', 'The broker did not take a cursor notice in time')
}

class QueueSession implements LiveSession {
  readonly #channel: BrokerChannel
  #deliveries: Delivery[] = []
  #cause: Error | undefined
  #wake: (() => void) | undefined

  constructor(channel: BrokerChannel, signal: AbortSignal) {
    this.#channel = channel
    const wake = () => this.#wake?.()
    signal.addEventListener('abort', wake)
    void channel.closed.then(() => signal.removeEventListener('abort', wake))
    void channel.closed.then((cause) => {
      this.#cause = cause
      this.#wake?.()
    })
  }

  get isOpen(): boolean {
    return this.#channel.isOpen
  }

  get cause(): Error | undefined {
    return this.#cause
  }

  async start(queue: string, prefetch: number): Promise<void> {
    await this.#channel.consume(queue, {
      prefetch,
      onDelivery: (delivery) => {
        this.#deliveries.push(delivery)
        this.#wake?.()
      },
    })
  }

  async ready(waitMsMax: number): Promise<void> {
    if (this.#deliveries.length > 0 || !this.isOpen) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.#wake?.(), waitMsMax)
      this.#wake = () => {
        clearTimeout(timer)
        this.#wake = undefined
        resolve()
      }
    })
  }

  take(max: number): LiveDelivery[] {
    return this.#deliveries.splice(0, max).map(toLiveDelivery)
  }

  ackUpTo(deliveryTag: number): void {
    this.#channel.ackUpTo(deliveryTag)
  }

  async close(): Promise<void> {
    await this.#channel.close()
  }
}

function toLiveDelivery(delivery: Delivery): LiveDelivery {
  const { deliveryTag } = delivery
  const fence = fenceIdOf(delivery)
  if (fence !== undefined) return { deliveryTag, fence, event: undefined }
  const { id, ...attributes } = attributesOf(delivery)
  const event = id === undefined ? undefined : new MessageEvent({ id, ...attributes }, delivery)
  return { deliveryTag, fence: undefined, event }
}
