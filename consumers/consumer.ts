/**
 * A running consumer: its store, its hand-over, round after round, and what it tells of itself.
 */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { Broker, BrokerError, type BrokerOptions, connectBroker } from '../broker/index.ts'
import { type Catalog, type Logger, silentLogger } from '../events/index.ts'
import { type HistoryReader, openHistory, type SqliteDatabase } from '../history/index.ts'
import { Applier } from './applier.ts'
import { type Certificate, certify } from './certificate.ts'
import {
  type ConsumerDefinition,
  checkDefinition,
  type Handler,
  type RetryPolicy,
  resolveRetry,
} from './definition.ts'
import { ConsumerError } from './errors.ts'
import { HandOver, type WaitingFor } from './hand-over.ts'
import type { Clock } from './link.ts'
import { queueLink } from './queue-link.ts'
import { openSqliteStore } from './sqlite-store.ts'
import type { ConsumerStore, Phase } from './store.ts'

export interface ConsumerOptions {
  /**
   * URL or URLs of the broker, or a connection to share, which `close()` then leaves open. Do not share one
   * with a publisher: under a memory or disk alarm RabbitMQ stops reading from connections that publish,
   * acknowledgements included. By URL, a consumer keeps a second connection for its fences.
   */
  readonly broker: BrokerOptions['url'] | Broker
  /** Path of the history's SQLite file, or a reader to share, which `close()` then leaves open. */
  readonly history: string | HistoryReader
  /** Path of the consumer's own SQLite file, made where missing. */
  readonly store: string
  /** Pause between binding the queue and sending the fence, in milliseconds. Default 1,000; 0 allowed. */
  readonly settleMs?: number
  /** Events a transaction while replaying. Default 500. */
  readonly replayBatch?: number
  /** Events a transaction while live, at most. Default 100. */
  readonly liveBatch?: number
  /** Deliveries not acknowledged at a time. Default 1,000. */
  readonly prefetch?: number
  /** Longest pause between two looks at the history while live, in milliseconds. Default 100. */
  readonly auditMs?: number
  /** How long applied live events are remembered beyond the cursor, in milliseconds. Default an hour. */
  readonly inboxKeepMs?: number
  readonly logger?: Logger
}

export interface ConsumerStatus {
  readonly consumer: string
  readonly exchange: string
  readonly phase: Phase
  /** What it waits for; undefined while it works. */
  readonly waitingFor: WaitingFor
  readonly cursor: number
  /** The history's highest position, as last seen. */
  readonly head: number
  /** Positions that the cursor has not passed. */
  readonly lag: number
  /** Events that took effect: `replayed` and `live` together. */
  readonly applied: number
  readonly replayed: number
  readonly live: number
  readonly duplicates: number
  /** Times the live queue had lost an event that the history brought back. */
  readonly repairs: number
  readonly reconnects: number
  readonly lastError: string | undefined
}

