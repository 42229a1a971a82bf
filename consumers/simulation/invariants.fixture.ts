/**
 * What must hold in every schedule, checked while it runs where that can be, and at its end.
 *
 * I2: the cursor and what is replayed only move on, one position at a time. I3: each event of the history
 * takes effect once, and the certificate says so. I4: each source's events take effect in the order in
 * which it published them; the only excuse is that the live queue did not have the earlier one. I5:
 * nothing is acknowledged that has not taken effect. I7: nothing waits in the inbox that the cursor has
 * passed. Beyond these: a repair means that the live queue had lost the event, and whoever says to have
 * caught up has.
 *
 * One limit is meant. While the history is away, the inbox alone recognises duplicates, and it forgets
 * after the time that it is told to keep. An event that is older, and published again just then, is
 * applied again: the schedule ends there.
 */
import { certify } from '../certificate.ts'
import type { SimConsumer } from './consumer.fixture.ts'
import type { SimExchange } from './exchange.fixture.ts'
import type { SimHistory } from './history.fixture.ts'
import { Life } from './life.fixture.ts'
import type { SimEvent } from './queue.fixture.ts'
import { Random } from './random.fixture.ts'
import { openSimReader } from './reader.fixture.ts'
import { type Effect, keyOf, nothingParked } from './store.fixture.ts'
import type { Timeline } from './timeline.fixture.ts'

export type Invariant =
  | 'I2 position order'
  | 'I3 exactly once'
  | 'I4 source order'
  | 'I5 acknowledged before durable'
  | 'I7 bounded inbox'
  | 'repair without a loss'
  | 'caught up too early'
  | 'never caught up'
  | 'ended with an error'

export class Violation extends Error {
  readonly invariant: Invariant

  constructor(invariant: Invariant, message: string) {
    super(`${invariant}: ${message}`)
    this.name = 'Violation'
    this.invariant = invariant
  }
}

export interface Observed {
  readonly timeline: Timeline
  readonly exchange: SimExchange
  readonly history: SimHistory
  readonly settleMs: number
  readonly inboxKeepMs: number
}

export class Invariants {
  /** The first that was broken. */
  violation: Violation | undefined
  readonly #observed: Observed
  readonly #applied = new Map<SimConsumer, Map<string, Effect>>()
  #isAtLimit = false
  #excused = 0

  constructor(observed: Observed) {
    this.#observed = observed
  }

  watch(consumer: SimConsumer): void {
    const { database } = consumer
    const applied = new Map<string, Effect>()
    this.#applied.set(consumer, applied)
    let { cursor } = database.state
    let replayedTo = 0
    database.onCommit = (effects) => {
      for (const effect of effects) {
        const { position } = effect
        const before = applied.get(keyOf(effect))
        if (before === undefined) applied.set(keyOf(effect), effect)
        else if (this.#isMeantLimit(consumer, before, effect)) this.#isAtLimit = true
        else this.#break('I3 exactly once', consumer, `${nameOf(effect)} twice`)
        if (position === undefined) continue
        if (position <= replayedTo)
          this.#break('I2 position order', consumer, `${position} after ${replayedTo}`)
        replayedTo = position
      }
      this.#checkCursor(consumer, cursor)
      cursor = database.state.cursor
    }
  }

  /** Pairs of events out of order, for a reason that excuses it. */
  get excused(): number {
    return this.#excused
  }

  /** The schedule has met the limit that is meant; what follows says nothing. */
  get isAtLimit(): boolean {
    return this.#isAtLimit
  }

  acknowledged(consumer: SimConsumer, events: readonly SimEvent[]): void {
    for (const { source, id, number } of events) {
      if (id === undefined || this.#applied.get(consumer)!.has(keyOf({ source, id }))) continue
      this.#break('I5 acknowledged before durable', consumer, nameOf({ source, number }))
    }
  }

  /** The audit says that the live queue has lost the event at this position. */
  repairing(consumer: SimConsumer, position: number): void {
    const { exchange, history } = this.#observed
    const { data, recordedAt, ...identity } = history.events[position - 1]!
    if (this.#applied.get(consumer)!.has(keyOf(identity)))
      this.#break('repair without a loss', consumer, `${nameOf(data)} at ${position} was applied`)
    // What came into the queue before the history had it stands before the fence that asked for it.
    const waiting = exchange.queueOf(consumer.name)?.entriesOf(data) ?? []
    if (!waiting.some(({ arrivedAt }) => arrivedAt < recordedAt.getTime())) return
    this.#break('repair without a loss', consumer, `${nameOf(data)} at ${position} waits in the queue`)
  }

  caughtUp(consumer: SimConsumer): void {
    const { cursor, phase } = consumer.database.state
    if (phase === 'live' && cursor >= consumer.headAtLive) return
    this.#break('caught up too early', consumer, `${phase} at ${cursor} of ${consumer.headAtLive}`)
  }

  /** Once all is quiet. */
  async checkEnd(consumers: readonly SimConsumer[]): Promise<void> {
    for (const consumer of consumers) {
      this.#checkEffects(consumer)
      this.#checkOrder(consumer)
      if (this.violation === undefined) await this.#checkCertificate(consumer)
    }
  }

  break(invariant: Invariant, message: string): void {
    if (!this.#isAtLimit) this.violation ??= new Violation(invariant, message)
  }

  #break(invariant: Invariant, { name }: SimConsumer, message: string): void {
    this.break(invariant, `${name}: ${message} (at ${this.#observed.timeline.now()} ms)`)
  }

  #isMeantLimit(consumer: SimConsumer, before: Effect, again: Effect): boolean {
    const { timeline, exchange, history, inboxKeepMs } = this.#observed
    if (again.position !== undefined || !consumer.isBlind) return false
    const recordedAt = before.position && history.events[before.position - 1]!.recordedAt.getTime()
    const isForgotten = timeline.now() - Math.min(before.at, recordedAt ?? before.at) > inboxKeepMs
    // What the queue held when the session began has to wait for the history.
    const queue = exchange.queueOf(consumer.name)
    const { startedAt } = consumer.sessions[again.session]!
    const entries = queue?.entriesOf(this.#eventOf(again))
    return isForgotten && entries?.some(({ arrivedAt }) => arrivedAt >= startedAt) !== false
  }

  #eventOf({ source, id }: Effect): SimEvent {
    const { history } = this.#observed
    return history.events[history.positionOf(source, id)! - 1]!.data
  }

  /** All at or below the cursor has taken effect, and the inbox keeps waiting only what lies beyond. */
  #checkCursor(consumer: SimConsumer, before: number): void {
    const { history } = this.#observed
    const { state, inbox } = consumer.database
    const applied = this.#applied.get(consumer)!
    if (state.cursor < before)
      this.#break('I2 position order', consumer, `cursor from ${before} to ${state.cursor}`)
    for (const event of history.events.slice(before, state.cursor)) {
      if (applied.has(keyOf(event))) continue
      this.#break('I3 exactly once', consumer, `${nameOf(event.data)} passed by the cursor, not applied`)
    }
    for (const { source, id, passedAt } of inbox.values()) {
      if (passedAt !== undefined || (history.positionOf(source, id) ?? Infinity) > state.cursor) continue
      this.#break('I7 bounded inbox', consumer, `${id} of ${source} waits behind the cursor`)
    }
  }

  #checkEffects(consumer: SimConsumer): void {
    const { history } = this.#observed
    const applied = this.#applied.get(consumer)!
    const missed = history.events.find((event) => !applied.has(keyOf(event)))
    if (missed !== undefined) this.#break('I3 exactly once', consumer, `${nameOf(missed.data)} never`)
    if (applied.size > history.head) this.#break('I3 exactly once', consumer, 'more than the history has')
  }

