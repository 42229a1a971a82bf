/**
 * The outflow: the publishes that have not settled, in their order, over one channel after another.
 *
 * Waiting ones leave while fewer than `inFlightMax` are open and the write buffer takes them. When the
 * channel is gone, the open ones leave again first, in their order. A channel that the broker closed
 * with an error was closed over one of them: they then leave one at a time, until the one that closes
 * the channel again is known and refused.
 *
 * The first publish of a channel leaves alone, and again where it is nacked at once. RabbitMQ (3.10 to 4.x)
 * answers a declaration of a quorum queue that somebody else is declaring before that queue has been started,
 * and nacks what comes before it has: of many in flight the first would be refused, the others not.
 */
import { type BrokerChannel, replyCodeOf } from '../broker/index.ts'
import type { Message } from '../events/index.ts'
import { PublishError } from './errors.ts'
import type { Numbering } from './numbering.ts'

interface Publish {
  readonly message: Message
  readonly deadline: number
  readonly resolve: (published: { readonly id: string }) => void
  readonly reject: (error: Error) => void
  /** It was sent at least once: the broker may have it. */
  hasLeft: boolean
  settled: boolean
}

export class Outflow {
  readonly #inFlightMax: number
  /** Undefined where a publish waits as long as it takes. */
  readonly #confirmTimeoutMs: number | undefined
  readonly #numbering: Numbering | undefined
  /** Sent and not answered, by the channel's tag; a Map keeps the order. */
  #open = new Map<number, Publish>()
  #waiting: Publish[] = []
  #waitingFrom = 0
  #channel: BrokerChannel | undefined
  #lastTag = 0
  /** When the broker last answered, or had nothing to answer. */
  #answeredAt = 0
  #paused = false
  /** How many of the next publishes leave alone, because one of them closed a channel. */
  #suspects = 0
  /** Until when a nack says that a queue is being started; undefined once this channel has had an answer. */
  #startingUntil: number | undefined
  /** Twice as long each time: other queues take each copy. */
  #startPauseMs = 0
  #startTimer: NodeJS.Timeout | undefined
  #returned = new Set<string>()
  #timer: NodeJS.Timeout | undefined
  #roomWaiters: (() => void)[] = []
  #idleWaiters: (() => void)[] = []
  #unsettled = 0

  /** @param options.numbering - Default: messages leave as they are. */
  constructor({
    inFlightMax,
    confirmTimeoutMs,
    numbering,
  }: {
    inFlightMax: number
    confirmTimeoutMs?: number
    numbering?: Numbering
  }) {
    this.#inFlightMax = inFlightMax
    this.#confirmTimeoutMs = confirmTimeoutMs
    this.#numbering = numbering
  }

  get pending(): number {
    return this.#unsettled
  }

  /** For how long the broker has answered nothing while something is open, in milliseconds. */
  get silentMs(): number {
    return this.#open.size === 0 ? 0 : performance.now() - this.#answeredAt
  }

  /** Settles when the message is confirmed, with its id, or cannot be. */
  send(message: Message): Promise<{ readonly id: string }> {
    return new Promise((resolve, reject) => {
      const timeoutMs = this.#confirmTimeoutMs
      const deadline = timeoutMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs
      this.#waiting.push({ message, deadline, resolve, reject, hasLeft: false, settled: false })
      this.#unsettled += 1
      if (timeoutMs !== undefined) this.#timer ??= setTimeout(() => this.#expire(), timeoutMs)
      this.#pump()
    })
  }

