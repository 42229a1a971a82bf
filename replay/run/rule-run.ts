/**
 * A rule at work on a round of events: hands them to its action in the order that was asked for, tries again
 * what may be mended by it, and tells what came of each.
 *
 * Order `global` is one lane, `key` several, each event in the lane of its key, `none` several that share one
 * queue. An event that fails holds those of its key that come after it, in later rounds too, unless the order is
 * `none`: acted on alone they would undo its retry.
 */

import { type Action, ActionFailure, type Outcome } from '../action.ts'
import { ReplayError } from '../errors.ts'
import type { FailureCause } from '../failure-cause.ts'
import type { ReplayEvent } from '../replay-event.ts'
import type { Pace } from './pace.ts'
import { backoffMs, type Retries } from './retry-policy.ts'
import { sleepLong } from './sleep-long.ts'

export type Order = 'global' | 'key' | 'none'

export interface Work {
  readonly event: ReplayEvent
  /** What the action is to do; absent where it refused the event. */
  readonly prepared?: unknown
  readonly refusal?: ActionFailure
  /** It has failed before, and stays as it is: all that it does is to hold what comes after it. */
  readonly isLeft?: boolean
  /** Undefined for an event that has none: nothing holds it. */
  readonly key: string | undefined
}

export interface RuleRunOptions {
  readonly name: string
  readonly action: Action
  readonly order: Order
  readonly concurrency: number
  readonly retries: Retries
  readonly pace: Pace
  /** Keys of events that have failed, of rules with the same target too; added to. */
  readonly held: Set<string>
  onOutcome(event: ReplayEvent, outcome: 'acted' | 'skipped' | FailureCause): void
}

interface Signals {
  /** Aborted where another lane threw. */
  readonly lanes: AbortSignal
  /** That, or the end that was asked for: a lane finishes what is in hand, but waits for nothing more. */
  readonly waits: AbortSignal
}

/** A queue, and how far its lanes have come. */
interface Lane {
  readonly queue: readonly Work[]
  at: number
}

export class RuleRun {
  readonly #options: RuleRunOptions
  readonly #held: Set<string>

  constructor(options: RuleRunOptions) {
    this.#options = options
    this.#held = options.held
  }

