/**
 * An adoption: the messages that a queue or a stream has kept, taken into the history, in their order.
 *
 * It is the history's only writer while it runs, so the recorder comes after it. First it binds the history
 * queue: from then on nothing is missed, however long the adoption takes. It ends where all has been taken
 * that the history queue did not get. What both have got meanwhile the recorder drops, by its identity.
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
  declareTopology,
  requireExchangeName,
} from '../../broker/index.ts'
import { type Logger, silentLogger } from '../../events/index.ts'
import { HistoryError, isTransient } from '../errors.ts'
import { openHistoryWriter } from '../open-history.ts'
import type { Appended, Batch, HistoryWriter } from '../writer.ts'
import { AdoptedQueue } from './adopted-queue.ts'
import type { AdoptedSource } from './adopted-source.ts'
import { AdoptedStream } from './adopted-stream.ts'
import { settleBindings } from './bindings-note.ts'
import type { Cut, Intake } from './recorder-intake.ts'

export interface AdoptionOptions {
  /** URL or URLs of the broker, or a connection to share, which `close()` then leaves open. */
  readonly broker: BrokerOptions['url'] | Broker
  /** Whose history it is. */
  readonly exchange: string
  /** As of `startRecorder()`. */
  readonly bindings?: readonly Binding[]
  /** As of `startRecorder()`. */
  readonly history: string
  /** Where the messages are: in a queue, which is emptied, or in a stream, which is read. */
  readonly from: { readonly queue: string } | { readonly stream: string }
  /** Goes on with what comes, until it is closed, and binds nothing. Default false. */
  readonly follow?: boolean
  /** Pause between binding the history queue and looking for the end, in milliseconds. Default 1,000. */
  readonly settleMs?: number
  /** Deliveries not acknowledged at a time. Default 2,000. */
  readonly prefetch?: number
  /** Events a transaction. Default 500. */
  readonly batchMax?: number
  readonly logger?: Logger
}

export interface AdoptionStatus {
  readonly exchange: string
  readonly state: 'connecting' | 'adopting' | 'holding' | 'done' | 'stopped'
  readonly head: number
  /** Messages taken since the start of this adoption, as all that follow. */
  readonly taken: number
  readonly recorded: number
  /** The history had them already. */
  readonly duplicates: number
  /** As of the recorder. */
  readonly conflicts: number
  /** Messages that were published to another exchange: they came to the queue in some other way. */
  readonly otherExchange: number
  /** Messages that are still to be taken, about. */
  readonly left: number
  /** Messages, at most, that a stream had dropped before they could be read. */
  readonly truncated: number
  readonly lastError: string | undefined
}

export interface Adoption {
  readonly status: AdoptionStatus
  /** Resolves when all was taken, or after `close()`; rejects with what ended it otherwise. */
  readonly ended: Promise<void>
  /** Finishes the batch in hand; the next adoption goes on from there. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Starts to adopt; it connects, and reconnects, by itself.
 *
 * What ends it (see `ended`): HistoryError `HISTORY_LOCKED` while a recorder runs, and as of
 * `startRecorder()`; BrokerError `BROKER_QUEUE_BUSY` where the queue has
 * another consumer, `BROKER_QUEUE_LOST` where there is none of that name, `BROKER_TOPOLOGY_MISMATCH` for a
 * stream that is none, and as of `startRecorder()`.
 *
 * @throws TypeError for an option out of its range.
 */
export function startAdoption(options: AdoptionOptions): Adoption {
  return new RunningAdoption(resolveOptions(options))
}

function resolveOptions({
  broker,
  exchange,
  bindings,
  history,
  from,
  follow = false,
  settleMs = 1_000,
  prefetch = 2_000,
  batchMax = 500,
  logger = silentLogger,
}: AdoptionOptions) {
  const name = 'queue' in from ? from.queue : from.stream
  for (const [option, value] of Object.entries({ history, from: name })) {
    if (typeof value !== 'string' || value === '') throw new TypeError(`Expected \`${option}\` to name one`)
  }
  requireExchangeName(exchange)
  if (bindings !== undefined) checkBindings(bindings)
  for (const [option, value, min, max] of [
    ['settleMs', settleMs, 0, 600_000],
    ['prefetch', prefetch, 1, 65_535],
    ['batchMax', batchMax, 1, 65_535],
  ] as const) {
    if (Number.isInteger(value) && value >= min && value <= max) continue
    throw new TypeError(`Expected \`${option}\` to be an integer from ${min} to ${max}, got ${value}`)
  }
  const isStream = 'stream' in from
  return {
    broker,
    exchange,
    bindings,
    history,
    name,
    isStream,
    follow,
    settleMs,
    prefetch,
    batchMax,
    logger,
  }
}

/** A queue that waits to be adopted fills its batches at once; a wait is for its end. */
const batchWaitMs = 50
const pauseMs = 250
const retryMsMin = 100
const retryMsMax = 5_000

class RunningAdoption implements Adoption {
  readonly ended: Promise<void>
  readonly #options: ReturnType<typeof resolveOptions>
  readonly #broker: Broker
  readonly #fenceBroker: Broker
  readonly #ownsBroker: boolean
  readonly #stop = new AbortController()
  readonly #source: AdoptedSource
  #state: AdoptionStatus['state'] = 'connecting'
  #hasStarted = false
  #head = 0
  #taken = 0
  #recorded = 0
  #duplicates = 0
  #conflicts = 0
  #otherExchange = 0
  #lastError: string | undefined

