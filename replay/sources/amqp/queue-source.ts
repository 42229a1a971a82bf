/**
 * Reads a queue: looks at its messages and gives them back, or takes each once it is done with.
 *
 * To look, all of them are held by one consumer and go back to the front of the queue when its channel closes,
 * in their order, marked as redelivered; a quorum queue counts one return. Several consumers would put them back
 * in another order, so one prefetch is all that can be looked at.
 * To take, a message is acknowledged when the replay says that all up to it is settled. It ends with the last
 * one that was there when it began, or where nothing came for a while.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Broker,
  BrokerError,
  type Delivery,
  fenceIdOf,
  queueCounts,
  streamOffsetOf,
} from '../../../broker/index.ts'
import { Arrivals } from '../../amqp/arrivals.ts'
import { asked, type BrokerPlace, connectTimeoutMs } from '../../amqp/broker-place.ts'
import { ReplayError } from '../../errors.ts'
import type { JsonEvent } from '../../json-event.ts'
import type { ReadOptions, Source, SourcePage, SourceSize } from '../../source.ts'
import { digestOf, messageEvent } from './message-event.ts'
import { TakenMessages } from './taken.ts'

export interface QueueSourceOptions {
  readonly queue: string
  readonly place: BrokerPlace
  readonly take: boolean
  /** Of messages looked at. */
  readonly limit: number
  /** Whether the limit was asked for: a longer queue is then read so far. */
  readonly isLimited: boolean
  /** Of messages taken. */
  readonly prefetch: number
  readonly idleMs: number | undefined
  readonly returnsMax: number
}

const pageMax = { max: 500, bytesMax: 4 * 1024 * 1024 }
const quietMs = 1_000
/** Nothing comes, and messages are there. */
const silentMsMax = 10_000
/** A consumer that has just gone may still be counted. */
const goneMsMax = 1_000

export class QueueSource implements Source {
  readonly #options: QueueSourceOptions
  #broker: Broker | undefined
  #arrivals: Arrivals | undefined
  #taken: TakenMessages | undefined
  #waiting = 0
  #bytes = 0

  constructor(options: QueueSourceOptions) {
    this.#options = options
  }

  get name(): string {
    return `queue ${this.#options.queue}`
  }

  get takes(): boolean {
    return this.#options.take
  }

  get isLocal(): boolean {
    return this.#options.place.isLocal
  }

