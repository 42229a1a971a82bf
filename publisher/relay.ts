/**
 * The relay: publishes what was committed to an outbox, in the order of the commits, and deletes what the
 * broker has confirmed.
 *
 * One relay an outbox is at work; others stand by and take over when it ends. An event is deleted after
 * its confirm, so one that was confirmed and not yet deleted before a crash is published again, with the
 * same id and the same number: recorder and consumers recognise it.
 *
 * States: `standby` (another relay has the outbox; leaves when that one ends), `connecting` (the broker is
 * away), `relaying`, `holding` (the database cannot be read or written, or the broker does not keep an
 * event: tried again; leaves when that succeeds), `stopped`.
 */
import { type Broker, BrokerError, type BrokerOptions, requirePartitions } from '../broker/index.ts'
import { type Logger, silentLogger } from '../events/index.ts'
import { requireInteger } from './bounds.ts'
import { Dispatcher } from './dispatcher.ts'
import { PublishError } from './errors.ts'
import type { OutboxHead, OutboxRows, OutboxSession } from './outbox-rows.ts'
import { RelayTurn } from './relay-turn.ts'
import { Bell, pause } from './waiting.ts'

export interface RelayOptions {
  /** URL or URLs of the broker, or a connection to share, which `close()` then leaves open. */
  readonly broker: BrokerOptions['url'] | Broker
  /** What `openOutbox` gives. */
  readonly outbox: { readonly rows: OutboxRows }
  /** How many partitions the exchange is parted into; they are declared. Default: none. */
  readonly partitions?: number
  /** Publishes not confirmed at a time. Default 1,000. */
  readonly inFlightMax?: number
  readonly logger?: Logger
}

export interface RelayStatus {
  readonly exchange: string
  readonly state: 'standby' | 'connecting' | 'relaying' | 'holding' | 'stopped'
  /** Events in the outbox, as of the last look: at most a second ago. */
  readonly pending: number
  /** Events confirmed since the start of this relay. */
  readonly relayed: number
  /** Of the outbox; undefined until it was first read. */
  readonly epoch: string | undefined
  /** The last number that was committed; 0 before the first. */
  readonly sequence: number
  /** Events sent and not yet confirmed. */
  readonly confirmsPending: number
  readonly reconnects: number
  readonly lastError: string | undefined
  readonly lastErrorAt: Date | undefined
}

export interface Relay {
  readonly status: RelayStatus
  /**
   * Resolves when all that was committed before the call has been published, be it by another relay.
   * Rejects with what ended this one, `PUBLISH_CLOSED` where it was closed.
   */
  caughtUp(): Promise<void>
  /** Resolves after `close()`; rejects with what ended the relay otherwise. */
  readonly stopped: Promise<void>
  /** Waits a moment for the confirms of what was sent; what is not confirmed stays in the outbox. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Starts to relay; it connects, and reconnects, by itself, and tries again while the database is away.
 *
 * What ends it (see `stopped`): PublishError `PUBLISH_OUTBOX_BLOCKED` where the first event in the outbox
 * can never be published; BrokerError `BROKER_ACCESS_REFUSED`, `BROKER_TOPOLOGY_MISMATCH`; TypeError where the
 * application closed its SQLite database first.
 *
 * @throws TypeError for an option out of its range.
 */
export function startRelay({
  broker,
  outbox,
  partitions,
  inFlightMax = 1_000,
  logger = silentLogger,
}: RelayOptions): Relay {
  const { rows } = outbox ?? {}
  if (typeof rows?.acquire !== 'function') throw new TypeError('Expected `outbox` to be one of `openOutbox`')
  if (partitions !== undefined) requirePartitions(partitions)
  requireInteger({ inFlightMax }, 1, 65_535)
  return new OutboxRelay({ broker, rows, partitions, inFlightMax, logger })
}

type Resolved = Omit<Required<RelayOptions>, 'outbox' | 'partitions'> & {
  readonly rows: OutboxRows
  readonly partitions: number | undefined
}

const retryMsMin = 100
const retryMsMax = 5_000
/** How often to ask for the outbox while another relay has it. */
const standbyMs = 200
/** How often to look how much there is. */
const lookMs = 1_000
/** How often to look whether another relay has published what somebody waits for. */
const caughtUpMs = 100

class OutboxRelay implements Relay {
  readonly stopped: Promise<void>
  readonly #options: Resolved
  readonly #dispatcher: Dispatcher
  readonly #stop = new AbortController()
  #state: RelayStatus['state'] = 'connecting'
  #session: OutboxSession | undefined
  #head: OutboxHead | undefined
  #relayed = 0
  #isLooking = false
  #lastError: { readonly message: string; readonly at: Date } | undefined
  readonly #waiters = new Set<Bell>()

  constructor(options: Resolved) {
    const { rows } = options
    this.#options = options
    const name = `backstory relay of ${rows.exchange}`
    this.#dispatcher = new Dispatcher({ ...options, exchange: rows.exchange, name })
    this.stopped = this.#run()
    // Whoever does not await it must not end the process: the logger has told.
    this.stopped.catch(() => {})
  }

