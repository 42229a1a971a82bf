/**
 * The recorder: the history consumer of an exchange, and the only writer of its history.
 *
 * States: `standby` (another writer holds the history; leaves when it lets go, and comes back where another takes over), `connecting` (no channel;
 * leaves when the broker answers), `recording`, `holding` (the store cannot write: deliveries are kept and
 * tried again, the broker keeps the rest; leaves when a write succeeds), `stopped`.
 * A batch is acknowledged after its transaction has committed, on the channel that delivered it. What was
 * committed and not acknowledged comes again and is dropped as a duplicate.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Binding,
  Broker,
  type BrokerChannel,
  BrokerError,
  type BrokerOptions,
  checkBindings,
  connectBroker,
  declareAroundPartition,
  declareTopology,
  historyQueueOf,
  requireExchangeName,
} from '../../broker/index.ts'
import { isTracing, type Logger, silentLogger, traceRecord } from '../../events/index.ts'
import { HistoryError, isTransient } from '../errors.ts'
import { openHistoryWriter } from '../open-history.ts'
import { isPostgresUrl, shownAddress } from '../postgres/postgres.ts'
import type { Batch, HistoryWriter } from '../writer.ts'
import { BatchInHand } from './batch-in-hand.ts'
import { BatchSizes, type SizeCounts } from './batch-sizes.ts'
import { settleBindings } from './bindings-note.ts'
import { type Cut, Intake } from './recorder-intake.ts'
import { QueueWatch } from './recorder-watch.ts'

export interface RecorderOptions {
  /** URL or URLs of the broker, or a connection to share, which `close()` then leaves open. */
  readonly broker: BrokerOptions['url'] | Broker
  /** One that is a partition by its name, as in `orders.2of4`, is declared together with the others. */
  readonly exchange: string
  /**
   * How to bind to an exchange that somebody else declares; kept in the history, which its consumers follow.
   * Default: as the history says; else so that all is caught. A direct exchange has no such binding.
   */
  readonly bindings?: readonly Binding[]
  /**
   * Path of a SQLite file, made where missing, or the URL of a PostgreSQL database, in which the history gets
   * a schema of its own.
   */
  readonly history: string
  /** Where another recorder writes this history: wait and take over. Default false: an error. */
  readonly standby?: boolean
  /** Deliveries not acknowledged at a time. Default 2,000, the most that RabbitMQ 4.3 gives a quorum queue. */
  readonly prefetch?: number
  /** Events a transaction, at most. Default 1,000: the broker hands out the next while they are written. */
  readonly batchMax?: number
  /** How long an incomplete batch waits for more, in milliseconds. Default 5. */
  readonly batchWaitMs?: number
  /** Pause between two looks at the length of the queue and at its dead letters, in milliseconds. Default 10,000. */
  readonly lookMs?: number
  readonly logger?: Logger
}

export interface RecorderStatus {
  readonly exchange: string
  readonly state: 'standby' | 'connecting' | 'recording' | 'holding' | 'stopped'
  readonly head: number
  /** Since the start of this recorder, as all that follow. */
  readonly recorded: number
  readonly duplicates: number
  /** Events with the (source, id) of another one but another body: kept as events without identity. */
  readonly conflicts: number
  readonly batches: number
  readonly batchSizes: SizeCounts
  /** Deliveries at hand that are not yet written. */
  readonly held: number
  /** Messages in the history queue that were not handed out yet, at the last look. */
  readonly backlog: number
  /** Messages in the history queue's dead-letter queue at the last look; it must stay empty. */
  readonly deadLetters: number
  readonly reconnects: number
  readonly lastError: string | undefined
  readonly lastErrorAt: Date | undefined
}

