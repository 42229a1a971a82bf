/**
 * A replay at work: its rounds, what came of each event, and its checkpoints.
 */
import { EventError, type Pattern } from '../../events/index.ts'
import { ActionFailure } from '../action.ts'
import { ReplayError } from '../errors.ts'
import type { ReplayEvent } from '../replay-event.ts'
import { type Ended, type ReplayReport, reportOf } from '../report/report.ts'
import type { Rule } from '../rule.ts'
import type { SourceSize } from '../source.ts'
import type { FailureCause } from './failure-line.ts'
import { type Picked, type Round, readRounds } from './rounds.ts'
import { RulePicker } from './rule-picker.ts'
import { RuleRun, type Work } from './rule-run.ts'
import type { RunState } from './run-folder.ts'
import type { RunOptions } from './run-options.ts'
import { SharedTargets, targetOf } from './shared-targets.ts'
import { Tally } from './tally.ts'

/** Keys that wait behind a failed event, of a rule: all of them are in memory, and in each checkpoint. */
const heldKeysMax = 100_000
/**
 * Events in a round: several batches for each lane, and no more than memory likes. A dry run has no batches, and
 * lets go of what it has picked the sooner.
 */
const roundEvents = { least: 1_000, most: 10_000, batchesPerLane: 4, dry: 100 }

export interface StateToGoOnFrom {
  readonly state: RunState | undefined
  /** Of each rule's action. */
  readonly actions: readonly unknown[]
}

export class Run {
  readonly #options: RunOptions
  readonly #startedAt = new Date()
  readonly #tally: Tally
  readonly #ruleRuns: readonly RuleRun[]
  readonly #picker: RulePicker
  readonly #sharedTargets: SharedTargets
  /** Of the round in hand. */
  #failures = new Map<ReplayEvent, FailureCause[]>()
  #size: SourceSize = {}
  #bytes = 0
  /** Of the last event that is done with. */
  #token: string | undefined

