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
import { setTimeout as sleep } from 'node:timers/promises'
import {
  Broker,
  type BrokerChannel,
  BrokerError,
  type BrokerOptions,
  connectBroker,
  declareTopology,
} from '../broker/index.ts'
import {
  type Catalog,
  type DataOf,
  type EventInput,
  type Logger,
  type Message,
  silentLogger,
  toMessage,
} from '../events/index.ts'
import { PublishError } from './errors.ts'
import { Numbering } from './numbering.ts'
import { Outflow } from './outflow.ts'

export interface PublisherOptions<Events extends Catalog = Catalog> {
  /** URL or URLs of the broker, or a connection to share, which `close()` then leaves open. */
  readonly broker: BrokerOptions['url'] | Broker
  /** A durable fanout exchange; declared with its history queue. */
  readonly exchange: string
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

const maxBodyBytes = 512 * 1024 * 1024

function resolveOptions({
  broker,
  exchange,
  source,
  inFlightMax = 1_000,
  confirmTimeoutMs = 30_000,
  bodyBytesMax = 16 * 1024 * 1024,
  logger = silentLogger,
}: PublisherOptions) {
  if (typeof exchange !== 'string' || exchange === '')
    throw new TypeError('Expected `exchange` to name an exchange')
  if (typeof source !== 'string' || source === '')
    throw new TypeError('Expected `source` to be a non-empty text')
  requireInteger({ inFlightMax }, 1, 65_535)
  requireInteger({ confirmTimeoutMs }, 1, 2 ** 31 - 1)
  requireInteger({ bodyBytesMax }, 1, maxBodyBytes)
  return { broker, exchange, source, inFlightMax, confirmTimeoutMs, bodyBytesMax, logger }
}

function requireInteger(option: Record<string, number>, min: number, max: number): void {
  const [[name, value] = []] = Object.entries(option)
  if (!Number.isInteger(value) || value! < min || value! > max) {
    throw new TypeError(`Expected \`${name}\` to be an integer from ${min} to ${max}, got ${value}`)
  }
}

type Resolved = ReturnType<typeof resolveOptions>

const retryMs = 500
/** How long publishes may be open without any confirm until their channel is given up: a third of their time. */
const silentMs = { min: 1_000, max: 10_000 }

class ConfirmedPublisher implements Publisher {
  readonly #options: Resolved
  readonly #broker: Broker
  readonly #ownsBroker: boolean
  readonly #outflow: Outflow
  readonly #running: Promise<void>
  readonly #stop = new AbortController()
  #closing: Promise<void> | undefined
  #failure: Error | undefined
  #restoring: Promise<void> | undefined

  constructor(options: Resolved) {
    const { broker, logger, exchange } = options
    this.#options = options
    this.#ownsBroker = !(broker instanceof Broker)
    this.#broker =
      broker instanceof Broker
        ? broker
        : connectBroker({ url: broker, name: `backstory publisher of ${exchange}`, logger })
    this.#outflow = new Outflow({ ...options, numbering: new Numbering(options) })
    this.#running = this.#run()
  }

  get pending(): number {
    return this.#outflow.pending
  }

  /** Not an async function: at tens of thousands a second, its two promises more a publish show. */
  publish(event: EventInput): Promise<{ readonly id: string }> {
    try {
      return this.#outflow.send(this.#accept(event))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async room(): Promise<void> {
    if (this.#closing === undefined && this.#failure === undefined) await this.#outflow.room()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    this.#outflow.close()
    await this.#outflow.idle()
    this.#stop.abort()
    if (this.#ownsBroker) await this.#broker.close()
    await this.#running
  }

  /** The message to send for an event. */
  #accept(event: EventInput): Message {
    if (this.#closing !== undefined)
      throw new PublishError('PUBLISH_CLOSED', 'The publisher was closed; open another')
    if (this.#failure !== undefined) throw this.#failure
    const message = toMessage(event, this.#options)
    const { bodyBytesMax } = this.#options
    if (message.body.length <= bodyBytesMax) return message
    throw new PublishError(
      'PUBLISH_TOO_LARGE',
      `The body has ${message.body.length} bytes, more than \`bodyBytesMax\` (${bodyBytesMax}); publish a reference to it`,
      { eventId: message.properties.messageId },
    )
  }

  /** Keeps a channel under the outflow: opens one, waits until it is gone, opens the next. */
  async #run(): Promise<void> {
    const { exchange, logger } = this.#options
    while (!this.#stop.signal.aborted) {
      try {
        await this.#serveChannel()
      } catch (error) {
        if (this.#stop.signal.aborted) return
        if (error instanceof BrokerError && error.isPermanent) return this.#fail(error)
        logger.warn('publisher.interrupted', {
          exchange,
          error: (error as Error).message,
          pending: this.pending,
        })
        await sleep(retryMs, undefined, { signal: this.#stop.signal }).catch(() => {})
      }
    }
  }

  async #serveChannel(): Promise<void> {
    const { exchange } = this.#options
    const { signal } = this.#stop
    await declareTopology(this.#broker, { exchange, signal })
    const channel = await this.#broker.openChannel({ confirm: true, signal })
    const stop = () => void channel.close()
    this.#stop.signal.addEventListener('abort', stop)
    const watch = setInterval(() => this.#abandonIfSilent(channel), silentMs.min / 2)
    try {
      channel.onReturn(() => void this.#restoreTopology())
      if (this.#stop.signal.aborted) stop()
      else this.#outflow.use(channel)
      const cause = await channel.closed
      this.#outflow.lost(cause)
      if (cause !== undefined) throw cause
    } finally {
      clearInterval(watch)
      this.#stop.signal.removeEventListener('abort', stop)
    }
  }

  /**
   * A channel that held publishes for a quorum queue while that was deleted may stay blocked for ever
   * (seen on RabbitMQ 3.10), its connection alive: only a new one confirms again.
   */
  #abandonIfSilent(channel: BrokerChannel): void {
    const { exchange, logger, confirmTimeoutMs } = this.#options
    const silentMsMax = Math.min(Math.max(confirmTimeoutMs / 3, silentMs.min), silentMs.max)
    if (this.#outflow.silentMs < silentMsMax || this.#broker.isBlocked) return
    logger.warn('publisher.silent', { exchange, pending: this.pending })
    channel.abandon(new Error(`The broker has confirmed nothing for ${silentMsMax} ms`))
  }

  /** A publish that no queue took says that the history queue is gone: the next one finds it again. */
  #restoreTopology(): Promise<void> {
    const { exchange, logger } = this.#options
    this.#restoring ??= declareTopology(this.#broker, { exchange })
      .catch((error: Error) =>
        logger.warn('publisher.topology-not-restored', { exchange, error: error.message }),
      )
      .finally(() => {
        this.#restoring = undefined
      })
    return this.#restoring
  }

  #fail(error: Error): void {
    this.#failure = error
    this.#options.logger.error('publisher.failed', { exchange: this.#options.exchange, error: error.message })
    this.#outflow.fail(error)
  }
}
