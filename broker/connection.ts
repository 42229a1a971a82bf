/**
 * The connection to RabbitMQ: kept up, and channels on it.
 *
 * amqp-connection-manager connects, goes through the list of URLs and reconnects. Its channel wrapper
 * is not used: its buffer and its acknowledgements lose their order or their meaning over a reconnect
 * (docs/decisions/0003). Whoever needs a channel asks for one, works until it is gone, and asks again.
 */
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { AmqpConnectionManagerClass } from 'amqp-connection-manager'
import type { ChannelModel } from 'amqplib'
import { type Logger, silentLogger } from '../events/index.ts'
import { BrokerChannel } from './channel.ts'
import { BrokerError, isRefusedLogin, replyCodeOf } from './errors.ts'
import { checkUrl, redactUrl } from './url.ts'

export interface BrokerOptions {
  /** amqp: or amqps: URL, or several nodes of one cluster, tried in turn. */
  readonly url: string | readonly string[]
  /** Shown in RabbitMQ's list of connections. Default `backstory`. */
  readonly name?: string
  /** Wait between attempts to connect, in milliseconds. Default 1,000. */
  readonly reconnectMs?: number
  /** A connection that is silent for twice this time is lost, in seconds. Default 5. */
  readonly heartbeatSeconds?: number
  readonly logger?: Logger
}

/**
 * Starts to connect, and goes on trying until `close()`.
 *
 * @throws TypeError where a URL is no amqp: or amqps: URL.
 */
export function connectBroker({
  url,
  name = 'backstory',
  reconnectMs = 1_000,
  heartbeatSeconds = 5,
  logger = silentLogger,
}: BrokerOptions): Broker {
  const urls = [url].flat().map(checkUrl)
  if (urls.length === 0) throw new TypeError('Expected at least one broker `url`')
  const manager = new AmqpConnectionManagerClass(urls, {
    heartbeatIntervalInSeconds: heartbeatSeconds,
    reconnectTimeInSeconds: reconnectMs / 1_000,
    connectionOptions: {
      noDelay: true,
      timeout: connectTimeoutMs,
      clientProperties: { connection_name: name },
    },
  })
  return new Broker(manager, { urls, reconnectMs, logger })
}

const connectTimeoutMs = 10_000
const closeTimeoutMs = 2_000
/**
 * The client takes the number of a channel that the broker ended for the next one at once, and may send
 * its open before the close-ok of the old one, which costs the connection.
 */
const reopenMs = 50

interface Waiter {
  readonly resolve: (connection: ChannelModel) => void
  readonly reject: (error: BrokerError) => void
  readonly settle: () => void
  timer?: NodeJS.Timeout
}

/**
 * What is used of amqp-connection-manager. Its own declarations would be part of ours, and do not compile beside
 * every version of @types/node.
 */
interface ConnectionManager {
  on(event: 'connect', listener: (told: { connection: unknown }) => void): unknown
  on(event: 'disconnect', listener: (told: { err: Error }) => void): unknown
  on(event: 'connectFailed', listener: (told: { err: Error; url: unknown }) => void): unknown
  on(event: 'blocked', listener: (told: { reason: string }) => void): unknown
  on(event: 'unblocked', listener: () => void): unknown
  connect(): Promise<void>
  close(): Promise<void>
}

export class Broker {
  /** Where it connects to, without passwords. */
  readonly address: string
  readonly #manager: ConnectionManager
  readonly #logger: Logger
  readonly #reconnectMs: number
  #connection: ChannelModel | undefined
  #waiters = new Set<Waiter>()
  #lastError: Error | undefined
  #refused: BrokerError | undefined
  #everConnected = false
  #blocked = false
  #closed = false
  #reconnects = 0
  #endedByBroker = 0