  /** @param state - To go on from. */
  constructor(options: RunOptions, state: RunState | undefined) {
    this.#options = options
    const { rules, order, concurrency, retries, pace } = options
    this.#token = state?.token
    this.#picker = new RulePicker(rules)
    this.#sharedTargets = new SharedTargets(rules)
    this.#tally = new Tally(
      rules.map(({ name, action }) => ({ name, action: action.name })),
      state?.tally,
    )
    const held = new Map<string, Set<string>>()
    const heldBy = (rule: number): Set<string> => {
      const target = targetOf(rules[rule]!)
      const keys = held.get(target) ?? new Set()
      held.set(target, keys)
      for (const key of state?.held[rule] ?? []) keys.add(key)
      return keys
    }
    this.#ruleRuns = rules.map(
      ({ name, action }, rule) =>
        new RuleRun({
          name,
          action,
          order,
          concurrency,
          retries,
          pace: pace(),
          held: heldBy(rule),
          onOutcome: (event, outcome) => this.#tell(rule, event, outcome),
        }),
    )
  }

  /** @param options.actions - States of the actions: of `state`, or of the end of the pass before. */
  async go({ state, actions: states }: StateToGoOnFrom): Promise<ReplayReport> {
    const { source, rules, dryRun, checkpoints } = this.#options
    const actions = dryRun ? [] : rules.map(({ action }) => action)
    const closeAll = () => Promise.allSettled([source, ...actions].map(async (one) => await one.close()))
    try {
      this.#size = await source.open()
      for (const [rule, action] of actions.entries()) await action.open({ state: states[rule] })
      if (!dryRun) {
        checkpoints?.folder.openFailures({ pass: checkpoints.pass ?? 1, bytes: state?.failureBytes ?? 0 })
      }
      const ended = await this.#rounds(state?.token)
      const { tally, bytes } = { tally: this.#tally.state, bytes: this.#bytes }
      const report = reportOf(this.#options, { ended, startedAt: this.#startedAt, tally, bytes })
      const failed = (await closeAll()).find(({ status }) => status === 'rejected')
      if (failed !== undefined) throw (failed as PromiseRejectedResult).reason
      return report
    } catch (error) {
      // What went wrong first is what is told. Closing again does nothing.
      await closeAll()
      throw error
    }
  }

  async #rounds(after: string | undefined): Promise<Ended> {
    const { source, rules, dryRun, signal, isTooMany } = this.#options
    const stop = new AbortController()
    const rounds = readRounds(source, {
      after,
      signal: AbortSignal.any([signal, stop.signal]),
      dryRun,
      patterns: patternsOf(rules),
      pickedMax: this.#roundMax(),
      pick: (event) => this.#pick(event),
    })
    let next = rounds.next()
    try {
      for (;;) {
        const { value: round, done } = await next
        if (done === true) break
        next = rounds.next()
        // It is looked at when this round is done.
        next.catch(() => {})
        await this.#actOn(round)
        const { failedEvents, picked, unreadable } = this.#tally
        const isHeldUp = this.#ruleRuns.some(({ heldKeys }) => heldKeys > heldKeysMax)
        if (isHeldUp || isTooMany(failedEvents, picked + unreadable)) return 'too-many-failures'
        // A page may hold many rounds more.
        if (signal.aborted) return 'interrupted'
      }
    } catch (error) {
      if (signal.aborted && isAbort(error, signal)) return 'interrupted'
      throw error
    } finally {
      stop.abort()
      await next.catch(() => {})
      await rounds.return(undefined)
    }
    if (signal.aborted) return 'interrupted'
    if (!dryRun) for (const { action } of rules) await action.finish?.()
    await this.#checkpoint({ isDone: true })
    return 'done'
  }

  #roundMax(): number {
    const { rules, order, concurrency, rate, speed, dryRun } = this.#options
    if (dryRun) return roundEvents.dry
    const lanes = order === 'global' ? 1 : concurrency
    // A stop waits for the round in hand: it is to be no longer than a second or so.
    if (speed !== undefined) return lanes
    const batchMax = Math.max(...rules.map(({ action }) => action.batchMax))
    const events = Math.max(batchMax * lanes * roundEvents.batchesPerLane, roundEvents.least)
    return Math.min(events, roundEvents.most, Math.max(1, Math.floor(rate ?? Number.POSITIVE_INFINITY)))
  }

  /** Changes nothing: a round is picked while the one before it is still at work. */
  #pick(event: ReplayEvent): Picked | undefined {
    try {
      const rules = this.#picker.pick(event)
      return rules && { event, rules }
    } catch (error) {
      // No JSON, or JSON that is nested deeper than anybody looks into.
      if (error instanceof ReplayError || error instanceof EventError)
        return { event, rules: [], unreadable: error }
      throw error
    }
  }

  async #actOn({ picked, read, token, bytes }: Round): Promise<void> {
    const { rules, order, keyOf, dryRun, source, onProgress } = this.#options
    let work: Work[][] = rules.map(() => [])
    this.#tally.read += read
    this.#bytes = bytes
    for (const { event, rules: picking, unreadable } of picked) {
      if (unreadable !== undefined) {
        this.#tally.unreadable += 1
        this.#fail(event, causeOf(unreadable), undefined)
        continue
      }
      this.#tally.pick(event)
      const key = keyOf(event)
      if (order !== 'none' && this.#sharedTargets.add(key ?? '', picking)) {
        await this.#act(work)
        work = rules.map(() => [])
      }
      for (const rule of picking) {
        this.#tally.count(rule, event, 'matched')
        work[rule]!.push(this.#workFor(rule, event, key))
      }
    }
    await this.#act(work)
    this.#sharedTargets.clear()
    await this.#settleFailures()
    if (token !== undefined) {
      this.#token = token
      await this.#checkpoint({ isDone: false })
      if (!dryRun) await source.settle?.(token)
    }
    const { read: all, picked: allPicked, failedEvents: failed } = this.#tally
    onProgress?.({ read: all, picked: allPicked, failed, bytes, size: this.#size })
  }

  /** @param work - For each rule, in its order. */
  async #act(work: readonly (readonly Work[])[]): Promise<void> {
    const { signal, dryRun } = this.#options
    if (dryRun) for (const [rule, list] of work.entries()) this.#plan(rule, list)
    else await Promise.all(this.#ruleRuns.map(async (run, rule) => await run.act(work[rule]!, signal)))
  }

  #workFor(rule: number, event: ReplayEvent, key: string | undefined): Work {
    try {
      return { event, key, prepared: this.#options.rules[rule]!.action.prepare(event) }
    } catch (error) {
      if (!(error instanceof ReplayError)) throw error
      return {
        event,
        key,
        refusal: new ActionFailure('refused', error.code, error.message, { cause: error }),
      }
    }
  }

  /** What a run would do, told as if it were done. */
  #plan(rule: number, work: readonly Work[]): void {
    const { action } = this.#options.rules[rule]!
    for (const one of this.#ruleRuns[rule]!.planned(work)) {
      this.#tell(rule, one.event, 'acted')
      if (this.#tally.wantsSample(rule)) {
        this.#tally.sample(rule, one.event.place, action.describe(one.prepared))
      }
    }
  }

  #tell(rule: number, event: ReplayEvent, outcome: 'acted' | 'skipped' | FailureCause): void {
    if (typeof outcome === 'string') this.#tally.count(rule, event, outcome)
    else {
      this.#tally.count(rule, event, outcome.kind === 'held' ? 'held' : 'failed')
      this.#fail(event, outcome, event.attributes.type ?? '')
    }
  }

  #fail(event: ReplayEvent, cause: FailureCause, type: string | undefined): void {
    this.#tally.fail(cause, { place: event.place, type })
    const causes = this.#failures.get(event)
    if (causes === undefined) this.#failures.set(event, [cause])
    else causes.push(cause)
  }

  async #settleFailures(): Promise<void> {
    const { checkpoints, dryRun } = this.#options
    if (this.#failures.size === 0) return
    this.#tally.failedEvents += this.#failures.size
    const failed = [...this.#failures].sort(([a], [b]) => a.position - b.position)
    this.#failures = new Map()
    if (dryRun) return
    checkpoints?.folder.addFailures(
      failed.map(([{ position, place, text }, causes]) => ({ position, place, text, causes })),
    )
  }

  async #checkpoint({ isDone }: { isDone: boolean }): Promise<void> {
    const { run, rules, dryRun, checkpoints } = this.#options
    if (dryRun || checkpoints === undefined) return
    const actions: unknown[] = []
    for (const { action } of rules) actions.push(await action.state?.())
    await checkpoints.folder.checkpoint({
      run,
      pass: checkpoints.pass ?? 1,
      isDone,
      fingerprint: checkpoints.fingerprint ?? '',
      token: this.#token,
      failureBytes: checkpoints.folder.failureBytes,
      tally: this.#tally.state,
      held: this.#ruleRuns.map(({ held }) => held),
      actions,
    })
  }
}

/** Undefined where a rule takes every event. */
function patternsOf(rules: readonly Rule[]): Pattern[] | undefined {
  const patterns = rules.flatMap(({ pattern }) => pattern ?? [])
  return patterns.length === rules.length ? patterns : undefined
}

function causeOf(error: Error): FailureCause {
  return {
    rule: undefined,
    kind: 'refused',
    code: 'REPLAY_EVENT_UNREADABLE',
    message: error.message,
    attempts: 1,
  }
}

/** Whether it was the wait for something that was cut short. */
function isAbort(error: unknown, signal: AbortSignal): boolean {
  return error === signal.reason || (error instanceof Error && error.name === 'AbortError')
}