export interface Recorder {
  readonly status: RecorderStatus
  /**
   * Resolves once it consumes the history queue; rejects as `stopped` does where that cannot be, and with
   * `HISTORY_CLOSED` where it was closed before.
   */
  started(): Promise<void>
  /** Resolves after `close()`; rejects with what ended the recorder otherwise. */
  readonly stopped: Promise<void>
  /** Finishes the batch in hand and lets the next writer in; what else is at hand goes back to the queue. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Starts to record; it connects, and reconnects, by itself.
 *
 * What ends it (see `stopped`): HistoryError `HISTORY_LOCKED` without `standby`, at its start or where another
 * has taken over while the database was away; `HISTORY_CORRUPT`,
 * `HISTORY_FOREIGN`, `HISTORY_TOO_NEW`, `HISTORY_REPLACED`, `HISTORY_DRIVER_MISSING`, and
 * `HISTORY_UNAVAILABLE` where the file cannot be opened; BrokerError `BROKER_ACCESS_REFUSED`, `BROKER_TOPOLOGY_MISMATCH`,
 * `BROKER_BINDINGS_UNKNOWN`, `BROKER_PLUGIN_MISSING`, and at its start `BROKER_EXCHANGE_MISSING`.
 *
 * @throws TypeError for an option out of its range.
 */
export function startRecorder(options: RecorderOptions): Recorder {
  return new QueueRecorder(resolveOptions(options))
}

function resolveOptions({
  broker,
  exchange,
  bindings,
  history,
  standby = false,
  prefetch = 2_000,
  batchMax = 1_000,
  batchWaitMs = 5,
  lookMs = 10_000,
  logger = silentLogger,
}: RecorderOptions) {
  requireExchangeName(exchange)
  if (typeof history !== 'string' || history === '')
    throw new TypeError('Expected `history` to be a path or a URL')
  for (const [name, value, max] of [
    ['prefetch', prefetch, 65_535],
    ['batchMax', batchMax, 65_535],
    ['batchWaitMs', batchWaitMs, 60_000],
    ['lookMs', lookMs, 3_600_000],
  ] as const) {
    if (Number.isInteger(value) && value >= 1 && value <= max) continue
    throw new TypeError(`Expected \`${name}\` to be an integer from 1 to ${max}, got ${value}`)
  }
  if (bindings !== undefined) checkBindings(bindings)
  return { broker, exchange, bindings, history, standby, prefetch, batchMax, batchWaitMs, lookMs, logger }
}

const retryMsMin = 100
const retryMsMax = 5_000
/** Each try makes a connection. */
const databaseStandbyMs = 1_000

/** Names the note of what the recorder has in hand. */
const batchNote = 'recorded batch'

/** What a channel is served with. */
interface Place {
  readonly writer: HistoryWriter
  readonly channel: BrokerChannel
  readonly inHand: BatchInHand
}

class QueueRecorder implements Recorder {
  readonly stopped: Promise<void>
  readonly #options: ReturnType<typeof resolveOptions>
  readonly #broker: Broker
  readonly #ownsBroker: boolean
  readonly #stop = new AbortController()
  readonly #onStarted: Promise<void>
  #markStarted!: () => void
  #writer: HistoryWriter | undefined
  #state: RecorderStatus['state'] = 'connecting'
  #hasStarted = false
  #head = 0
  #recorded = 0
  #duplicates = 0
  #conflicts = 0
  #batches = 0
  readonly #batchSizes = new BatchSizes()
  readonly #watch: QueueWatch
  #intake: Intake | undefined
  #lastError: { readonly message: string; readonly at: Date } | undefined

  constructor(options: ReturnType<typeof resolveOptions>) {
    const { broker, exchange, logger } = options
    this.#options = options
    this.#watch = new QueueWatch({ queue: historyQueueOf(exchange), exchange, logger })
    this.#ownsBroker = !(broker instanceof Broker)
    this.#broker =
      broker instanceof Broker
        ? broker
        : connectBroker({ url: broker, name: `backstory recorder of ${exchange}`, logger })
    const started = new Promise<void>((resolve) => {
      this.#markStarted = resolve
    })
    this.stopped = this.#run()
    this.#onStarted = Promise.race([started, this.stopped.then(() => this.#refuseStart())])
    // Whoever awaits neither must not end the process: the logger has told.
    this.stopped.catch(() => {})
    this.#onStarted.catch(() => {})
  }

