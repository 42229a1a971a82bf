/**
 * A queue that is adopted: one that was bound so that nothing be lost, and only ever fills.
 *
 * It ends at a fence: sent to the queue once the history queue is bound, it comes out behind all that the
 * history queue did not get; what is behind it is in both. A queue that drops messages (by age, by length) may
 * drop the fence too: then it is sent again, and an empty queue is an end as well.
 * A message leaves the queue after its commit. What was committed and not acknowledged comes again: those with
 * an id are known by it, the others by the batch in hand (batch-in-hand.ts).
 */

import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Broker,
  type BrokerChannel,
  BrokerError,
  fenceMessage,
  newFenceId,
  queueCounts,
  sendConfirmed,
  streamOffsetOf,
} from '../../broker/index.ts'
import type { HistoryWriter } from '../writer.ts'
import type { AdoptedSource, SourceOptions } from './adopted-source.ts'
import { BatchInHand } from './batch-in-hand.ts'
import { type Cut, Intake } from './recorder-intake.ts'

export class AdoptedQueue implements AdoptedSource {
  readonly truncated = 0
  readonly #options: SourceOptions & { readonly fenceBroker: Broker }
  readonly #note: string
  #batch!: BatchInHand
  #channel!: BrokerChannel
  #intake!: Intake
  #waiting = 0
  #deliveredAt = 0
  #openedAt = 0
  #lookedAt = 0
  readonly #fences = new Set<string>()
  /** Deliveries until the fence must have come; then it is lost. */
  #fenceWithin = 0

  constructor(options: SourceOptions & { readonly fenceBroker: Broker }) {
    this.#options = options
    this.#note = `adopted queue ${options.name}`
  }

  get left(): number {
    return this.#waiting + (this.#intake?.size ?? 0)
  }

  async open(channel: BrokerChannel, writer: HistoryWriter): Promise<Intake> {
    const { name } = this.#options
    this.#channel = channel
    this.#fenceWithin = 0
    this.#deliveredAt = 0
    await this.#requireUnused()
    this.#batch = await BatchInHand.read(writer, this.#note)
    const redelivery = this.#batch.comparison()
    // The batch in hand has to come whole to be compared.
    const prefetch = Math.max(this.#options.prefetch, redelivery.size)
    const intake = new Intake({ ...this.#options, prefetch, redelivery })
    this.#intake = intake
    this.#openedAt = Date.now()
    await channel.consume(name, {
      prefetch,
      onDelivery: (delivery) => {
        this.#deliveredAt = Date.now()
        if (streamOffsetOf(delivery) === undefined) intake.add(delivery)
        else throw notThatKind(`${name} is a stream: adopt it as one`)
      },
    })
    return intake
  }

  notesOf(cut: Cut): Readonly<Record<string, string>> | undefined {
    return this.#batch.notesOf(cut)
  }

  async committed({ deliveryTag, events, known }: Cut, writer: HistoryWriter): Promise<void> {
    this.#channel.ackUpTo(deliveryTag)
    this.#waiting = Math.max(0, this.#waiting - events.length - known)
    if (!this.#batch.isOpen) return
    await this.#channel.settled(this.#options.name)
    await this.#batch.settle(writer)
  }

  async isAtEnd(cut: Cut | undefined): Promise<boolean> {
    if (cut === undefined) return await this.#isEmpty()
    if (Date.now() - this.#lookedAt > lookMs) await this.#look()
    if (this.#options.follow) return false
    if (cut.fences.some((fence) => this.#fences.has(fence))) return true
    this.#fenceWithin -= cut.events.length + cut.known + cut.fences.length
    // Not awaited: a broker that is short of memory may take nothing until the queue has been emptied.
    if (this.#fenceWithin <= 0) void this.#sendFence()
    return false
  }

  async #isEmpty(): Promise<boolean> {
    const { name, follow } = this.#options
    await this.#look()
    if (follow || this.#intake.size > 0) return false
    const silentMs = Date.now() - Math.max(this.#deliveredAt, this.#openedAt)
    if (this.#waiting === 0) {
      if (silentMs < quietMs) return false
      // What was handed out may still be on its way, however long: without a consumer it is back, and counted.
      await this.#channel.close()
      await this.#requireUnused()
      return this.#waiting === 0
    }
    if (silentMs < silentMsMax) return false
    throw new BrokerError(
      'BROKER_QUEUE_BUSY',
      `Queue ${name} has ${this.#waiting} messages and hands out none: stop its other consumer, or, where it is a stream, adopt it as one`,
    )
  }

  async #sendFence(): Promise<void> {
    const { fenceBroker, name, prefetch, signal, logger } = this.#options
    const id = newFenceId()
    this.#fences.add(id)
    this.#fenceWithin = Number.POSITIVE_INFINITY
    try {
      await sendConfirmed(fenceBroker, fenceMessage(name, id), signal)
      await this.#look()
      this.#fenceWithin = this.#waiting + prefetch
    } catch (error) {
      // A full queue that refuses takes it once there is room.
      logger.debug('adoption.fence-not-sent', { queue: name, error: (error as Error).message })
      this.#fenceWithin = prefetch
    }
  }

  async #look(): Promise<void> {
    this.#waiting = await this.#channel.count(this.#options.name)
    this.#lookedAt = Date.now()
  }

  /** A consumer that was killed a moment ago may still be counted. */
  async #requireUnused(): Promise<void> {
    const { broker, name } = this.#options
    const deadline = Date.now() + goneMsMax
    for (;;) {
      const counts = await requireQueue(broker, name)
      this.#waiting = counts.messages
      if (counts.consumers === 0) return
      if (Date.now() < deadline) {
        await sleep(100)
        continue
      }
      throw new BrokerError(
        'BROKER_QUEUE_BUSY',
        `Queue ${name} has ${counts.consumers === 1 ? 'a consumer' : `${counts.consumers} consumers`}, which would take what the history is to have; stop it first`,
      )
    }
  }
}

/** Nothing comes, and messages are there. */
const silentMsMax = 10_000
const quietMs = 1_000
/** A busy machine takes a while to notice that a process was killed. */
const goneMsMax = 5_000
const lookMs = 1_000

/** @throws BrokerError `BROKER_QUEUE_LOST` where there is none of that name. */
export async function requireQueue(
  broker: Broker,
  name: string,
): Promise<{ messages: number; consumers: number }> {
  const counts = await queueCounts(broker, name)
  if (counts !== undefined) return counts
  throw new BrokerError('BROKER_QUEUE_LOST', `There is no queue ${name}; name another`)
}

export function notThatKind(message: string): BrokerError {
  return new BrokerError('BROKER_TOPOLOGY_MISMATCH', message)
}
