/**
 * The seat of one partition in this process: taken while it is this process's to work on, else empty.
 *
 * It is there from the beginning to the end, whoever works, so that health and status always name each.
 */
import { BatchSizes } from '../../history/index.ts'
import type { Consumer, OpenedConsumer } from '../consumer.ts'
import type { ConsumerStatus } from '../consumer-status.ts'

export interface PartitionSeatOptions {
  /** Of the partition's consumer. */
  readonly consumer: string
  readonly exchange: string
  open(): Promise<OpenedConsumer>
}

export class PartitionSeat {
  /** Resolves after `end()`; rejects with what ended the partition's consumer. */
  readonly stopped: Promise<void>
  readonly #options: PartitionSeatOptions
  #consumer: Consumer | undefined
  #status: ConsumerStatus
  #isCaughtUp = false
  #settle!: { resolve(): void; reject(error: unknown): void }

  constructor(options: PartitionSeatOptions) {
    this.#options = options
    this.#status = neverStarted(options)
    this.stopped = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    // Whoever does not await it must not end the process: the logger has told.
    this.stopped.catch(() => {})
  }

  get isTaken(): boolean {
    return this.#consumer !== undefined
  }

  /** True once its consumer has caught up, here. */
  get isCaughtUp(): boolean {
    return this.#isCaughtUp
  }

  /** Of an empty seat: how far this process had come, waiting for the store. */
  get status(): ConsumerStatus {
    return this.#consumer?.status ?? this.#status
  }

  /** @throws as `startConsumer()` does. */
  async open(): Promise<OpenedConsumer> {
    return await this.#options.open()
  }

  /** @throws as `startConsumer()` does: the seat stays empty. */
  async take(): Promise<void> {
    if (this.#consumer !== undefined) return
    await this.start(await this.open())
  }

  async start(opened: OpenedConsumer): Promise<void> {
    const consumer = await opened.start()
    this.#consumer = consumer
    consumer.caughtUp().then(
      () => {
        this.#isCaughtUp = true
      },
      // It ended before: `stopped` tells why.
      () => {},
    )
    consumer.stopped.catch((error: unknown) => this.#settle.reject(error))
  }

  /** Leaves the partition to another instance. */
  async leave(): Promise<void> {
    const consumer = this.#consumer
    if (consumer === undefined) return
    await consumer.close()
    this.#status = { ...consumer.status, phase: 'stopped', waitingFor: 'store' }
    this.#consumer = undefined
  }

  async end(): Promise<void> {
    await this.#consumer?.close()
    this.#settle.resolve()
  }
}

function neverStarted({ consumer, exchange }: PartitionSeatOptions): ConsumerStatus {
  const counts = { applied: 0, replayed: 0, live: 0, duplicates: 0, repairs: 0, reconnects: 0 }
  return {
    consumer,
    exchange,
    phase: 'stopped',
    waitingFor: 'store',
    cursor: 0,
    head: 0,
    lag: 0,
    lagSeconds: 0,
    ...counts,
    parked: 0,
    parkedReactions: 0,
    discarded: 0,
    batchSizes: new BatchSizes().toCounts(),
    lastError: undefined,
    lastErrorAt: undefined,
  }
}