  constructor(
    manager: ConnectionManager,
    { urls, reconnectMs, logger }: { urls: readonly string[]; reconnectMs: number; logger: Logger },
  ) {
    this.address = urls.map(redactUrl).join(', ')
    this.#manager = manager
    this.#logger = logger
    this.#reconnectMs = reconnectMs
    manager.on('connect', ({ connection }) => this.#onConnect(connection as ChannelModel))
    manager.on('disconnect', ({ err }) => this.#onDisconnect(err))
    manager.on('connectFailed', ({ err, url }) => this.#onConnectFailed(err, url))
    manager.on('blocked', ({ reason }) => {
      this.#blocked = true
      logger.warn('broker.blocked', { reason })
    })
    manager.on('unblocked', () => {
      this.#blocked = false
      logger.info('broker.unblocked')
    })
    // It goes on trying after a failure; each is told by connectFailed.
    manager.connect().catch(() => {})
  }

  get isConnected(): boolean {
    return this.#connection !== undefined
  }

  /** True while the broker takes no publishes, short of memory or disk. */
  get isBlocked(): boolean {
    return this.#blocked
  }

  /** Connections after the first. */
  get reconnects(): number {
    return this.#reconnects
  }

  /** The newest failure to connect, undefined once connected. */
  get lastError(): Error | undefined {
    return this.#lastError
  }

  /**
   * Waits until connected.
   *
   * @param options.timeoutMs - Gives up after this time. Default: never.
   * @throws BrokerError `BROKER_UNREACHABLE` after the timeout; `BROKER_ACCESS_REFUSED` where the broker
   *   refuses user, password or virtual host at the first connection; `BROKER_CLOSED` after `close()`.
   */
  async connected({ timeoutMs }: { timeoutMs?: number } = {}): Promise<void> {
    await this.#connected({ timeoutMs })
  }

  /**
   * Opens a channel, once connected.
   *
   * @param options.confirm - The broker confirms each publish. Default false.
   * @param options.signal - Ends the wait for a connection; its reason is thrown.
   * @throws BrokerError as `connected()` does, and `BROKER_CHANNEL_LOST` where the connection broke
   *   while the channel opened; ask again.
   */
  async openChannel({
    confirm = false,
    signal,
  }: {
    confirm?: boolean
    signal?: AbortSignal
  } = {}): Promise<BrokerChannel> {
    await this.#connected({ signal })
    if (this.#endedByBroker > Date.now() - reopenMs) await sleep(reopenMs)
    const connection = await this.#connected({ signal })
    try {
      const raw = await (confirm ? connection.createConfirmChannel() : connection.createChannel())
      const channel = new BrokerChannel(raw)
      // A channel that ended before its listeners were there told nobody: it fails here instead. On a new
      // channel this changes nothing.
      await raw.prefetch(0)
      void channel.closed.then((cause) => {
        if (replyCodeOf(cause) !== undefined) this.#endedByBroker = Date.now()
      })
      return channel
    } catch (cause) {
      throw new BrokerError('BROKER_CHANNEL_LOST', 'The connection broke while a channel opened', { cause })
    }
  }

  /** Closes the connection and every channel on it. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const socket = socketOf(this.#connection)
    this.#rejectWaiters(new BrokerError('BROKER_CLOSED', 'The broker connection was closed'))
    // The client's promise never settles where the connection is lost, or the peer silent, before the
    // broker has answered: neither must hold the process.
    const isGone = new Promise<void>((resolve) => socket?.once('close', resolve))
    const giveUp = new AbortController()
    try {
      await Promise.race([
        this.#manager.close(),
        isGone,
        sleep(closeTimeoutMs, undefined, { signal: giveUp.signal }),
      ])
    } catch (error) {
      this.#logger.debug('broker.close-failed', { error: messageOf(error) })
    } finally {
      giveUp.abort()
      // Without an error the client would go on waiting for heartbeats.
      socket?.destroy(new Error('closed'))
      this.#connection = undefined
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #connected({
    timeoutMs,
    signal,
  }: {
    timeoutMs?: number
    signal?: AbortSignal
  } = {}): Promise<ChannelModel> {
    signal?.throwIfAborted()
    if (this.#closed) throw new BrokerError('BROKER_CLOSED', 'The broker connection was closed')
    if (this.#refused !== undefined) throw this.#refused
    if (this.#connection !== undefined) return this.#connection
    return await new Promise((resolve, reject) => {
      const end = (error: Error) => {
        this.#removeWaiter(waiter)
        reject(error)
      }
      const onAbort = () => end(signal?.reason as Error)
      const waiter: Waiter = { resolve, reject, settle: () => signal?.removeEventListener('abort', onAbort) }
      this.#waiters.add(waiter)
      signal?.addEventListener('abort', onAbort)
      if (timeoutMs !== undefined)
        waiter.timer = setTimeout(() => end(this.#unreachable(timeoutMs)), timeoutMs)
    })
  }

  #unreachable(timeoutMs: number): BrokerError {
    const reason = this.#lastError === undefined ? '' : ` (${messageOf(this.#lastError)})`
    return new BrokerError(
      'BROKER_UNREACHABLE',
      `No RabbitMQ answered at ${this.address} within ${timeoutMs} ms${reason}; start it or name another`,
      { cause: this.#lastError },
    )
  }

  #onConnect(connection: ChannelModel): void {
    this.#logger.info('broker.connected', { address: this.address })
    if (this.#everConnected) this.#reconnects += 1
    this.#everConnected = true
    this.#connection = connection
    this.#blocked = false
    this.#lastError = undefined
    for (const waiter of this.#takeWaiters()) waiter.resolve(connection)
  }

  #onDisconnect(error: Error | undefined): void {
    this.#connection = undefined
    this.#lastError = error
    if (!this.#closed) this.#logger.warn('broker.disconnected', { error: messageOf(error) })
  }

  #onConnectFailed(error: Error, url: unknown): void {
    this.#lastError = error
    const address = typeof url === 'string' ? redactUrl(url) : this.address
    // A broker that is starting may refuse too: only the first connection tells a wrong password.
    if (isRefusedLogin(error) && !this.#everConnected) {
      this.#refused = new BrokerError(
        'BROKER_ACCESS_REFUSED',
        `RabbitMQ at ${address} refused the login: check user, password and virtual host of the broker URL`,
        { cause: error },
      )
      this.#rejectWaiters(this.#refused)
      void this.#manager.close().catch(() => {})
      return
    }
    this.#logger.warn('broker.unreachable', { address, error: messageOf(error), retryMs: this.#reconnectMs })
  }

  #rejectWaiters(error: BrokerError): void {
    for (const waiter of this.#takeWaiters()) waiter.reject(error)
  }

  #takeWaiters(): Waiter[] {
    const waiters = [...this.#waiters]
    for (const waiter of waiters) this.#removeWaiter(waiter)
    return waiters
  }

  #removeWaiter(waiter: Waiter): void {
    this.#waiters.delete(waiter)
    clearTimeout(waiter.timer)
    waiter.settle()
  }
}

function socketOf(connection: ChannelModel | undefined): Socket | undefined {
  return (connection as unknown as { connection?: { stream?: Socket } })?.connection?.stream
}

/** An AggregateError of Node's dual-stack connect has no message of its own. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join(', ')
  return error instanceof Error ? error.message : 'closed by the broker'
}