  #checkOrder(consumer: SimConsumer): void {
    const sources = new Map<string, Effect[]>()
    for (const effect of consumer.database.effects) {
      const earlier = sources.get(effect.source)
      if (earlier === undefined) sources.set(effect.source, [effect])
      else {
        for (const one of earlier) this.#checkPair(consumer, one, effect)
        earlier.push(effect)
      }
    }
  }

  /** What a source without ids publishes again is a further event: its order is that of the history. */
  #checkPair(consumer: SimConsumer, first: Effect, second: Effect): void {
    const isAnonymous = first.id.startsWith('unidentified:')
    const isInOrder = isAnonymous ? first.position! < second.position! : first.number < second.number
    if (isInOrder) return
    if (this.#isExcused(consumer, first, second)) this.#excused += 1
    else this.#break('I4 source order', consumer, `${nameOf(second)} after ${nameOf(first)}`)
  }

  /**
   * Whether `second` may come after `first`, which its source published later: `first` was applied live,
   * and the session's queue did not have `second` then, though the fence did not cover it either.
   */
  #isExcused(consumer: SimConsumer, first: Effect, second: Effect): boolean {
    const { exchange, settleMs } = this.#observed
    if (first.position !== undefined) return false
    const event = this.#eventOf(second)
    const session = consumer.sessions[first.session]!
    const arrival = exchange.arrivalOf(event)!
    const fence = session.fence === undefined ? undefined : exchange.arrivalOf(session.fence)
    if (fence === undefined || arrival.order < fence.order) return false
    const { lostAt, unrouted } = exchange.missedBy(consumer.name)
    const wasLost = (lostAt.get(event) ?? Infinity) <= first.at
    const wasLate = unrouted.has(event) && arrival.at >= session.boundAt + settleMs
    return wasLost || wasLate
  }

  async #checkCertificate(consumer: SimConsumer): Promise<void> {
    const { history, timeline } = this.#observed
    const { name, database } = consumer
    const life = new Life({ timeline, random: new Random(0), callMsMax: 0 })
    const waiting = [...database.inbox.values()].filter(({ passedAt }) => passedAt === undefined)
    const certificate = await certify(
      { consumer: name, exchange: 'simulated', state: database.state, waiting, counts: nothingParked },
      openSimReader({ history, life, isAway: () => false }),
    )
    const isRight =
      certificate.level &&
      certificate.complete &&
      certificate.unidentified === certificate.history.unidentified
    if (!isRight) this.#break('I3 exactly once', consumer, `certificate ${JSON.stringify(certificate)}`)
    if (database.applied.size !== database.state.cursor)
      this.#break('I3 exactly once', consumer, `${database.applied.size} positions are noted as applied`)
  }
}

function nameOf({ source, number }: { source: string; number: number }): string {
  return `${source} ${number}`
}
