/**
 * A running consumer: its store, its hand-over, round after round, and what it tells of itself.
 */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { Broker, BrokerError, connectBroker } from '../broker/index.ts'
import type { Catalog } from '../events/index.ts'
import {
  BatchSizes,
  type HistoryReader,
  isTransient,
  openHistory,
  positionAt,
  type SqliteDatabase,
} from '../history/index.ts'
import { Applier, isOrderly } from './applier.ts'
import { Care } from './care.ts'
import { type Certificate, certify } from './certificate.ts'
import { type ConsumerOptions, resolveOptions } from './consumer-options.ts'
import type { ConsumerStatus } from './consumer-status.ts'
import {
  type ConsumerDefinition,
  checkDefinition,
  type ParkingPolicy,
  resolveParking,
  type StoreDatabase,
} from './definition.ts'
import { ConsumerError } from './errors.ts'
import { HandOver, type WaitingFor } from './hand-over.ts'
import { HandlerTable } from './handler-table.ts'
import type { Clock } from './link.ts'
import { type NotedError, newest } from './noted-error.ts'
import { openStore } from './open-store.ts'
import { type Turns, takingTurns } from './partitions/turns.ts'
import { queueLink } from './queue-link.ts'
import { Reactor } from './reactor.ts'
import { replayPage } from './replay-page.ts'
import { type ConsumerStore, initialState } from './store.ts'

export interface Consumer {
  /** Of one with partitions: the sums of theirs. */
  readonly status: ConsumerStatus
  /** Of one with partitions: each, in order. */
  readonly partitions?: readonly { readonly status: ConsumerStatus; readonly stopped: Promise<void> }[]
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

/** A consumer whose store is open. */
export interface OpenedConsumer {
  /** Once. Closes the store where it fails. */
  start(): Promise<Consumer>
  /** In place of `start()`. */
  close(): Promise<void>
}

/**
 * Opens the store of a consumer.
 *
 * @param options.turns - Its transactions wait for their turn among those of other consumers.
 * @throws as `startConsumer()` does.
 */
export async function openConsumer<
  Events extends Catalog,
  Tx = SqliteDatabase,
  Database extends StoreDatabase = SqliteDatabase,
>(
  definition: ConsumerDefinition<Events, Tx, Database>,
  options: ConsumerOptions,
  { turns }: { turns?: Turns | undefined } = {},
): Promise<OpenedConsumer> {
  checkDefinition(definition)
  const resolved = resolveOptions(options)
  const handlers = new HandlerTable<Tx>(definition as ConsumerDefinition<Catalog, Tx>)
  const parking = resolveParking(definition.parking)
  const { name, exchange, prepare, queueLengthMax } = definition
  const opened = await openStore<Tx, Database>(resolved.store, {
    consumer: name,
    exchange,
    ...(prepare && { prepare: (database: Database) => prepare.call(definition, database) }),
  })
  const store = turns === undefined ? opened : takingTurns(opened, turns)
  const start = async () => {
    try {
      const consumer = new RunningConsumer({
        ...resolved,
        consumer: name,
        exchange,
        queueLengthMax,
        openStore: store,
        handlers,
        parking,
      })
      // A store at hand is taken before this resolves; one that another instance has is waited for.
      await Promise.race([consumer.taken, nextTurn()])
      return consumer
    } catch (error) {
      await store.close()
      throw error
    }
  }
  return { start, close: () => store.close() }
}

interface Parts<Tx> extends ReturnType<typeof resolveOptions> {
  readonly consumer: string
  readonly exchange: string
  readonly queueLengthMax: number | undefined
  readonly openStore: ConsumerStore<Tx>
  readonly handlers: HandlerTable<Tx>
  readonly parking: Required<ParkingPolicy> | undefined
}

/** What runs while this instance has the store in hand. */
interface Tenure<Tx> {
  readonly applier: Applier<Tx>
  readonly handOver: HandOver
}

const retryMs = 250
/**
 * A publisher sends an event again for as long as it waits for its confirm, 30 s by default. To remember all
 * that is replayed would halve the speed of replays.
 */
const rememberMsMax = 30_000
/** Events that are taken one by one after a process that died at work; the rest of a batch comes with the next start. */
const carefulMax = 500

class RunningConsumer<Tx> implements Consumer {
  readonly stopped: Promise<void>
  /** Resolves when the store was first in hand. */
  readonly taken: Promise<void>
  readonly #parts: Parts<Tx>
  readonly #broker: Broker
  readonly #fenceBroker: Broker
  readonly #history: HistoryReader
  readonly #stop = new AbortController()
  readonly #clock: Clock
  readonly #onCaughtUp: Promise<void>
  #markTaken!: () => void
  #markCaughtUp!: () => void
  #tenure: Tenure<Tx> | undefined
  /** False while another instance has the store; the last tenure then says how far this one had come. */
  #isInHand = false
  #lastError: NotedError | undefined

