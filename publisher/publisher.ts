/**
 * The publisher: a publish that resolved is in the broker's hands, in every queue of the exchange.
 *
 * The history queue exists and is bound before the first publish leaves. Publishes are mandatory,
 * persistent and confirmed, and leave in the order of the calls. What was not confirmed when a channel
 * ended may have arrived or not: it is published again on the next one, in the same order and with the
 * same id, which the recorder and the consumers recognise.
 *
 * Each event that leaves gets the next number of this publisher's sequence (events/sequence.ts), so that
 * one that went missing can be named.
 */
import { type Broker, type BrokerOptions, requireExchangeName, requirePartitions } from '../broker/index.ts'
import {
  type Catalog,
  type DataOf,
  type EventInput,
  isTracing,
  type Logger,
  type Message,
  silentLogger,
  toMessage,
  tracePublish,
} from '../events/index.ts'
import { bodyBytesCeiling, bodyBytesUsual, requireInteger, requireName, requireSize } from './bounds.ts'
import { Dispatcher } from './dispatcher.ts'
import { PublishError } from './errors.ts'
import { Numbering } from './numbering.ts'

export interface PublisherOptions<Events extends Catalog = Catalog> {
  /** URL or URLs of the broker, or a connection to share, which `close()` then leaves open. */
  readonly broker: BrokerOptions['url'] | Broker
  /** A durable fanout exchange; declared with its history queue. */
  readonly exchange: string
  /**
   * How many partitions the exchange is parted into, as its recorders have it: they are declared, and an event
   * without a `routingKey` has its subject for one, which keeps the order of the subject. Default: none.
   */
  readonly partitions?: number
  /** The `source` of the events, such as `/edison/sales`: with their `id` their identity. */
  readonly source: string
  /** The event types of the exchange; types `publish`. */
  readonly events?: Events
  /** Publishes not confirmed at a time; more wait for their turn. Default 1,000. */
  readonly inFlightMax?: number
  /** From the call of `publish` to its confirm, reconnecting included, in milliseconds. Default 30,000. */
  readonly confirmTimeoutMs?: number
  /** Default 16 MiB, RabbitMQ 4's own limit. */
  readonly bodyBytesMax?: number
  readonly logger?: Logger
}

/** An event of a catalog, as `publish` takes it. */
export type EventOf<Events extends Catalog> = {
  [Type in keyof Events & string]: EventInput<Type, DataOf<Events[Type]>> & Requiring<DataOf<Events[Type]>>
}[keyof Events & string]

/** Data that may not be undefined has to be given. */
type Requiring<Data> = undefined extends Data ? unknown : { readonly data: Data }

export interface Publisher<Events extends Catalog = Catalog> {
  /**
   * Publishes an event. Events leave in the order of the calls, however many are awaited.
   *
   * @returns The event's id, once the broker has confirmed it.
   * @throws PublishError `PUBLISH_TIMEOUT` not confirmed in time: it may have arrived, and publishing it
   *   again with the same id is safe; `PUBLISH_UNROUTABLE` no queue took it; `PUBLISH_TOO_LARGE`;
   *   `PUBLISH_NACKED` the broker could not keep it in every queue; `PUBLISH_REFUSED` the broker ended
   *   the channel over it; `PUBLISH_CLOSED` the publisher was closed. BrokerError where the broker
   *   refuses the login or the topology. TypeError for an event that AMQP cannot carry.
   */
  publish(event: EventOf<Events>): Promise<{ readonly id: string }>
  /** Resolves when a publish would leave at once: await it between publishes that are not awaited. */
  room(): Promise<void>
  /** Publishes not confirmed, the waiting ones included. */
  readonly pending: number
  /** Waits for what is pending to settle, then closes. Further publishes are refused. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Opens a publisher; it connects, and reconnects, by itself.
 *
 * @throws TypeError for an option out of its range.
 */
export function openPublisher<Events extends Catalog = Catalog>(
  options: PublisherOptions<Events>,
): Publisher<Events> {
  return new ConfirmedPublisher(resolveOptions(options)) as Publisher<Events>
}

function resolveOptions({
  broker,
  exchange,
  source,
  partitions,
  inFlightMax = 1_000,
  confirmTimeoutMs = 30_000,
  bodyBytesMax = bodyBytesUsual,
  logger = silentLogger,
}: PublisherOptions) {
  requireExchangeName(exchange)
  requireName({ source }, 'a non-empty text')
  if (partitions !== undefined) requirePartitions(partitions)
  requireInteger({ inFlightMax }, 1, 65_535)
  requireInteger({ confirmTimeoutMs }, 1, 2 ** 31 - 1)
  requireInteger({ bodyBytesMax }, 1, bodyBytesCeiling)
  return { broker, exchange, source, partitions, inFlightMax, confirmTimeoutMs, bodyBytesMax, logger }
}

type Resolved = ReturnType<typeof resolveOptions>

class ConfirmedPublisher implements Publisher {
  readonly #options: Resolved
  readonly #dispatcher: Dispatcher
  #closing: Promise<void> | undefined

  constructor(options: Resolved) {
    const { exchange } = options
    this.#options = options
    this.#dispatcher = new Dispatcher({
      ...options,
      name: `backstory publisher of ${exchange}`,
      numbering: new Numbering(options),
    })
  }

  get pending(): number {
    return this.#dispatcher.pending
  }

  /** Not an async function: at tens of thousands a second, its two promises more a publish show. */
  publish(event: EventInput): Promise<{ readonly id: string }> {
    try {
      const message = this.#accept(event)
      if (isTracing()) return tracePublish(message, () => this.#dispatcher.send(message))
      return this.#dispatcher.send(message)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async room(): Promise<void> {
    if (this.#closing === undefined) await this.#dispatcher.room()
  }

  close(): Promise<void> {
    this.#closing ??= this.#dispatcher.close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** The message to send for an event. */
  #accept(event: EventInput): Message {
    if (this.#closing !== undefined)
      throw new PublishError('PUBLISH_CLOSED', 'The publisher was closed; open another')
    const message = toMessage(event, this.#options)
    requireSize(message, this.#options)
    return message
  }
}
