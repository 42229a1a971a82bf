/**
 * The dispatcher: keeps a channel under the outflow, so that whoever sends needs to know of none.
 *
 * It declares what the publishes rely on before the first one leaves, opens a channel, waits until that is
 * gone, and opens the next. What the broker refuses for good (rights, topology) fails every publish, those
 * that come later too.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  Broker,
  type BrokerChannel,
  BrokerError,
  type BrokerOptions,
  connectBroker,
  declarePartitions,
  declareToPublish,
} from '../broker/index.ts'
import type { Logger, Message } from '../events/index.ts'
import { PublishError } from './errors.ts'
import type { Numbering } from './numbering.ts'
import { Outflow } from './outflow.ts'

export interface DispatcherOptions {
  /** A shared connection stays open at the end. */
  readonly broker: BrokerOptions['url'] | Broker
  readonly exchange: string
  /** How many the exchange is parted into. Default: it is not. */
  readonly partitions?: number | undefined
  /** Of the connection, where that is not shared. */
  readonly name: string
  readonly inFlightMax: number
  /** Default: a publish waits for its confirm as long as that takes. */
  readonly confirmTimeoutMs?: number
  /** Default: messages leave as they are. */
  readonly numbering?: Numbering
  readonly logger: Logger
}

const retryMs = 500
/** How long publishes may be open without any confirm until their channel is given up: a third of their time. */
const silentMs = { min: 1_000, max: 10_000 }

export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #broker: Broker
  readonly #ownsBroker: boolean
  readonly #outflow: Outflow
  readonly #running: Promise<void>
  readonly #stop = new AbortController()
  #failure: Error | undefined
  #restoring: Promise<void> | undefined

  constructor(options: DispatcherOptions) {
    const { broker, name, logger } = options
    this.#options = options
    this.#ownsBroker = !(broker instanceof Broker)
    this.#broker = broker instanceof Broker ? broker : connectBroker({ url: broker, name, logger })
    this.#outflow = new Outflow(options)
    this.#running = this.#run()
  }

  /** Publishes that have not settled. */
  get pending(): number {
    return this.#outflow.pending
  }

  get broker(): Broker {
    return this.#broker
  }

  /** What the broker refused for good: nothing can be sent any more. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /** @throws what the broker refused for good; what the promise rejects with is the outflow's. */
  send(message: Message): Promise<{ readonly id: string }> {
    if (this.#failure !== undefined) throw this.#failure
    return this.#outflow.send(message)
  }

  /** Resolves when a message would leave at once, or none can leave any more. */
  async room(): Promise<void> {
    if (this.#failure === undefined) await this.#outflow.room()
  }

  /** Resolves when every publish has settled. */
  async idle(): Promise<void> {
    await this.#outflow.idle()
  }

  /** Whoever waits for room goes on, to look what else there is to do. */
  wake(): void {
    this.#outflow.wake()
  }

  /**
   * Waits for what is pending to settle, then closes.
   *
   * @param options.giveUp - Without waiting: what is pending is rejected. Default false.
   */
  async close({ giveUp = false }: { giveUp?: boolean } = {}): Promise<void> {
    this.#outflow.wake()
    if (giveUp) this.#outflow.fail(new PublishError('PUBLISH_CLOSED', 'It was closed before the confirm'))
    await this.#outflow.idle()
    this.#stop.abort()
    if (this.#ownsBroker) await this.#broker.close()
    await this.#running
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
    const { signal } = this.#stop
    await this.#declare({ signal })
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
    const { exchange, logger, confirmTimeoutMs = Number.POSITIVE_INFINITY } = this.#options
    const silentMsMax = Math.min(Math.max(confirmTimeoutMs / 3, silentMs.min), silentMs.max)
    if (this.#outflow.silentMs < silentMsMax || this.#broker.isBlocked) return
    logger.warn('publisher.silent', { exchange, pending: this.pending })
    channel.abandon(new Error(`The broker has confirmed nothing for ${silentMsMax} ms`))
  }

  /** A publish that no queue took says that the history queue is gone: the next one finds it again. */
  #restoreTopology(): Promise<void> {
    const { exchange, logger } = this.#options
    this.#restoring ??= this.#declare()
      .catch((error: Error) =>
        logger.warn('publisher.topology-not-restored', { exchange, error: error.message }),
      )
      .finally(() => {
        this.#restoring = undefined
      })
    return this.#restoring
  }

  async #declare({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    const { exchange, partitions } = this.#options
    if (partitions === undefined) await declareToPublish(this.#broker, { exchange, signal })
    else await declarePartitions(this.#broker, { exchange, partitions, signal })
  }

  #fail(error: Error): void {
    this.#failure = error
    this.#options.logger.error('publisher.failed', { exchange: this.#options.exchange, error: error.message })
    this.#outflow.fail(error)
  }
}
