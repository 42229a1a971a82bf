/**
 * Sends messages over confirm channels, one after the other without waiting, and tells what came of each.
 *
 * A channel that the broker closed with an error was closed over one of the messages that were open on it.
 * Those are sent again one at a time, until it is known which. What a lost connection left open may have
 * arrived: it is told as unavailable, and whoever tries again publishes it again.
 */
import { type Broker, type BrokerChannel, BrokerError, replyCodeOf } from '../../../broker/index.ts'
import type { Properties } from '../../../events/index.ts'
import { ActionFailure, type Outcome } from '../../action.ts'
import { connectTimeoutMs } from '../../amqp/broker-place.ts'
import { positionHeader, type ReplayedMessage } from './replayed-message.ts'

/** How long messages may be open without any confirm until their channel is given up. */
const silentMsMax = 30_000
/** Messages that the broker forbids, none taken before: then it takes none at all. */
const forbiddenMax = 3

const noRoute = 312
const forbidden = 403
/** Of a channel that the broker ends over a message: too large, forbidden, or with what it does not take. */
const overOneMessage: ReadonlySet<number | undefined> = new Set([311, forbidden, 406])

const unsendable = [TypeError, RangeError, SyntaxError]

interface Sent {
  readonly replayed: ReplayedMessage
  readonly key: string | undefined
  hasLeft: boolean
  /** Undefined where it is not known. */
  outcome: Outcome | undefined
}

export class ConfirmedSender {
  readonly #broker: Broker
  #lane: Promise<Lane> | undefined
  /** Those that were sent behind one that failed come again: they are not sent again. */
  readonly #arrived = new WeakSet<ReplayedMessage>()
  #taken = 0
  #forbidden = 0

  constructor(broker: Broker) {
    this.#broker = broker
  }

  /**
   * @param options.keys - Of each: it is sent when the one before it of its key has arrived. Undefined waits for
   *   none.
   * @returns An outcome for each message, in their order, up to and with the first failure.
   * @throws ActionFailure where none was sent: no connection, or the broker takes nothing.
   */
  async send(
    messages: readonly ReplayedMessage[],
    { keys, signal }: { keys: readonly (string | undefined)[]; signal: AbortSignal },
  ): Promise<Outcome[]> {
    if (this.#taken === 0 && this.#forbidden >= forbiddenMax) {
      throw new ActionFailure('refused', String(forbidden), 'RabbitMQ forbids this user to publish there')
    }
    const sent = messages.map((replayed, at): Sent => {
      const outcome = this.#arrived.has(replayed) ? 'done' : undefined
      return { replayed, key: keys[at], hasLeft: false, outcome }
    })
    const cause = await (await this.#openLane(signal)).send(sent, signal)
    if (isOverOne(cause)) {
      await this.#sendAlone(
        sent.filter(({ hasLeft, outcome }) => hasLeft && outcome === undefined),
        signal,
      )
    }
    const outcomes: Outcome[] = []
    for (const { replayed, outcome = unknown(cause) } of sent) {
      if (outcome === 'done') {
        this.#arrived.add(replayed)
        this.#taken += 1
      }
      const isBehindFailure = outcomes.length > 0 && typeof outcomes.at(-1) !== 'string'
      if (!isBehindFailure) outcomes.push(outcome)
    }
    return outcomes
  }

  /** The broker ended the channel over one of them: over which, is seen when each has one of its own. */
  async #sendAlone(open: readonly Sent[], signal: AbortSignal): Promise<void> {
    let lane: Lane | undefined
    try {
      for (const one of open) {
        lane ??= await Lane.open(this.#broker, signal)
        const cause = await lane.send([one], signal)
        if (one.outcome === undefined && isOverOne(cause)) {
          lane = undefined
          const code = replyCodeOf(cause)!
          one.outcome = new ActionFailure('refused', String(code), cause!.message, { cause })
          if (code === forbidden) this.#forbidden += 1
        }
        one.outcome ??= unknown(cause)
        // What comes behind one that failed is for another time.
        if (one.outcome !== 'done') return
      }
    } finally {
      await lane?.close()
    }
  }

  #openLane(signal: AbortSignal): Promise<Lane> {
    this.#lane ??= this.#newLane(signal)
    return this.#lane
  }

  async #newLane(signal: AbortSignal): Promise<Lane> {
    try {
      const lane = await Lane.open(this.#broker, signal)
      void lane.closed.then(() => {
        this.#lane = undefined
      })
      return lane
    } catch (error) {
      this.#lane = undefined
      throw error
    }
  }

  async close(): Promise<void> {
    const lane = await this.#lane?.catch(() => undefined)
    await lane?.close()
  }
}

/** A channel, and what is open on it. */
class Lane {
  readonly #broker: Broker
  readonly #channel: BrokerChannel
  /** Sent and not answered, by the channel's tag; a Map keeps the order. */
  readonly #open = new Map<number, Sent>()
  #lastTag = 0
  #answeredAt = 0
  #waiters: (() => void)[] = []
  #watch: NodeJS.Timeout | undefined

  /** @throws ActionFailure where there is no connection. */
  static async open(broker: Broker, signal: AbortSignal): Promise<Lane> {
    if (broker.isBlocked) throw blocked()
    try {
      const within = AbortSignal.any([signal, AbortSignal.timeout(connectTimeoutMs)])
      return new Lane(broker, await broker.openChannel({ confirm: true, signal: within }))
    } catch (cause) {
      signal.throwIfAborted()
      const code = cause instanceof BrokerError ? cause.code : 'BROKER_UNREACHABLE'
      const why = cause instanceof BrokerError ? cause : (broker.lastError ?? (cause as Error))
      throw new ActionFailure('unavailable', code, why.message, { cause })
    }
  }

