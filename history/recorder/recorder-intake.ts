/**
 * The intake: deliveries of one channel, waiting to be written, and cut into batches.
 *
 * At first, redelivered messages without identity are held back until it is known whether the history
 * holds them already (batch-in-hand.ts); everything behind them waits, so that order is kept.
 */
import { cursorNoticeOf, type Delivery, fenceIdOf } from '../../broker/index.ts'
import { attributesOf } from '../../events/index.ts'
import type { Batch, ConsumerCursor, NewEvent } from '../writer.ts'
import type { Comparison } from './batch-in-hand.ts'

/** A batch, and the tag that acknowledges it and all before it. */
export interface Cut extends Batch {
  readonly deliveryTag: number
  /** Redelivered messages without identity that the history holds already. */
  readonly known: number
  readonly hasUnidentified: boolean
}

export interface IntakeOptions {
  /** With the batch in hand. */
  readonly redelivery: Comparison
  /** Deliveries that the broker hands out at once: what is held back must not exceed it. */
  readonly prefetch: number
  /** Events a batch. */
  readonly batchMax: number
  /** How long an incomplete batch waits for more. */
  readonly batchWaitMs: number
}

export class Intake {
  readonly #options: IntakeOptions
  readonly #redelivery: Comparison
  #queue: Delivery[] = []
  #from = 0
  /** Fences in the queue: each ends its batch, so a batch is ready when one is there. */
  #fences = 0
  /** Messages without id of the batch in hand that are still to come, once it has come again. */
  #known = 0
  #isHeld: boolean
  #resolveReady: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined
  /** Its own: whoever wakes the intake must not end the wait for redelivered messages. */
  #redeliveryTimer: NodeJS.Timeout | undefined

  constructor(options: IntakeOptions) {
    this.#options = options
    this.#redelivery = options.redelivery
    this.#isHeld = this.#redelivery.verdict === 'open'
  }

  get size(): number {
    return this.#queue.length - this.#from
  }

  add(delivery: Delivery): void {
    this.#queue.push(delivery)
    if (isFence(delivery)) this.#fences += 1
    if (this.#isHeld) this.#compare(delivery)
    else if (this.#isReady()) this.wake()
    else this.#timer ??= setTimeout(() => this.wake(), this.#options.batchWaitMs)
  }

  /** Resolves when there is a batch to cut, or after `wake()`. */
  async ready(): Promise<void> {
    if (this.#isReady()) return
    await new Promise<void>((resolve) => {
      this.#resolveReady = resolve
      if (this.size > 0 && !this.#isHeld) {
        this.#timer ??= setTimeout(() => this.wake(), this.#options.batchWaitMs)
      }
    })
  }

  wake(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#resolveReady?.()
    this.#resolveReady = undefined
  }

  /** Takes a batch; a fence ends it, and the last known message. Undefined where there is nothing to take. */
  cut(): Cut | undefined {
    if (this.#isHeld || this.size === 0) return undefined
    const events: NewEvent[] = []
    const fences: string[] = []
    const cursors: ConsumerCursor[] = []
    let deliveryTag = 0
    let known = 0
    let hasUnidentified = false
    // What came again is one batch once more, however large: a part of it could not be told a third time.
    while (
      this.size > 0 &&
      (events.length < this.#options.batchMax || this.#known > 0) &&
      fences.length === 0
    ) {
      const delivery = this.#queue[this.#from]!
      this.#from += 1
      deliveryTag = delivery.deliveryTag
      const notice = cursorNoticeOf(delivery)
      if (notice !== undefined) {
        cursors.push(notice)
        continue
      }
      const fence = fenceIdOf(delivery)
      if (fence !== undefined) {
        fences.push(fence)
        continue
      }
      const { id, source, type, subject } = attributesOf(delivery)
      if (id === undefined && this.#known > 0) {
        this.#known -= 1
        known += 1
        if (this.#known === 0) break
      } else {
        events.push({ id, source, type, subject, message: delivery })
        hasUnidentified ||= id === undefined
      }
    }
    this.#fences -= fences.length
    this.#trim()
    return { events, fences, cursors, deliveryTag, known, hasUnidentified }
  }

  #isReady(): boolean {
    return !this.#isHeld && (this.size >= this.#options.batchMax || this.#fences > 0)
  }

  #compare(delivery: Delivery): void {
    clearTimeout(this.#redeliveryTimer)
    if (delivery.redelivered && fenceIdOf(delivery) === undefined) this.#redelivery.next(delivery)
    // One that is not redelivered says that all that are have come; so does a pause. Where the prefetch is
    // used up, no more come.
    if (!delivery.redelivered || this.size >= this.#options.prefetch) this.#redelivery.end()
    if (this.#redelivery.verdict !== 'open') this.#release()
    else {
      this.#redeliveryTimer = setTimeout(() => {
        this.#redelivery.end()
        this.#release()
      }, redeliveryWaitMs)
    }
  }

  #release(): void {
    this.#isHeld = false
    if (this.#redelivery.verdict === 'same') this.#known = this.#redelivery.known
    this.wake()
  }

  #trim(): void {
    if (this.size === 0) this.#queue = []
    else if (this.#from > 1_000) this.#queue = this.#queue.slice(this.#from)
    else return
    this.#from = 0
  }
}

const redeliveryWaitMs = 1_000

/** What ends its batch, since somebody waits for it; a notice has the form of one. */
function isFence(delivery: Delivery): boolean {
  return fenceIdOf(delivery) !== undefined && cursorNoticeOf(delivery) === undefined
}