export interface Consumer {
  readonly status: ConsumerStatus
  /**
   * Resolves when the consumer is live and has applied all that was recorded when it went live; rejects as
   * `stopped` does, or with `CONSUMER_CLOSED`, where it ends before.
   */
  caughtUp(): Promise<void>
  /** @throws HistoryError where the history cannot be read; ConsumerError `CONSUMER_CLOSED` once it ended. */
  certificate(): Promise<Certificate>
  /** Resolves after `close()`; rejects with what ended the consumer otherwise. */
  readonly stopped: Promise<void>
  /** Finishes the transaction in hand. The queue stays and keeps what is published. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Opens the store and starts the consumer; it connects, and reconnects, by itself.
 *
 * What ends it (see `stopped`): ConsumerError `CONSUMER_HANDLER_FAILED`, `CONSUMER_HISTORY_TRUNCATED`,
 * `CONSUMER_AHEAD`; BrokerError `BROKER_ACCESS_REFUSED`, `BROKER_TOPOLOGY_MISMATCH`; HistoryError
 * `HISTORY_CORRUPT`, `HISTORY_FOREIGN`, `HISTORY_TOO_NEW`.
 *
 * @throws TypeError for an option out of its range; ConsumerError `CONSUMER_LOCKED`,
 *   `CONSUMER_STORE_FOREIGN`, `CONSUMER_STORE_UNAVAILABLE`; what the definition's `prepare` throws.
 */
export async function startConsumer<Events extends Catalog, Tx = SqliteDatabase>(
  definition: ConsumerDefinition<Events, Tx>,
  options: ConsumerOptions,
): Promise<Consumer> {
  checkDefinition(definition)
  const resolved = resolveOptions(options)
  const retry = resolveRetry(definition.retry)
  const { name, exchange, prepare } = definition
  const store = await openSqliteStore({
    path: resolved.store,
    consumer: name,
    exchange,
    ...(prepare && { prepare: (database: SqliteDatabase) => prepare.call(definition, database) }),
  })
  try {
    return await openConsumer(definition, { resolved, retry, store })
  } catch (error) {
    await store.close()
    throw error
  }
}

async function openConsumer<Events extends Catalog, Tx>(
  { name, exchange, on }: ConsumerDefinition<Events, Tx>,
  {
    resolved,
    retry,
    store,
  }: { resolved: ReturnType<typeof resolveOptions>; retry: Required<RetryPolicy>; store: ConsumerStore<Tx> },
): Promise<Consumer> {
  const stop = new AbortController()
  const clock = realClock(stop.signal)
  const applier = await Applier.open({
    consumer: name,
    store,
    handlers: new Map(Object.entries(on) as [string, Handler<string, unknown, Tx>][]),
    retry,
    rememberMs: Math.min(resolved.inboxKeepMs, rememberMsMax),
    clock,
    signal: stop.signal,
    logger: resolved.logger,
  })
  return new RunningConsumer({
    ...resolved,
    consumer: name,
    exchange,
    openStore: store,
    applier,
    clock,
    stop,
  })
}

function resolveOptions({
  broker,
  history,
  store,
  settleMs = 1_000,
  replayBatch = 500,
  liveBatch = 100,
  prefetch = 1_000,
  auditMs = 100,
  inboxKeepMs = 60 * 60 * 1_000,
  logger = silentLogger,
}: ConsumerOptions) {
  if (typeof store !== 'string' || store === '') throw new TypeError('Expected `store` to be a path')
  if (history === '' || history === undefined)
    throw new TypeError('Expected `history` to be a path or a reader')
  for (const [name, value, min, max] of [
    ['settleMs', settleMs, 0, 600_000],
    ['replayBatch', replayBatch, 1, 100_000],
    ['liveBatch', liveBatch, 1, 65_535],
    ['prefetch', prefetch, 1, 65_535],
    ['auditMs', auditMs, 1, 600_000],
    ['inboxKeepMs', inboxKeepMs, 0, Number.MAX_SAFE_INTEGER],
  ] as const) {
    if (Number.isInteger(value) && value >= min && value <= max) continue
    throw new TypeError(`Expected \`${name}\` to be an integer from ${min} to ${max}, got ${value}`)
  }
  return { broker, history, store, settleMs, replayBatch, liveBatch, prefetch, auditMs, inboxKeepMs, logger }
}

interface Parts<Tx> extends ReturnType<typeof resolveOptions> {
  readonly consumer: string
  readonly exchange: string
  readonly openStore: ConsumerStore<Tx>
  readonly applier: Applier<Tx>
  readonly clock: Clock
  readonly stop: AbortController
}

const retryMs = 250
/**
 * A publisher sends an event again for as long as it waits for its confirm, 30 s by default. To remember all
 * that is replayed would halve the speed of replays.
 */
const rememberMsMax = 30_000

class RunningConsumer<Tx> implements Consumer {
  readonly stopped: Promise<void>
  readonly #parts: Parts<Tx>
  readonly #broker: Broker
  readonly #fenceBroker: Broker
  readonly #history: HistoryReader
  readonly #handOver: HandOver
  #lastError: string | undefined