  get status(): RelayStatus {
    const { epoch, sequence = 0, first } = this.#head ?? {}
    const { broker, pending } = this.#dispatcher
    return {
      exchange: this.#options.rows.exchange,
      state: this.#state === 'relaying' && !broker.isConnected ? 'connecting' : this.#state,
      pending: first === undefined ? 0 : sequence - first + 1,
      relayed: this.#relayed,
      epoch,
      sequence,
      confirmsPending: pending,
      reconnects: broker.reconnects,
      lastError: this.#lastError?.message,
      lastErrorAt: this.#lastError?.at,
    }
  }

  async caughtUp(): Promise<void> {
    const bell = new Bell()
    this.#waiters.add(bell)
    try {
      let target: number | undefined
      while (this.#state !== 'stopped') {
        // The database's word, not this relay's: another one may be at work.
        const head = await this.#look()
        target ??= head?.sequence
        if (head !== undefined && (head.first === undefined || head.first > target!)) return
        await bell.wait(caughtUpMs)
      }
    } finally {
      this.#waiters.delete(bell)
    }
    await this.stopped
    throw new PublishError('PUBLISH_CLOSED', 'The relay was closed before it had caught up; start another')
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.stopped.catch(() => {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #run(): Promise<void> {
    const { rows, logger } = this.#options
    const { signal } = this.#stop
    const watch = setInterval(() => void this.#lookAgain(), lookMs)
    try {
      for (let retryMs = retryMsMin; !signal.aborted; retryMs = Math.min(retryMs * 2, retryMsMax)) {
        try {
          await this.#takeTurn()
          retryMs = retryMsMin
        } catch (error) {
          if (isPermanent(error)) throw error
          this.#hold(error as Error, { retryMs })
          await pause(retryMs, signal)
        }
      }
    } catch (error) {
      logger.error('relay.failed', { exchange: rows.exchange, error: this.#noted(error as Error) })
      throw error
    } finally {
      clearInterval(watch)
      await this.#dispatcher.close({ giveUp: true })
      this.#state = 'stopped'
      this.#wakeWaiters()
    }
  }

  /** Stands by until the outbox is free, then relays. */
  async #takeTurn(): Promise<void> {
    const { rows, inFlightMax, logger } = this.#options
    const { exchange } = rows
    const { signal } = this.#stop
    if (this.#dispatcher.failure !== undefined) throw this.#dispatcher.failure
    const session = await rows.acquire()
    if (session === undefined) {
      if (this.#state !== 'standby') logger.info('relay.standby', { exchange })
      this.#state = 'standby'
      return await pause(standbyMs, signal)
    }
    this.#session = session
    const turn = new RelayTurn({
      session,
      dispatcher: this.#dispatcher,
      exchange,
      inFlightMax,
      signal,
      onRemoved: (upTo, count) => this.#onRemoved(upTo, count),
      onTrouble: (error, trouble) => this.#hold(error, trouble),
    })
    try {
      logger.info('relay.relaying', { exchange })
      this.#state = 'relaying'
      await this.#look()
      await turn.run()
    } finally {
      this.#session = undefined
      await session.release()
    }
  }

  #onRemoved(upTo: number, count: number): void {
    this.#state = 'relaying'
    this.#relayed += count
    if (this.#head === undefined) return
    const sequence = Math.max(this.#head.sequence, upTo)
    this.#head = { ...this.#head, sequence, first: upTo < sequence ? upTo + 1 : undefined }
    this.#wakeWaiters()
  }

  #hold(error: Error, { retryMs, sequence }: { retryMs: number; sequence?: number }): void {
    const { rows, logger } = this.#options
    this.#state = 'holding'
    const fields = { exchange: rows.exchange, error: this.#noted(error), retryMs }
    if (sequence === undefined) logger.error('relay.holding', fields)
    else logger.warn('relay.retrying', { ...fields, sequence })
  }

  /** How much there is, by the database; undefined where that cannot tell. */
  async #look(): Promise<OutboxHead | undefined> {
    try {
      this.#head = await (this.#session ?? this.#options.rows).head()
      return this.#head
    } catch (error) {
      this.#noted(error as Error)
      return undefined
    }
  }

  /** Not while the last look still waits for its answer. */
  async #lookAgain(): Promise<void> {
    if (this.#isLooking) return
    this.#isLooking = true
    await this.#look()
    this.#isLooking = false
  }

  #wakeWaiters(): void {
    for (const bell of this.#waiters) bell.ring()
  }

  #noted({ message }: Error): string {
    this.#lastError = { message, at: new Date() }
    return message
  }
}

/** A TypeError is a mistake, such as a database that the application has closed. */
function isPermanent(error: unknown): boolean {
  if (error instanceof TypeError) return true
  if (error instanceof BrokerError) return error.isPermanent
  return error instanceof PublishError && error.code === 'PUBLISH_OUTBOX_BLOCKED'
}