  get status(): RecorderStatus {
    return {
      exchange: this.#options.exchange,
      state: this.#state,
      head: this.#head,
      recorded: this.#recorded,
      duplicates: this.#duplicates,
      conflicts: this.#conflicts,
      batches: this.#batches,
      batchSizes: this.#batchSizes.toCounts(),
      held: this.#intake?.size ?? 0,
      backlog: this.#watch.backlog,
      deadLetters: this.#watch.deadLetters,
      reconnects: this.#broker.reconnects,
      lastError: this.#lastError?.message,
      lastErrorAt: this.#lastError?.at,
    }
  }

  started(): Promise<void> {
    return this.#onStarted
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.stopped.catch(() => {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #refuseStart(): never {
    throw new HistoryError(
      'HISTORY_CLOSED',
      `The recorder of ${this.#options.exchange} was closed before it started`,
    )
  }

  async #run(): Promise<void> {
    const { exchange, logger } = this.#options
    try {
      while (!this.#stop.signal.aborted) {
        this.#writer = await this.#openWriter()
        if (this.#writer === undefined) break
        await this.#record(this.#writer)
        await this.#writer.close()
      }
    } catch (error) {
      logger.error('recorder.failed', { exchange, error: this.#noted(error) })
      throw error
    } finally {
      this.#state = 'stopped'
      await this.#writer?.close()
      if (this.#ownsBroker) await this.#broker.close()
    }
  }

  /** Undefined where it was closed while it stood by. */
  async #openWriter(): Promise<HistoryWriter | undefined> {
    const { exchange, history, standby, logger } = this.#options
    while (!this.#stop.signal.aborted) {
      try {
        return await openHistoryWriter({ history, exchange })
      } catch (error) {
        // A database may be away for a while; one that was never there may be a mistake.
        const mayCome = isTransient(error) && (this.#state === 'standby' || this.#hasStarted)
        if (!(isLocked(error) && standby) && !mayCome) throw error
        if (mayCome) this.#noted(error)
        if (this.#state !== 'standby')
          logger.info('recorder.standby', { exchange, history: shownAddress(history) })
        this.#state = 'standby'
        const pauseMs = isPostgresUrl(history) ? databaseStandbyMs : retryMsMin
        await sleep(pauseMs, undefined, { signal: this.#stop.signal }).catch(() => {})
      }
    }
    return undefined
  }

  /** Serves one channel after another until it is told to stop, or has to stand by for another recorder. */
  async #record(writer: HistoryWriter): Promise<void> {
    const { exchange, logger } = this.#options
    this.#head = await writer.head()
    while (!this.#stop.signal.aborted) {
      this.#state = 'connecting'
      try {
        await this.#serveChannel(writer)
      } catch (error) {
        if (this.#stop.signal.aborted) return
        if (isLocked(error) && this.#options.standby) return
        if (isPermanent(error) || (isMissing(error) && !this.#hasStarted)) throw error
        logger.warn('recorder.interrupted', { exchange, error: this.#noted(error) })
        await sleep(retryMsMin, undefined, { signal: this.#stop.signal }).catch(() => {})
      }
    }
  }

  async #serveChannel(writer: HistoryWriter): Promise<void> {
    const { exchange, bindings: asked, batchMax, batchWaitMs, lookMs, logger } = this.#options
    const { signal } = this.#stop
    await declareAroundPartition(this.#broker, { exchange, signal })
    const bindings = await settleBindings(writer, { broker: this.#broker, exchange, asked, signal })
    await declareTopology(this.#broker, { exchange, bindings, signal })
    const inHand = await BatchInHand.read(writer, batchNote)
    // One that came back to its database may find that the last batch was written after all.
    this.#head = await writer.head()
    const redelivery = inHand.comparison()
    // The batch in hand has to come whole to be compared.
    const prefetch = Math.max(this.#options.prefetch, redelivery.size)
    const intake = new Intake({ redelivery, prefetch, batchMax, batchWaitMs })
    const channel = await this.#broker.openChannel({ signal: this.#stop.signal })
    this.#intake = intake
    const wake = () => intake.wake()
    void channel.closed.then(wake)
    this.#stop.signal.addEventListener('abort', wake)
    try {
      await channel.consume(historyQueueOf(exchange), {
        prefetch,
        onDelivery: (delivery) => intake.add(delivery),
      })
      await this.#watch.look(channel)
      this.#watch.keepLooking(channel, lookMs)
      this.#state = 'recording'
      logger.info('recorder.recording', { exchange, head: this.#head })
      this.#hasStarted = true
      this.#markStarted()
      while (channel.isOpen && !this.#stop.signal.aborted) {
        await intake.ready()
        // What came by a channel that is gone comes again, and could not be acknowledged.
        const cut = channel.isOpen ? intake.cut() : undefined
        if (cut !== undefined) await this.#append(cut, { writer, channel, inHand })
      }
    } finally {
      this.#stop.signal.removeEventListener('abort', wake)
      // What is at hand and not written goes back to the queue, in order.
      await channel.close()
      intake.wake()
    }
    const cause = await channel.closed
    if (cause !== undefined) throw cause
  }

  /** Writes a batch, however often it takes, then acknowledges it. Gives up when its channel is gone. */
  async #append(cut: Cut, place: Place): Promise<void> {
    const { writer, channel, inHand } = place
    // One batch for all tries: a writer may find that it was written after all.
    const notes = inHand.notesOf(cut)
    const batch = notes === undefined ? cut : { ...cut, notes }
    let retryMs = retryMsMin
    while (!(await this.#tryAppend(batch, { writer, retryMs }))) {
      await sleep(retryMs, undefined, { signal: this.#stop.signal }).catch(() => {})
      if (this.#stop.signal.aborted || !channel.isOpen) return
      retryMs = Math.min(retryMs * 2, retryMsMax)
    }
    channel.ackUpTo(cut.deliveryTag)
    if (inHand.isOpen && channel.isOpen) await this.#settle(place)
  }

  async #tryAppend(
    cut: Cut & Batch,
    { writer, retryMs }: { writer: HistoryWriter; retryMs: number },
  ): Promise<boolean> {
    const { exchange, logger } = this.#options
    try {
      const { head, recorded, duplicates, conflicts } = isTracing()
        ? await this.#traced(cut, () => writer.append(cut))
        : await writer.append(cut)
      if (conflicts > 0) logger.warn('recorder.conflict', { exchange, head, conflicts })
      this.#conflicts += conflicts
      this.#head = head
      this.#recorded += recorded
      this.#duplicates += duplicates + cut.known
      this.#batches += 1
      this.#batchSizes.add(cut.events.length + cut.known)
      if (this.#state === 'holding') logger.info('recorder.recording', { exchange, head })
      this.#state = 'recording'
      return true
    } catch (error) {
      if (!isTransient(error)) throw error
      this.#state = 'holding'
      logger.error('recorder.holding', { exchange, error: this.#noted(error), retryMs })
      return false
    }
  }

  async #traced<Result>({ events }: Cut, append: () => Promise<Result>): Promise<Result> {
    const { exchange } = this.#options
    const messages = events.map(({ message }) => message)
    return await traceRecord({ exchange, queue: historyQueueOf(exchange), messages }, append)
  }

  /** The message of an error, which the status tells from now on. */
  #noted(error: unknown): string {
    const { message } = error as Error
    this.#lastError = { message, at: new Date() }
    return message
  }

  /** Only messages without identity need to know that their acknowledgement arrived. */
  async #settle({ writer, channel, inHand }: Place): Promise<void> {
    try {
      await channel.settled(historyQueueOf(this.#options.exchange))
      await inHand.settle(writer)
    } catch (error) {
      // Whatever comes redelivered is compared with the batch.
      this.#options.logger.debug('recorder.not-settled', { error: (error as Error).message })
    }
  }
}

function isLocked(error: unknown): boolean {
  return error instanceof HistoryError && error.code === 'HISTORY_LOCKED'
}

function isPermanent(error: unknown): boolean {
  if (error instanceof HistoryError) return !isTransient(error)
  return error instanceof BrokerError && error.isPermanent
}

/** An exchange of somebody else that has been there may come back. */
function isMissing(error: unknown): boolean {
  return error instanceof BrokerError && error.code === 'BROKER_EXCHANGE_MISSING'
}