  /** Resolves when nothing waits to be sent. */
  async room(): Promise<void> {
    if (this.#hasRoom()) return
    await new Promise<void>((resolve) => this.#roomWaiters.push(resolve))
  }

  /** Resolves when every publish has settled. */
  async idle(): Promise<void> {
    if (this.#unsettled > 0) await new Promise<void>((resolve) => this.#idleWaiters.push(resolve))
  }

  /** Sends over this channel from now on, what is still open first. */
  use(channel: BrokerChannel): void {
    this.#channel = channel
    this.#lastTag = 0
    this.#paused = false
    this.#startingUntil = performance.now() + queueStartMsMax
    this.#startPauseMs = queueStartPauseMsMin
    channel.onReturn(({ appId, messageId }) => this.#returned.add(`${appId}\0${messageId}`))
    channel.onConfirm((tag, answer) => this.#answered(tag, answer))
    this.#pump()
  }

  /** The channel is gone; what is open goes to the front again. */
  lost(cause: Error | undefined): void {
    this.#channel = undefined
    this.#endStart()
    this.#returned.clear()
    const open = [...this.#open.values()].filter((publish) => !publish.settled)
    this.#open.clear()
    if (replyCodeOf(cause) !== undefined) {
      const [first] = open
      if (this.#suspects > 0 && open.length === 1) this.#settle(first!, refused(first!, cause))
      else this.#suspects = open.length
    }
    this.#waiting = [...open.filter((publish) => !publish.settled), ...this.#waiting.slice(this.#waitingFrom)]
    this.#waitingFrom = 0
  }

  /** Whoever waits for room to publish goes on, and is told why where there is none. */
  wake(): void {
    this.#wakeRoom()
  }

  /** Nothing can be sent any more. */
  fail(error: Error): void {
    for (const publish of [...this.#open.values(), ...this.#waiting.slice(this.#waitingFrom)]) {
      this.#settle(publish, error)
    }
    this.#open.clear()
    this.#waiting = []
    this.#waitingFrom = 0
    this.#paused = false
    this.#wakeRoom()
  }

  #hasRoom(): boolean {
    return this.#waitingFrom === this.#waiting.length && this.#open.size < this.#inFlightMax && !this.#paused
  }

  #pump(): void {
    const channel = this.#channel
    if (channel === undefined || !channel.isOpen || this.#startTimer !== undefined) return
    while (!this.#paused && this.#waitingFrom < this.#waiting.length) {
      const leavesAlone = this.#suspects > 0 || this.#startingUntil !== undefined
      if (this.#open.size >= (leavesAlone ? 1 : this.#inFlightMax)) break
      const publish = this.#waiting[this.#waitingFrom]!
      if (!publish.settled && !this.#transmit(channel, publish)) break
      this.#waitingFrom += 1
    }
    this.#trimWaiting()
    if (this.#hasRoom()) this.#wakeRoom()
  }

  /** @returns false where the channel can take no more. */
  #transmit(channel: BrokerChannel, publish: Publish): boolean {
    const numbering = publish.hasLeft ? undefined : this.#numbering
    const isNext = numbering?.stamp(publish.message)
    try {
      if (!channel.publish(publish.message)) void this.#pauseUntilDrained(channel)
    } catch (error) {
      if (isNext === true) numbering!.clear(publish.message)
      if (!isEncodingError(error)) return false
      this.#settle(publish, error)
      return true
    }
    if (isNext === true) numbering!.take(publish.message)
    publish.hasLeft = true
    this.#lastTag += 1
    if (this.#open.size === 0) this.#answeredAt = performance.now()
    this.#open.set(this.#lastTag, publish)
    return true
  }

  async #pauseUntilDrained(channel: BrokerChannel): Promise<void> {
    this.#paused = true
    await channel.drained()
    if (this.#channel !== channel) return
    this.#paused = false
    this.#pump()
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
    this.#pump()
  }

  #answerOne(tag: number, accepted: boolean): void {
    const publish = this.#open.get(tag)
    if (publish === undefined) return
    this.#open.delete(tag)
    if (!accepted && !publish.settled && performance.now() < (this.#startingUntil ?? 0)) {
      this.#leaveAgain(publish)
      return
    }
    this.#endStart()
    if (this.#suspects > 0) this.#suspects -= 1
    const { appId, messageId } = publish.message.properties
    // The return of an unroutable message comes before its confirm.
    const unroutable = this.#returned.size > 0 && this.#returned.delete(`${appId}\0${messageId}`)
    if (unroutable) this.#settle(publish, unroutableError(publish))
    else this.#settle(publish, accepted ? undefined : nacked(publish))
  }

  /** The first of a channel, before all that waits. */
  #leaveAgain(publish: Publish): void {
    this.#waiting = [publish, ...this.#waiting.slice(this.#waitingFrom)]
    this.#waitingFrom = 0
    this.#startTimer = setTimeout(() => {
      this.#startTimer = undefined
      this.#pump()
    }, this.#startPauseMs)
    this.#startPauseMs *= 2
  }

  /** Publishes leave side by side from here on. */
  #endStart(): void {
    this.#startingUntil = undefined
    clearTimeout(this.#startTimer)
    this.#startTimer = undefined
  }

  #settle(publish: Publish, error?: Error): void {
    if (publish.settled) return
    publish.settled = true
    this.#unsettled -= 1
    if (error === undefined) {
      this.#numbering?.forget(publish.message)
      publish.resolve({ id: publish.message.properties.messageId! })
    } else {
      if (publish.hasLeft) this.#numbering?.keep(publish.message)
      publish.reject(error)
    }
    if (this.#unsettled > 0) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (const wake of this.#idleWaiters.splice(0)) wake()
  }

  /** Rejects what is past its deadline; the oldest come first, so it looks no further than needed. */
  #expire(): void {
    this.#timer = undefined
    const now = performance.now()
    const next = this.#expireAmong(this.#open.values(), now) ?? this.#expireAmong(this.#stillWaiting(), now)
    if (next !== undefined) this.#timer ??= setTimeout(() => this.#expire(), Math.max(next - now, 1))
    this.#pump()
    // Without a channel nothing was pumped: what has expired must not be kept until there is one.
    while (this.#waiting[this.#waitingFrom]?.settled === true) this.#waitingFrom += 1
    this.#trimWaiting()
    if (this.#hasRoom()) this.#wakeRoom()
  }

  #expireAmong(publishes: Iterable<Publish>, now: number): number | undefined {
    for (const publish of publishes) {
      if (publish.settled) continue
      if (publish.deadline > now) return publish.deadline
      this.#settle(publish, timedOut(publish, this.#confirmTimeoutMs!))
    }
    return undefined
  }

  *#stillWaiting(): Iterable<Publish> {
    for (let at = this.#waitingFrom; at < this.#waiting.length; at++) yield this.#waiting[at]!
  }

  /** Drops the sent part of the list now and then: shifting each one would cost its length. */
  #trimWaiting(): void {
    if (this.#waitingFrom === this.#waiting.length) this.#waiting = []
    else if (this.#waitingFrom > 1_000) this.#waiting = this.#waiting.slice(this.#waitingFrom)
    else return
    this.#waitingFrom = 0
  }

  #wakeRoom(): void {
    for (const wake of this.#roomWaiters.splice(0)) wake()
  }
}

/** A queue starts within some milliseconds; on a machine with much else to do, within a second or two. */
const queueStartMsMax = 3_000
const queueStartPauseMsMin = 20

/** A header or property that AMQP has no form for: the client throws before anything is sent. */
function isEncodingError(error: unknown): error is Error {
  return error instanceof TypeError || error instanceof RangeError
}

function nacked({ message }: Publish): PublishError {
  const eventId = message.properties.messageId
  return new PublishError(
    'PUBLISH_NACKED',
    `The broker could not keep event ${eventId} in every queue of ${message.exchange}: one is full or unavailable. Publish it again with the same id`,
    { eventId },
  )
}

function unroutableError({ message }: Publish): PublishError {
  const eventId = message.properties.messageId
  return new PublishError(
    'PUBLISH_UNROUTABLE',
    `No queue took event ${eventId}: the history queue of ${message.exchange} is gone. Start its recorder, then publish it again with the same id`,
    { eventId },
  )
}

function refused({ message }: Publish, cause: Error | undefined): PublishError {
  const eventId = message.properties.messageId
  return new PublishError('PUBLISH_REFUSED', `The broker refused event ${eventId}: ${cause?.message}`, {
    cause,
    eventId,
  })
}

function timedOut({ message }: Publish, confirmTimeoutMs: number): PublishError {
  const eventId = message.properties.messageId
  return new PublishError(
    'PUBLISH_TIMEOUT',
    `Event ${eventId} was not confirmed within ${confirmTimeoutMs} ms. It may have arrived: publish it again with the same id`,
    { eventId },
  )
}