  constructor(broker: Broker, channel: BrokerChannel) {
    this.#broker = broker
    this.#channel = channel
    channel.onReturn((properties) => this.#returned(properties))
    channel.onConfirm((tag, answer) => this.#answered(tag, answer))
    void channel.closed.then(() => {
      clearInterval(this.#watch)
      this.#wake()
    })
  }

  get closed(): Promise<Error | undefined> {
    return this.#channel.closed
  }

  /** @returns Why the channel ended, where it did before all had an outcome. */
  async send(messages: readonly Sent[], signal: AbortSignal): Promise<Error | undefined> {
    if (this.#broker.isBlocked) throw blocked()
    const channel = this.#channel
    this.#watch ??= setInterval(() => this.#abandonIfSilent(), silentMsMax / 10)
    const newest = new Map<string, Sent>()
    let isStopped = false
    for (const one of messages) {
      if (one.outcome !== undefined) continue
      const before = one.key === undefined ? undefined : newest.get(one.key)
      if (before !== undefined) {
        await this.#settled(before, signal)
        isStopped = before.outcome !== 'done'
      }
      if (isStopped || !channel.isOpen || signal.aborted) break
      if (one.key !== undefined) newest.set(one.key, one)
      one.hasLeft = true
      if (!this.#transmit(one)) await channel.drained()
    }
    for (const one of messages) if (one.hasLeft) await this.#settled(one, signal)
    signal.throwIfAborted()
    const isOpen = messages.some(({ hasLeft, outcome }) => outcome === undefined && (hasLeft || !isStopped))
    return isOpen ? await channel.closed : undefined
  }

  /** Resolves when the message has its outcome, or none will come any more. */
  async #settled(one: Sent, signal: AbortSignal): Promise<void> {
    while (one.outcome === undefined && this.#channel.isOpen && !signal.aborted)
      await this.#nextAnswer(signal)
  }

  async close(): Promise<void> {
    await this.#channel.close()
  }

  /** @returns false where the write buffer is full. */
  #transmit(one: Sent): boolean {
    try {
      const hasRoom = this.#channel.publish(one.replayed.message)
      this.#lastTag += 1
      if (this.#open.size === 0) this.#answeredAt = performance.now()
      this.#open.set(this.#lastTag, one)
      return hasRoom
    } catch (cause) {
      // The client has no form for it; or the channel has just ended, which is no fault of the message.
      if (this.#channel.isOpen && unsendable.some((kind) => cause instanceof kind)) {
        one.outcome = new ActionFailure('refused', 'AMQP_UNSENDABLE', (cause as Error).message, { cause })
      }
      return true
    }
  }

  /** The return of a message that no queue took comes before its confirm. */
  #returned({ headers }: Properties): void {
    const position = headers?.[positionHeader]
    for (const one of this.#open.values()) {
      if (one.replayed.position !== position || one.outcome !== undefined) continue
      const { exchange, routingKey } = one.replayed.message
      const where =
        exchange === '' ? `queue ${routingKey}` : `exchange ${exchange} by ${JSON.stringify(routingKey)}`
      one.outcome = new ActionFailure('refused', String(noRoute), `No queue took it: ${where}`)
      return
    }
  }

  #answered(tag: number, { multiple, accepted }: { multiple: boolean; accepted: boolean }): void {
    this.#answeredAt = performance.now()
    if (!multiple) this.#answerOne(tag, accepted)
    else {
      for (const open of this.#open.keys()) {
        if (open > tag) break
        this.#answerOne(open, accepted)
      }
    }
    this.#wake()
  }

  #answerOne(tag: number, accepted: boolean): void {
    const one = this.#open.get(tag)
    if (one === undefined) return
    this.#open.delete(tag)
    one.outcome ??= accepted ? 'done' : nacked()
  }

  async #nextAnswer(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = () => {
        signal.removeEventListener('abort', wake)
        resolve()
      }
      signal.addEventListener('abort', wake)
      this.#waiters.push(wake)
    })
  }

  #wake(): void {
    for (const wake of this.#waiters.splice(0)) wake()
  }

  /** A channel may stay without answers for ever while its connection is alive, and so may one that is blocked. */
  #abandonIfSilent(): void {
    if (this.#open.size === 0 || performance.now() - this.#answeredAt < silentMsMax) return
    this.#channel.abandon(new Error(`RabbitMQ has confirmed nothing for ${silentMsMax} ms`))
  }
}

function isOverOne(cause: Error | undefined): boolean {
  return overOneMessage.has(replyCodeOf(cause))
}

function unknown(cause: Error | undefined): ActionFailure {
  const code = String(replyCodeOf(cause) ?? 'BROKER_CHANNEL_LOST')
  const why = cause?.message ?? 'the connection was lost'
  return new ActionFailure('unavailable', code, `Not confirmed, and may have arrived: ${why}`, { cause })
}

function nacked(): ActionFailure {
  return new ActionFailure(
    'throttled',
    'BROKER_NACK',
    'RabbitMQ could not keep it in every queue: one is full or unavailable',
  )
}

function blocked(): ActionFailure {
  return new ActionFailure(
    'throttled',
    'BROKER_BLOCKED',
    'RabbitMQ takes no messages, short of memory or disk',
  )
}
