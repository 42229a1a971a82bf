/**
 * A stream that is adopted: read from its first offset, over AMQP, and left as it is.
 *
 * Where it had come to is kept in the transaction of each batch, so that it goes on exactly there. It ends at
 * the last offset that was there once the history queue was bound: what comes later is in both. Where the newest
 * segment is still empty, a stream at rest does not tell its last offset: then it ends where nothing more comes.
 * Offsets are not dense: a stream spends one of its own at the beginning of each segment. More of them are
 * messages that retention dropped, before the first or in front of a slow reader.
 */
import {
  type BrokerChannel,
  BrokerError,
  type Delivery,
  lastStreamOffset,
  streamOffsetOf,
  withoutStreamOffset,
} from '../../broker/index.ts'
import type { HistoryWriter } from '../writer.ts'
import { notThatKind, requireQueue } from './adopted-queue.ts'
import type { AdoptedSource, SourceOptions } from './adopted-source.ts'
import { noComparison } from './batch-in-hand.ts'
import { type Cut, Intake } from './recorder-intake.ts'

export class AdoptedStream implements AdoptedSource {
  readonly #options: SourceOptions
  readonly #note: string
  #channel!: BrokerChannel
  /** The offset to be read next. */
  #next = 0
  #taken = 0
  #last: number | 'untold' | undefined
  #deliveredAt = 0
  #truncated = 0
  /** Of the deliveries at hand, by delivery tag. */
  readonly #offsets = new Map<number, number>()

  constructor(options: SourceOptions) {
    this.#options = options
    this.#note = `adopted stream ${options.name}`
  }

  get left(): number {
    return typeof this.#last === 'number' ? Math.max(0, this.#last + 1 - this.#taken) : 0
  }

  get truncated(): number {
    return this.#truncated
  }

  async open(channel: BrokerChannel, writer: HistoryWriter): Promise<Intake> {
    const { name, prefetch } = this.#options
    this.#channel = channel
    this.#offsets.clear()
    this.#next = this.#taken = Number((await writer.note(this.#note)) ?? 0)
    // Once: what comes later is in the history queue too.
    this.#last ??= (await this.#lookAtLast()) ?? 'untold'
    this.#deliveredAt = Date.now()
    const intake = new Intake({ ...this.#options, redelivery: noComparison() })
    await channel.consume(name, {
      prefetch,
      from: this.#next === 0 ? 'first' : this.#next,
      onDelivery: (delivery) => {
        this.#deliveredAt = Date.now()
        const offset = offsetOf(delivery, name)
        if (offset < this.#next) return
        this.#countGap(offset)
        this.#next = offset + 1
        this.#offsets.set(delivery.deliveryTag, offset)
        intake.add({ ...delivery, properties: withoutStreamOffset(delivery.properties) })
      },
    })
    return intake
  }

  notesOf({ deliveryTag }: Cut): Readonly<Record<string, string>> {
    return { [this.#note]: String(this.#offsets.get(deliveryTag)! + 1) }
  }

  async committed({ deliveryTag }: Cut): Promise<void> {
    this.#taken = this.#offsets.get(deliveryTag)! + 1
    for (const tag of this.#offsets.keys()) if (tag <= deliveryTag) this.#offsets.delete(tag)
    this.#channel.ackUpTo(deliveryTag)
  }

  async isAtEnd(cut: Cut | undefined): Promise<boolean> {
    if (this.#options.follow) return false
    const isSilent =
      cut === undefined && this.#offsets.size === 0 && Date.now() - this.#deliveredAt > silentMs
    if (typeof this.#last !== 'number') return isSilent
    if (this.#taken > this.#last) return true
    // RabbitMQ may forget a reader that waits (rabbitmq/osiris#172): on a new channel it goes on.
    if (isSilent) await this.#channel.close()
    return false
  }

  /** The first of all, or one that retention had reached while it was not read. */
  #countGap(offset: number): void {
    const missing = offset - this.#next
    if (missing <= 1) return
    this.#truncated += missing
    const { name, logger } = this.#options
    logger.warn('adoption.truncated', { queue: name, offset: this.#next, missing })
  }

  /** The highest offset that the stream hands out now; undefined where it is empty. */
  async #lookAtLast(): Promise<number | undefined> {
    const { broker, name, prefetch, signal } = this.#options
    await requireQueue(broker, name)
    try {
      return await lastStreamOffset(broker, { stream: name, prefetch, signal })
    } catch (cause) {
      const isOther = cause instanceof BrokerError && cause.code === 'BROKER_TOPOLOGY_MISMATCH'
      throw isOther ? notAStream(name) : cause
    }
  }
}

function offsetOf(delivery: Delivery, name: string): number {
  const offset = streamOffsetOf(delivery)
  if (offset === undefined) throw notAStream(name)
  return offset
}

function notAStream(name: string): Error {
  return notThatKind(`${name} is no stream: adopt it as a queue`)
}

const silentMs = 5_000
