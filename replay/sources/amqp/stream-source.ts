/**
 * Reads a stream, over AMQP, and leaves it as it is. An event's position, and its token, is its offset + 1.
 *
 * It ends with the last offset that was there when it began. Where the newest segment is still empty, a stream
 * at rest does not tell that: then it ends where nothing more comes. Offsets are not dense: a stream spends one
 * of its own at the beginning of each segment, and retention drops the oldest.
 */
import {
  type Broker,
  BrokerError,
  type Delivery,
  lastStreamOffset,
  queueCounts,
  type StreamStart,
  streamOffsetOf,
  withoutStreamOffset,
} from '../../../broker/index.ts'
import { Arrivals } from '../../amqp/arrivals.ts'
import { asked, type BrokerPlace, connectTimeoutMs } from '../../amqp/broker-place.ts'
import { ReplayError } from '../../errors.ts'
import type { JsonEvent } from '../../json-event.ts'
import type { ReadOptions, Source, SourcePage, SourceSize } from '../../source.ts'
import { messageEvent } from './message-event.ts'

export interface StreamSourceOptions {
  readonly stream: string
  readonly place: BrokerPlace
  readonly begin: StreamStart
  readonly idleMs: number | undefined
  readonly prefetch: number
}

const pageMax = { max: 500, bytesMax: 4 * 1024 * 1024 }
const waitMs = 1_000
/** RabbitMQ may forget a reader that waits (rabbitmq/osiris#172): on a new channel it goes on. */
const silentMsMax = 5_000

export class StreamSource implements Source {
  readonly #options: StreamSourceOptions
  #broker: Broker | undefined
  #arrivals: Arrivals | undefined
  /** Undefined where it is not told. */
  #last: number | undefined
  #bytes = 0

  constructor(options: StreamSourceOptions) {
    this.#options = options
  }

  get name(): string {
    return `stream ${this.#options.stream}`
  }

  async open(): Promise<SourceSize> {
    const { place, stream, begin, idleMs, prefetch } = this.#options
    this.#broker = await asked(() => place.connect(), unavailable)
    const broker = this.#broker
    const counts = await asked(() => queueCounts(broker, stream), unavailable)
    if (counts === undefined) throw unavailable(`There is no stream ${stream}; name another`, undefined)
    this.#last = await asked(() => lastStreamOffset(broker, { stream, prefetch }), notReadable)
    // The count of messages lags behind; that of none is right for a stream that tells no last offset.
    if (counts.messages === 0) this.#last ??= -1
    const isWhole = begin === 'first' && idleMs === undefined
    return isWhole && this.#last !== undefined ? { events: this.#last + 1 } : {}
  }

  async *read({ after, signal }: ReadOptions): AsyncGenerator<SourcePage> {
    const { begin, idleMs, prefetch } = this.#options
    let next = after === undefined ? undefined : offsetOf(after) + 1
    const last = idleMs === undefined ? this.#last : Number.POSITIVE_INFINITY
    while (!signal.aborted && !isBehind(next ?? begin, last)) {
      const arrivals = await this.#consume({ from: next ?? begin, prefetch, signal })
      const openedAt = performance.now()
      while (arrivals.channel.isOpen && !signal.aborted) {
        await arrivals.some({ timeoutMs: waitMs, signal })
        const events: JsonEvent[] = []
        for (const delivery of arrivals.take(pageMax)) {
          arrivals.channel.ackUpTo(delivery.deliveryTag)
          const offset = streamOffsetOf(delivery)!
          // It is handed out from the beginning of a chunk, and after a lost connection once more.
          if (offset < (next ?? leastOf(begin)) || offset > (last ?? offset)) continue
          next = offset + 1
          this.#bytes += delivery.body.length
          events.push(this.#eventOf(delivery, offset))
        }
        yield { events, bytes: this.#bytes }
        if (last !== undefined && (next ?? 0) > last) return
        if (events.length > 0) continue
        const silentMs = Math.min(arrivals.silentMs, performance.now() - openedAt)
        if (silentMs >= (idleMs ?? (last === undefined ? silentMsMax : Number.POSITIVE_INFINITY))) return
        if (silentMs >= silentMsMax) await arrivals.channel.close()
      }
    }
  }

  async close(): Promise<void> {
    await this.#arrivals?.channel.close()
    await this.#broker?.close()
    this.#arrivals = undefined
    this.#broker = undefined
  }

  #eventOf(delivery: Delivery, offset: number): JsonEvent {
    const { stream } = this.#options
    const message = { ...delivery, properties: withoutStreamOffset(delivery.properties) }
    const origin = {
      placeOf: () => `stream ${stream}, offset ${offset}`,
      tokenOf: () => String(offset),
    }
    // The same one each time that it is read.
    return messageEvent(message, {
      position: offset + 1,
      origin,
      id: () => `unidentified:${stream}:${offset}`,
    })
  }

  async #consume({
    from,
    prefetch,
    signal,
  }: {
    from: StreamStart
    prefetch: number
    signal: AbortSignal
  }): Promise<Arrivals> {
    const { stream } = this.#options
    const broker = this.#broker!
    await asked(() => broker.connected({ timeoutMs: connectTimeoutMs }), unavailable)
    const channel = await asked(() => broker.openChannel({ signal }), unavailable)
    const arrivals = new Arrivals(channel)
    this.#arrivals = arrivals
    try {
      await channel.consume(stream, { prefetch, from, onDelivery: (delivery) => arrivals.add(delivery) })
    } catch (cause) {
      if (!(cause instanceof BrokerError)) throw cause
      if (cause.code !== 'BROKER_CHANNEL_LOST') throw unavailable(cause.message, cause)
    }
    return arrivals
  }
}

/** Whether nothing can be left between where it begins and its end. */
function isBehind(from: StreamStart, last: number | undefined): boolean {
  if (last === undefined) return false
  return last < (typeof from === 'number' ? from : 0)
}

function leastOf(begin: StreamStart): number {
  return typeof begin === 'number' ? begin : 0
}

function offsetOf(token: string): number {
  const offset = /^\d{1,16}$/.test(token) ? Number(token) : Number.NaN
  if (Number.isSafeInteger(offset)) return offset
  throw new ReplayError('REPLAY_CHECKPOINT_FOREIGN', `${token} is no offset of a stream`)
}

function unavailable(message: string, cause: unknown): ReplayError {
  return new ReplayError('REPLAY_SOURCE_UNAVAILABLE', message, { cause })
}

function notReadable(message: string, cause: unknown): ReplayError {
  const isOther = cause instanceof BrokerError && cause.code === 'BROKER_TOPOLOGY_MISMATCH'
  return new ReplayError(isOther ? 'REPLAY_SOURCE_INVALID' : 'REPLAY_SOURCE_UNAVAILABLE', message, { cause })
}