  constructor(options: ReturnType<typeof resolveOptions>) {
    const { broker, exchange, name, isStream, follow, prefetch, batchMax, logger } = options
    this.#options = options
    this.#ownsBroker = !(broker instanceof Broker)
    this.#broker =
      broker instanceof Broker
        ? broker
        : connectBroker({ url: broker, name: `backstory adoption of ${name}`, logger })
    const { signal } = this.#stop
    const place = { name, exchange, follow, prefetch, batchMax, batchWaitMs, signal, logger }
    const parts = { ...place, broker: this.#broker }
    // RabbitMQ may stop reading from a connection that publishes: not that of the acknowledgements.
    this.#fenceBroker =
      broker instanceof Broker || isStream || follow
        ? this.#broker
        : connectBroker({ url: broker, name: `backstory adoption of ${name}, fences` })
    this.#source = isStream
      ? new AdoptedStream(parts)
      : new AdoptedQueue({ ...parts, fenceBroker: this.#fenceBroker })
    this.ended = this.#run()
    // Whoever does not await it must not end the process: the logger has told.
    this.ended.catch(() => {})
  }

  get status(): AdoptionStatus {
    return {
      exchange: this.#options.exchange,
      state: this.#state,
      head: this.#head,
      taken: this.#taken,
      recorded: this.#recorded,
      duplicates: this.#duplicates,
      conflicts: this.#conflicts,
      otherExchange: this.#otherExchange,
      left: this.#source.left,
      truncated: this.#source.truncated,
      lastError: this.#lastError,
    }
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.ended.catch(() => {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #run(): Promise<void> {
    const { exchange, history, name, logger } = this.#options
    let writer: HistoryWriter | undefined
    try {
      writer = await openHistoryWriter({ history, exchange })
      this.#head = await writer.head()
      this.#state = (await this.#adopt(writer)) ? 'done' : 'stopped'
    } catch (error) {
      this.#state = 'stopped'
      logger.error('adoption.failed', { exchange, queue: name, error: this.#noted(error) })
      throw error
    } finally {
      await writer?.close()
      if (this.#ownsBroker) await Promise.all([this.#broker.close(), this.#fenceBroker.close()])
    }
  }

  /** One channel after another. @returns False where it was told to stop before the end. */
  async #adopt(writer: HistoryWriter): Promise<boolean> {
    const { exchange, name, logger } = this.#options
    const { signal } = this.#stop
    let isBound = this.#options.follow
    while (!signal.aborted) {
      this.#state = 'connecting'
      try {
        if (!isBound) await this.#bind(writer)
        isBound = true
        if (await this.#serveChannel(writer)) return true
      } catch (error) {
        if (signal.aborted) return false
        if (this.#endsIt(error)) throw error
        logger.warn('adoption.interrupted', { exchange, queue: name, error: this.#noted(error) })
        await this.#pause(retryMsMin)
      }
    }
    return false
  }

  /** From here on the history queue keeps what is published. */
  async #bind(writer: HistoryWriter): Promise<void> {
    const { exchange, bindings: asked, settleMs } = this.#options
    const { signal } = this.#stop
    const bindings = await settleBindings(writer, { broker: this.#broker, exchange, asked, signal })
    await declareTopology(this.#broker, { exchange, bindings, signal })
    await this.#pause(settleMs)
  }

  /** @returns Whether the end was reached. */
  async #serveChannel(writer: HistoryWriter): Promise<boolean> {
    const { exchange, name, logger } = this.#options
    const channel = await this.#broker.openChannel({ signal: this.#stop.signal })
    let intake: Intake | undefined
    const wake = () => intake?.wake()
    void channel.closed.then(wake)
    this.#stop.signal.addEventListener('abort', wake)
    try {
      intake = await this.#source.open(channel, writer)
      this.#state = 'adopting'
      this.#hasStarted = true
      logger.info('adoption.adopting', { exchange, queue: name, head: this.#head })
      let isAtEnd = await this.#source.isAtEnd(undefined)
      while (!isAtEnd && channel.isOpen && !this.#stop.signal.aborted) {
        const pause = setTimeout(wake, pauseMs)
        await intake.ready()
        clearTimeout(pause)
        // What came by a channel that is gone comes again, and could not be acknowledged.
        const cut = channel.isOpen ? intake.cut() : undefined
        if (cut !== undefined && !(await this.#append(writer, { cut, channel }))) break
        isAtEnd = channel.isOpen && (await this.#source.isAtEnd(cut))
      }
      if (isAtEnd) return true
    } finally {
      this.#stop.signal.removeEventListener('abort', wake)
      // What is at hand and not written goes back, in order.
      await channel.close()
    }
    const cause = await channel.closed
    if (cause !== undefined) throw cause
    return false
  }

  /** Writes a batch, however often it takes. @returns False where it was given up. */
  async #append(
    writer: HistoryWriter,
    { cut, channel }: { cut: Cut; channel: BrokerChannel },
  ): Promise<boolean> {
    const { exchange, logger } = this.#options
    const { events } = cut
    // Fences and notices that came this way were meant for somebody else. One batch for all tries: a writer
    // may find that it was written after all.
    const batch: Batch = { events, fences: [], notes: this.#source.notesOf(cut) ?? {} }
    for (let retryMs = retryMsMin; ; retryMs = Math.min(retryMs * 2, retryMsMax)) {
      try {
        this.#count(cut, await writer.append(batch))
        this.#state = 'adopting'
        break
      } catch (error) {
        if (!isTransient(error)) throw error
        this.#state = 'holding'
        logger.error('adoption.holding', { exchange, error: this.#noted(error), retryMs })
        await this.#pause(retryMs)
        if (this.#stop.signal.aborted || !channel.isOpen) return false
      }
    }
    await this.#source.committed(cut, writer)
    return true
  }

  #count({ events, known }: Cut, { head, recorded, duplicates, conflicts }: Appended): void {
    this.#head = head
    this.#taken += events.length + known
    this.#recorded += recorded
    this.#duplicates += duplicates + known
    this.#conflicts += conflicts
    const { exchange } = this.#options
    for (const { message } of events) if (message.exchange !== exchange) this.#otherExchange += 1
  }

  /** What was there at the start may come back; what was not there is a mistake. */
  #endsIt(error: unknown): boolean {
    if (error instanceof HistoryError) return !isTransient(error)
    if (!(error instanceof BrokerError)) return true
    const isMissing = ['BROKER_EXCHANGE_MISSING', 'BROKER_QUEUE_LOST'].includes(error.code)
    return error.isPermanent || (isMissing && !this.#hasStarted)
  }

  #noted(error: unknown): string {
    this.#lastError = (error as Error).message
    return this.#lastError
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stop.signal }).catch(() => {})
  }
}