  get held(): string[] {
    return [...this.#held]
  }

  get heldKeys(): number {
    return this.#held.size
  }

  /**
   * Resolves when all of the work is done, or has failed.
   *
   * @param options.signal - The end that was asked for: what is in hand is finished, but nothing is waited for.
   * @param options.stop - Aborted where a lane throws, of any rule: the others end with what they have in hand.
   * @throws What `signal` or `stop` was aborted with; what an action threw that is no failure of its events.
   */
  async act(
    work: readonly Work[],
    { signal, stop }: { readonly signal: AbortSignal; readonly stop: AbortController },
  ): Promise<void> {
    const signals = { lanes: stop.signal, waits: AbortSignal.any([signal, stop.signal]) }
    const runs = this.#lanesOf(work).map(async (lane) => {
      try {
        await this.#run(lane, signals)
      } catch (error) {
        stop.abort(error)
        throw error
      }
    })
    const settled = await Promise.allSettled(runs)
    const failed = settled.find(({ status }) => status === 'rejected')
    if (failed !== undefined) throw stop.signal.reason ?? (failed as PromiseRejectedResult).reason
  }

  /** What of the work an action would be given, where all that it is given succeeds; tells the rest as `act` does. */
  planned(work: readonly Work[]): Work[] {
    return work.filter((one) => {
      if (one.isLeft) this.#hold(one.key)
      else if (one.key !== undefined && this.#held.has(one.key)) this.#tellHeld(one.event, one.key)
      else if (one.refusal !== undefined) this.#fail(one, one.refusal, 1)
      else return true
      return false
    })
  }

  #lanesOf(work: readonly Work[]): Lane[] {
    const { order, concurrency } = this.#options
    if (order === 'global' || concurrency === 1) return [{ queue: work, at: 0 }]
    if (order === 'none') {
      const shared = { queue: work, at: 0 }
      return Array.from({ length: concurrency }, () => shared)
    }
    const queues: Work[][] = Array.from({ length: concurrency }, () => [])
    let next = 0
    for (const one of work) {
      const lane = one.key === undefined ? next++ : hashOf(one.key)
      queues[lane % concurrency]!.push(one)
    }
    return queues.map((queue) => ({ queue, at: 0 }))
  }

  async #run(lane: Lane, { lanes, waits }: Signals): Promise<void> {
    while (lane.at < lane.queue.length) {
      lanes.throwIfAborted()
      const batch = this.#nextBatch(lane)
      if (batch.length === 0) continue
      await this.#options.pace.take(batch.length, batch[0]!.event, { lanes, waits })
      await this.#attempt(batch, { lanes, waits })
    }
  }

  /** Empty where all that was next is held, or was refused. */
  #nextBatch(lane: Lane): Work[] {
    const { action, pace, order } = this.#options
    const batchMax = Math.min(action.batchMax, pace.batchMax)
    const keys = action.stopsAtFailure || order === 'none' ? undefined : new Set<string>()
    const batch: Work[] = []
    while (lane.at < lane.queue.length && batch.length < batchMax) {
      const work = lane.queue[lane.at]!
      const { event, key } = work
      // What is before them in the batch may be of their key, and is to be done first.
      if (work.isLeft) {
        if (batch.length > 0) break
        this.#hold(key)
      } else if (key !== undefined && this.#held.has(key)) this.#tellHeld(event, key)
      else if (work.refusal !== undefined) {
        if (batch.length > 0) break
        this.#fail(work, work.refusal, 1)
      } else {
        if (batch.length > 0 && !pace.isDue(event)) break
        // One after the other is all of them, also those without a key.
        const place = key ?? (order === 'global' ? '' : undefined)
        if (keys !== undefined && place !== undefined) {
          if (keys.has(place)) break
          keys.add(place)
        }
        batch.push(work)
      }
      lane.at += 1
    }
    return batch
  }

  async #attempt(batch: readonly Work[], { lanes, waits }: Signals): Promise<void> {
    let left = batch
    const tries = new Map<Work, number>()
    while (left.length > 0) {
      const { rest, waitMs } = this.#settle(left, await this.#outcomes(left, lanes), tries)
      if (waitMs > 0) await sleepLong(waitMs, waits)
      left = rest
    }
  }

  async #outcomes(batch: readonly Work[], signal: AbortSignal): Promise<readonly Outcome[]> {
    const { action, order } = this.#options
    const prepared = batch.map((work) => work.prepared)
    const keys = order === 'none' ? undefined : batch.map(({ key }) => key)
    try {
      return (await action.act(prepared, { signal, ...(keys && { keys }) })) ?? batch.map(() => 'done')
    } catch (error) {
      if (!(error instanceof ActionFailure)) throw error
      if (error.kind !== 'refused' || batch.length === 1) return batch.map(() => error)
    }
    // Which of them it was is found out one by one.
    const [first] = await this.#outcomes(batch.slice(0, 1), signal)
    return [first!]
  }

  /**
   * Tells what is settled of a batch, and gives back what is not: what is to be tried again, and what an
   * action that stops at a failure has not tried.
   */
  #settle(
    batch: readonly Work[],
    outcomes: readonly Outcome[],
    tries: Map<Work, number>,
  ): { rest: readonly Work[]; waitMs: number } {
    if (outcomes.length === 0 || outcomes.length > batch.length) {
      throw new ReplayError(
        'REPLAY_ACTION_INVALID',
        `${this.#options.action.name} told ${outcomes.length} outcomes of ${batch.length} events`,
      )
    }
    const { retries, onOutcome } = this.#options
    const rest: Work[] = []
    let waitMs = 0
    for (const [at, outcome] of outcomes.entries()) {
      const work = batch[at]!
      if (outcome === 'done') onOutcome(work.event, 'acted')
      else if (outcome === 'skipped') onOutcome(work.event, 'skipped')
      else if (!(outcome instanceof ActionFailure)) {
        const { name, action } = this.#options
        throw new ReplayError(
          'REPLAY_ACTION_INVALID',
          `${action.name}, of ${name}, told ${JSON.stringify(outcome)} of ${work.event.place}: neither done, skipped nor an ActionFailure`,
        )
      } else {
        const attempt = (tries.get(work) ?? 0) + 1
        tries.set(work, attempt)
        if (attempt > retries[outcome.kind]) this.#fail(work, outcome, attempt)
        else {
          rest.push(work)
          // As long as the one that asks for most.
          const leastMs = outcome.retryAfterMs
          waitMs = Math.max(waitMs, backoffMs(outcome.kind, { attempt, leastMs }))
        }
      }
    }
    // What it has not tried goes with what is tried again, behind it.
    for (const work of batch.slice(outcomes.length)) {
      if (work.key !== undefined && this.#held.has(work.key)) this.#tellHeld(work.event, work.key)
      else rest.push(work)
    }
    return { rest, waitMs }
  }

  #fail({ event, key }: Work, failure: ActionFailure, attempts: number): void {
    const { kind, code, message } = failure
    this.#hold(key)
    this.#options.onOutcome(event, { rule: this.#options.name, kind, code, message, attempts })
  }

  #hold(key: string | undefined): void {
    if (key !== undefined && this.#options.order !== 'none') this.#held.add(key)
  }

  #tellHeld(event: ReplayEvent, key: string): void {
    const message = `waits behind a failed event of its key ${key}`
    const cause = { kind: 'held', code: 'REPLAY_EVENT_HELD', message, attempts: 0 } as const
    this.#options.onOutcome(event, { rule: this.#options.name, ...cause })
  }
}

/** FNV-1a. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193)
  return hash >>> 0
}