  constructor(parts: Parts<Tx>) {
    const { broker, history, consumer, exchange, prefetch, stop, logger } = parts
    this.#parts = parts
    this.#broker =
      broker instanceof Broker
        ? broker
        : connectBroker({ url: broker, name: `backstory consumer ${consumer}`, logger })
    this.#history = typeof history === 'string' ? openHistory({ path: history, exchange }) : history
    this.#fenceBroker =
      broker instanceof Broker
        ? broker
        : connectBroker({ url: broker, name: `backstory consumer ${consumer}, fences` })
    const { signal } = stop
    const link = queueLink(this.#broker, {
      fenceBroker: this.#fenceBroker,
      exchange,
      consumer,
      prefetch,
      signal,
    })
    this.#handOver = new HandOver({
      ...parts,
      link,
      history: this.#history,
      applier: parts.applier as Applier<unknown>,
      signal: stop.signal,
    })
    this.stopped = this.#run()
    // Whoever does not await it must not end the process: the logger has told.
    this.stopped.catch(() => {})
  }

  get status(): ConsumerStatus {
    const { consumer, exchange, applier } = this.#parts
    const { phase, cursor, replayed, live, duplicates, repairs } = applier.state
    const head = Math.max(this.#handOver.head, cursor)
    return {
      consumer,
      exchange,
      phase,
      waitingFor: phase === 'stopped' ? undefined : this.#handOver.waitingFor,
      cursor,
      head,
      lag: head - cursor,
      applied: replayed + live,
      replayed,
      live,
      duplicates,
      repairs,
      reconnects: this.#broker.reconnects,
      lastError: this.#lastError ?? applier.lastError,
    }
  }

  async caughtUp(): Promise<void> {
    const ended = this.stopped.then(() => {
      throw new ConsumerError(
        'CONSUMER_CLOSED',
        `Consumer ${this.#parts.consumer} was closed before it caught up`,
      )
    })
    await Promise.race([this.#handOver.caughtUp(), ended])
  }

  async certificate(): Promise<Certificate> {
    const { consumer, exchange, openStore } = this.#parts
    const marks = await openStore.transaction(async () => ({
      state: await openStore.state(),
      waiting: await openStore.waiting(),
    }))
    return await certify({ consumer, exchange, ...marks }, this.#history)
  }

  async close(): Promise<void> {
    this.#parts.stop.abort()
    await this.stopped.catch(() => {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #run(): Promise<void> {
    const { consumer, applier, openStore, history, broker, stop, logger } = this.#parts
    try {
      while (!stop.signal.aborted) await this.#round()
    } catch (error) {
      this.#lastError = (error as Error).message
      logger.error('consumer.failed', { consumer, error: this.#lastError })
      throw error
    } finally {
      await applier.enter('stopped').catch((error: Error) => {
        logger.warn('consumer.phase-not-saved', { consumer, error: error.message })
      })
      await openStore.close()
      if (typeof history === 'string') await this.#history.close()
      if (!(broker instanceof Broker)) await Promise.all([this.#broker.close(), this.#fenceBroker.close()])
    }
  }

  /** One round of the hand-over. What the next may mend is told and waited for; the rest is thrown. */
  async #round(): Promise<void> {
    const { consumer, applier, clock, stop, logger } = this.#parts
    try {
      const end = await this.#handOver.round()
      if (end === 'gap') await applier.enter('replaying', { repair: true })
      if (end === 'lost') logger.warn('consumer.interrupted', { consumer })
    } catch (error) {
      if (stop.signal.aborted) return
      if (!(error instanceof BrokerError) || error.isPermanent) throw error
      this.#lastError = error.message
      logger.warn('consumer.interrupted', { consumer, error: error.message })
      await clock.sleep(retryMs)
    }
  }
}

function realClock(signal: AbortSignal): Clock {
  return {
    now: Date.now,
    // An aborted wait is over: the loops look at the signal themselves.
    sleep: (ms) => (ms === 0 ? nextTurn() : sleep(ms, undefined, { signal }).catch(() => {})),
  }
}