  async open(): Promise<SourceSize> {
    const { place, take, limit, isLimited, idleMs } = this.#options
    this.#broker = await asked(() => place.connect(), unavailable)
    this.#waiting = await this.#requireUnused()
    if (idleMs !== undefined) return {}
    return { events: !take && isLimited ? Math.min(this.#waiting, limit) : this.#waiting }
  }

  async *read({ after, signal, dryRun = false }: ReadOptions): AsyncGenerator<SourcePage> {
    yield* this.#options.take && !dryRun ? this.#take(after, signal) : this.#look(after, signal)
  }

  async settle(token: string): Promise<void> {
    this.#taken?.settle(positionOf(token))
    this.#arrivals?.wake()
  }

  async close(): Promise<void> {
    // What was not acknowledged goes back to the front, in order.
    await this.#arrivals?.channel.close()
    await this.#broker?.close()
    this.#arrivals = undefined
    this.#broker = undefined
  }

  async *#look(after: string | undefined, signal: AbortSignal): AsyncGenerator<SourcePage> {
    const { queue, limit, isLimited, returnsMax } = this.#options
    const end = isLimited ? Math.min(this.#waiting, limit) : this.#waiting
    if (end > limit) {
      throw invalid(
        `Queue ${queue} has ${end} messages, and ${limit} are looked at: \`limit\` looks at the first so many, ` +
          '`take` empties it',
      )
    }
    let mark = after
    while (!signal.aborted && (mark === undefined ? 0 : positionOf(mark)) < end) {
      // What is held comes again on a new channel, from the first on.
      const arrivals = await this.#consume({ prefetch: Math.max(1, end), signal })
      let position = 0
      while (position < end && arrivals.channel.isOpen && !signal.aborted) {
        await this.#awaitSome(arrivals, { signal, isFull: false })
        const held = arrivals.take(pageMax)
        if (held.length === 0) {
          if (arrivals.channel.isOpen && (await this.#isEmpty(arrivals)))
            return this.#requireSame(mark, position)
          yield this.#page([])
          continue
        }
        const events: JsonEvent[] = []
        for (const delivery of held) {
          position += 1
          if (delivery.returns >= returnsMax) throw tooOften(queue, delivery.returns)
          const token = `${position} ${digestOf(delivery)}`
          if (mark !== undefined && position <= positionOf(mark)) {
            if (position === positionOf(mark) && token !== mark) throw foreign(queue)
            continue
          }
          this.#bytes += delivery.body.length
          if (fenceIdOf(delivery) !== undefined) continue
          events.push(messageEvent(delivery, { position, origin: this.#origin(token) }))
        }
        if (events.length === 0) continue
        yield this.#page(events)
        mark = events.at(-1)!.token
      }
      if (position >= end) return this.#requireSame(mark, position)
    }
  }

  async *#take(after: string | undefined, signal: AbortSignal): AsyncGenerator<SourcePage> {
    const { prefetch, idleMs } = this.#options
    let position = after === undefined ? 0 : positionOf(after)
    let end = idleMs === undefined ? position + this.#waiting : Number.POSITIVE_INFINITY
    let sinceRound = 0
    const taken = new TakenMessages({ channel: () => this.#arrivals!.channel, settledMax: prefetch })
    this.#taken = taken
    while (position < end && !signal.aborted) {
      const arrivals = await this.#consume({ prefetch, signal })
      while (position < end && arrivals.channel.isOpen && !signal.aborted) {
        await this.#awaitSome(arrivals, { signal, isFull: taken.size >= prefetch })
        const events: JsonEvent[] = []
        const max = Math.min(pageMax.max, end - position)
        for (const delivery of arrivals.take({ ...pageMax, max })) {
          const what = taken.recognise(delivery)
          if (what === 'known') continue
          if (what === 'again') end += 1
          position += 1
          taken.add(delivery, position)
          this.#bytes += delivery.body.length
          if (fenceIdOf(delivery) !== undefined) continue
          events.push(messageEvent(delivery, { position, origin: this.#origin(String(position)) }))
        }
        sinceRound += events.length
        // Half of what may be in hand is acted on while the other half comes.
        const endsRound = sinceRound >= prefetch / 2 || taken.size >= prefetch
        if (endsRound) sinceRound = 0
        yield this.#page(events, endsRound)
        if (events.length === 0 && arrivals.channel.isOpen && taken.size < prefetch) {
          if (await this.#isAtEnd(arrivals)) return
        }
      }
      if (!arrivals.channel.isOpen) taken.lose()
    }
  }

  #page(events: JsonEvent[], endsRound = false): SourcePage {
    return { events, bytes: this.#bytes, endsRound }
  }

  #origin(token: string) {
    const { queue } = this.#options
    return { placeOf: (position: number) => `queue ${queue}, message ${position}`, tokenOf: () => token }
  }

  async #consume({ prefetch, signal }: { prefetch: number; signal: AbortSignal }): Promise<Arrivals> {
    const { queue } = this.#options
    const broker = this.#broker!
    await asked(() => broker.connected({ timeoutMs: connectTimeoutMs }), unavailable)
    const channel = await asked(() => broker.openChannel({ signal }), unavailable)
    const arrivals = new Arrivals(channel)
    this.#arrivals = arrivals
    const onDelivery = (delivery: Delivery) => {
      if (streamOffsetOf(delivery) === undefined) arrivals.add(delivery)
      else arrivals.fail(invalid(`${queue} is a stream: read it as stream:${queue}`))
    }
    try {
      await channel.consume(queue, { prefetch, onDelivery })
    } catch (cause) {
      if (!(cause instanceof BrokerError)) throw cause
      if (cause.code !== 'BROKER_CHANNEL_LOST') throw unavailable(cause.message, cause)
    }
    return arrivals
  }

  /** In a pause the page is empty, so that a round that waits is acted on. */
  async #awaitSome(
    arrivals: Arrivals,
    { signal, isFull }: { signal: AbortSignal; isFull: boolean },
  ): Promise<void> {
    await arrivals.some({ timeoutMs: quietMs, signal })
    if (isFull || arrivals.silentMs < silentMsMax || !arrivals.channel.isOpen) return
    if (arrivals.size > 0) return
    const count = await this.#count(arrivals)
    if (count === 0 || count === undefined) return
    const { queue } = this.#options
    throw unavailable(
      `Queue ${queue} has ${count} messages and hands out none: stop its other consumer; where it is a stream, ` +
        `read it as stream:${queue}; where it is a quorum queue of RabbitMQ 4.3 or later, look at 2,000 at most`,
      undefined,
    )
  }

  async #isAtEnd(arrivals: Arrivals): Promise<boolean> {
    const { idleMs } = this.#options
    if (idleMs === undefined) return await this.#isEmpty(arrivals)
    return arrivals.silentMs >= idleMs
  }

  /** Messages that were there may have expired since, or somebody purged them. */
  async #isEmpty(arrivals: Arrivals): Promise<boolean> {
    if (arrivals.silentMs < quietMs) return false
    return (await this.#count(arrivals)) === 0 && arrivals.size === 0
  }

  /** Undefined where the channel ended meanwhile. */
  async #count({ channel }: Arrivals): Promise<number | undefined> {
    try {
      return await channel.count(this.#options.queue)
    } catch (cause) {
      if (channel.isOpen) throw unavailable((cause as Error).message, cause)
      return undefined
    }
  }

  #requireSame(mark: string | undefined, position: number): void {
    if (mark !== undefined && position < positionOf(mark)) throw foreign(this.#options.queue)
  }

  async #requireUnused(): Promise<number> {
    const { queue } = this.#options
    const deadline = Date.now() + goneMsMax
    for (;;) {
      const counts = await asked(() => queueCounts(this.#broker!, queue), unavailable)
      if (counts === undefined) throw unavailable(`There is no queue ${queue}; name another`, undefined)
      if (counts.consumers === 0) return counts.messages
      if (Date.now() > deadline) {
        throw unavailable(
          `Queue ${queue} has ${counts.consumers === 1 ? 'a consumer' : `${counts.consumers} consumers`}, which would get a part of its messages; stop it first`,
          undefined,
        )
      }
      await sleep(100)
    }
  }
}

function positionOf(token: string): number {
  const position = Number(/^\d+/.exec(token)?.[0])
  if (Number.isSafeInteger(position)) return position
  throw new ReplayError('REPLAY_CHECKPOINT_FOREIGN', `${token} is no place in a queue`)
}

function unavailable(message: string, cause: unknown): ReplayError {
  return new ReplayError('REPLAY_SOURCE_UNAVAILABLE', message, { cause })
}

function invalid(message: string): ReplayError {
  return new ReplayError('REPLAY_SOURCE_INVALID', message)
}

function tooOften(queue: string, returns: number): ReplayError {
  return invalid(
    `Queue ${queue} has taken a message back ${returns} times, and drops it at its delivery limit (20 where none is set, ` +
      'since RabbitMQ 4.0): take it, or allow more with `returns`',
  )
}

function foreign(queue: string): ReplayError {
  return new ReplayError(
    'REPLAY_CHECKPOINT_FOREIGN',
    `Queue ${queue} no longer holds what was looked at: begin anew`,
  )
}