  constructor(parts: Parts<Tx>) {
    const { broker, history, consumer, exchange, logger } = parts
    this.#parts = parts
    this.#clock = realClock(this.#stop.signal)
    this.#broker =
      broker instanceof Broker
        ? broker
        : connectBroker({ url: broker, name: `backstory consumer ${consumer}`, logger })
    this.#history = typeof history === 'string' ? openHistory({ history, exchange }) : history
    this.#fenceBroker =
      broker instanceof Broker
        ? broker
        : connectBroker({ url: broker, name: `backstory consumer ${consumer}, fences` })
    const taken = new Promise<void>((resolve) => {
      this.#markTaken = resolve
    })
    this.#onCaughtUp = new Promise<void>((resolve) => {
      this.#markCaughtUp = resolve
    })
    this.stopped = this.#run()
    // Whoever does not await it must not end the process: the logger has told.
    this.stopped.catch(() => {})
    this.taken = Promise.race([taken, this.stopped])
    this.taken.catch(() => {})
  }

  get status(): ConsumerStatus {
    const { consumer, exchange } = this.#parts
    const { applier, handOver } = this.#tenure ?? {}
    const { phase, cursor, replayed, live, duplicates, repairs } = applier?.state ?? initialState
    const { parked, reactions, discarded } = applier?.counts ?? nothingParked
    const head = Math.max(handOver?.head ?? 0, cursor)
    const lastError = newest(this.#lastError, applier?.lastError)
    return {
      consumer,
      exchange,
      phase,
      waitingFor: this.#waitingFor(),
      cursor,
      head,
      lag: head - cursor,
      lagSeconds: handOver?.lagSeconds ?? 0,
      applied: replayed + live - parked - discarded,
      replayed,
      live,
      duplicates,
      parked,
      parkedReactions: reactions,
      discarded,
      repairs,
      reconnects: this.#broker.reconnects,
      batchSizes: applier?.batchSizes ?? new BatchSizes().toCounts(),
      lastError: lastError?.message,
      lastErrorAt: lastError && new Date(lastError.at),
    }
  }

  async caughtUp(): Promise<void> {
    const ended = this.stopped.then(() => {
      throw new ConsumerError(
        'CONSUMER_CLOSED',
        `Consumer ${this.#parts.consumer} was closed before it caught up`,
      )
    })
    await Promise.race([this.#onCaughtUp, ended])
  }

  async certificate(): Promise<Certificate> {
    const { consumer, exchange, openStore } = this.#parts
    const marks = await openStore.transaction(async (unit) => ({
      state: await openStore.state(),
      waiting: await openStore.waiting(),
      counts: await unit.parking.counts(),
    }))
    return await certify({ consumer, exchange, ...marks }, this.#history)
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.stopped.catch(() => {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #waitingFor(): WaitingFor {
    if (this.#stop.signal.aborted) return undefined
    if (this.#tenure === undefined || !this.#isInHand) return 'store'
    return this.#tenure.applier.state.phase === 'stopped' ? undefined : this.#tenure.handOver.waitingFor
  }

  async #run(): Promise<void> {
    const { consumer, openStore, history, broker, logger } = this.#parts
    try {
      while (!this.#stop.signal.aborted) await this.#serveUnlessSuperseded()
    } catch (error) {
      logger.error('consumer.failed', { consumer, error: this.#noted(error) })
      throw error
    } finally {
      await openStore.close()
      if (typeof history === 'string') await this.#history.close()
      if (!(broker instanceof Broker)) await Promise.all([this.#broker.close(), this.#fenceBroker.close()])
    }
  }

  async #serveUnlessSuperseded(): Promise<void> {
    const { consumer, logger } = this.#parts
    try {
      await this.#serve()
    } catch (error) {
      if (isSuperseded(error)) {
        logger.warn('consumer.superseded', { consumer, error: (error as Error).message })
      } else if (!(this.#stop.signal.aborted && isUnavailable(error))) throw error
    }
  }

  /** Takes the store in hand and runs until told to stop, or until another hand has set the marks. */
  async #serve(): Promise<void> {
    const { consumer, openStore, logger } = this.#parts
    this.#isInHand = false
    await openStore.acquire(this.#stop.signal)
    this.#isInHand = true
    if (this.#stop.signal.aborted) return
    // It ends with this tenure: at the signal, or at the reactor's failure.
    const scope = new AbortController()
    const stop = () => scope.abort()
    this.#stop.signal.addEventListener('abort', stop)
    const care = new Care()
    const reactor = new Reactor({
      ...this.#parts,
      store: openStore,
      care,
      clock: this.#clock,
      signal: scope.signal,
    })
    const { applier, handOver } = await this.#open(reactor, { care, signal: scope.signal })
    let failure: { readonly error: unknown } | undefined
    const reacting = this.#parts.handlers.reacts
      ? reactor.run({ isCareful: !isOrderly(applier.state) }).catch((error: unknown) => {
          failure = { error }
          scope.abort()
        })
      : undefined
    try {
      await this.#reactFrom(applier)
      while (!scope.signal.aborted) await this.#round({ applier, handOver }, scope.signal)
      if (failure !== undefined) throw failure.error
    } finally {
      scope.abort()
      this.#stop.signal.removeEventListener('abort', stop)
      await reacting
      await applier.enter('stopped').catch((error: Error) => {
        logger.warn('consumer.phase-not-saved', { consumer, error: error.message })
      })
    }
  }

  async #open(
    reactor: Reactor<Tx>,
    { care, signal }: { care: Care; signal: AbortSignal },
  ): Promise<Tenure<Tx>> {
    const { consumer, exchange, prefetch, queueLengthMax, openStore, replayBatch, liveBatch, inboxKeepMs } =
      this.#parts
    const clock = this.#clock
    const applier = await Applier.open({
      ...this.#parts,
      store: openStore,
      carefulMax: Math.min(carefulMax, Math.max(replayBatch, liveBatch)),
      care,
      rememberMs: Math.min(inboxKeepMs, rememberMsMax),
      clock,
      signal,
      onReactions: () => reactor.wake(),
    })
    const fenceBroker = this.#fenceBroker
    const queue = { exchange, history: this.#history, consumer, prefetch, lengthMax: queueLengthMax }
    const link = queueLink(this.#broker, { fenceBroker, ...queue, signal })
    const handOver = new HandOver({
      ...this.#parts,
      link,
      history: this.#history,
      applier: applier as Applier<unknown>,
      clock,
      signal,
    })
    this.#tenure = { applier, handOver }
    this.#markTaken()
    void handOver.caughtUp().then(() => this.#markCaughtUp())
    return this.#tenure
  }

  async #reactFrom(applier: Applier<Tx>): Promise<void> {
    const { reactFrom } = this.#parts
    const history = this.#history
    while (reactFrom !== undefined && !this.#stop.signal.aborted) {
      try {
        const position = reactFrom instanceof Date ? await positionAt(history, reactFrom) : reactFrom
        return await applier.reactFrom(position, (page) => replayPage(history, page, applier.state))
      } catch (error) {
        if (!isTransient(error)) throw error
        this.#noted(error)
        await this.#clock.sleep(retryMs)
      }
    }
  }

  /** The message of an error, which the status tells from now on. */
  #noted(error: unknown): string {
    const { message } = error as Error
    this.#lastError = { message, at: this.#clock.now() }
    return message
  }

  /** One round of the hand-over. What the next may mend is told and waited for; the rest is thrown. */
  async #round({ applier, handOver }: Tenure<Tx>, signal: AbortSignal): Promise<void> {
    const { consumer, logger } = this.#parts
    try {
      const end = await handOver.round()
      if (end === 'gap') await applier.enter('replaying', { repair: true })
      if (end === 'lost') logger.warn('consumer.interrupted', { consumer })
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof BrokerError) || error.isPermanent) throw error
      logger.warn('consumer.interrupted', { consumer, error: this.#noted(error) })
      await this.#clock.sleep(retryMs)
    }
  }
}

const nothingParked = { parked: 0, reactions: 0, discarded: 0 }

function isSuperseded(error: unknown): boolean {
  return error instanceof ConsumerError && error.code === 'CONSUMER_SUPERSEDED'
}

/** No reason not to stop where it is told to: nothing was written, and the marks are as they were. */
function isUnavailable(error: unknown): boolean {
  return error instanceof ConsumerError && error.code === 'CONSUMER_STORE_UNAVAILABLE'
}

function realClock(signal: AbortSignal): Clock {
  return {
    now: Date.now,
    // An aborted wait is over: the loops look at the signal themselves.
    sleep: (ms) => (ms === 0 ? nextTurn() : sleep(ms, undefined, { signal }).catch(() => {})),
  }
}
