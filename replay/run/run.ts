/**
 * A replay at work: its rounds, what came of each event, and its checkpoints.
 */

import { setMaxListeners } from 'node:events'
import { EventError, type Pattern } from '../../events/index.ts'
import { ActionFailure } from '../action.ts'
import { ReplayError } from '../errors.ts'
import type { FailureCause } from '../failure-cause.ts'
import type { ReplayEvent } from '../replay-event.ts'
import { type Ended, type ReplayReport, reportOf } from '../report/report.ts'
import type { Rule } from '../rule.ts'
import type { SourceSize } from '../source.ts'
import { RoundSizes } from './round-sizes.ts'
import { type Picked, type Round, readRounds } from './rounds.ts'
import { RulePicker } from './rule-picker.ts'
import { RuleRun, type Work } from './rule-run.ts'
import type { ActionState, RunState } from './run-folder.ts'
import type { RunOptions } from './run-options.ts'
import { SharedTargets, targetOf } from './shared-targets.ts'
import { Tally } from './tally.ts'

/** Keys that wait behind a failed event, of a rule: all of them are in memory, and in each checkpoint. */
const heldKeysMax = 100_000
export interface StateToGoOnFrom {
  readonly state: RunState | undefined
  readonly actions: readonly ActionState[]
}

export class Run {
  readonly #options: RunOptions
  readonly #startedAt = new Date()
  readonly #tally: Tally
  readonly #ruleRuns: readonly RuleRun[]
  readonly #picker: RulePicker
  readonly #isRetry: boolean
  readonly #sharedTargets: SharedTargets
  readonly #sizes: RoundSizes
  /** Events of the part in hand. */
  readonly #failing = new Set<ReplayEvent>()
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
    this.#isRetry = (options.checkpoints?.pass ?? 1) > 1
    this.#picker = new RulePicker(rules, { isRetry: this.#isRetry })
    this.#sizes = new RoundSizes(options)
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

  /** @param from.actions - States of the actions: of `state`, or of the end of the pass before. */
  async go({ state, actions: kept }: StateToGoOnFrom): Promise<ReplayReport> {
    const { source, rules, dryRun, checkpoints, onStart, onError } = this.#options
    const actions = dryRun ? [] : rules.map(({ action }) => action)
    const closeAll = () => Promise.allSettled([source, ...actions].map(async (one) => await one.close()))
    try {
      this.#size = await source.open()
      const states = dryRun ? [] : statesOf(rules, { actions: kept, isResumed: state !== undefined })
      for (const [rule, action] of actions.entries()) await action.open({ state: states[rule] })
      if (!dryRun) {
        checkpoints?.folder.openFailures({ pass: checkpoints.pass ?? 1, bytes: state?.failureBytes ?? 0 })
      }
      onStart?.()
      const ended = await this.#rounds(state?.token)
      const report = this.#report({ ended })
      const failed = (await closeAll()).find(({ status }) => status === 'rejected')
      if (failed !== undefined) throw (failed as PromiseRejectedResult).reason
      return report
    } catch (error) {
      // What went wrong first is what is told. Closing again does nothing.
      await closeAll()
      onError?.(this.#report({ ended: 'error', error }))
      throw error
    }
  }

  #report(end: { ended: Ended; error?: unknown }): ReplayReport {
    const { state: tally } = this.#tally
    return reportOf(this.#options, { ...end, startedAt: this.#startedAt, tally, bytes: this.#bytes })
  }

  async #rounds(after: string | undefined): Promise<Ended> {
    const { source, rules, dryRun, signal } = this.#options
    const stop = new AbortController()
    const rounds = readRounds(source, {
      after,
      signal: AbortSignal.any([signal, stop.signal]),
      dryRun,
      // Of failures each is handed out: what no rule picks is kept.
      patterns: this.#isRetry ? undefined : patternsOf(rules),
      pickedMax: () => this.#sizes.next,
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
        const startedAt = performance.now()
        await this.#actOn(round)
        this.#sizes.took(performance.now() - startedAt, round.picked.length)
        if (this.#isTooMuch) return 'too-many-failures'
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

  /** Changes nothing: a round is picked while the one before it is still at work. */
  #pick(event: ReplayEvent): Picked | undefined {
    try {
      const rules = this.#picker.pick(event)
      const left = this.#picker.left(event, rules)
      return rules === undefined && left.length === 0 ? undefined : { event, rules: rules ?? [], left }
    } catch (error) {
      // No JSON, or JSON that is nested deeper than anybody looks into.
      const isPlain = error instanceof ReplayError && error.code === 'REPLAY_PLAN_INVALID'
      if (!isPlain && (error instanceof ReplayError || error instanceof EventError))
        return { event, rules: [], unreadable: error }
      throw error
    }
  }

  /** Not on all of it where too much fails: then that is where the run goes on. */
  async #actOn({ picked, reads, read, token, bytes }: Round): Promise<void> {
    const { read: before } = this.#tally
    this.#bytes = bytes
    let at = 0
    do {
      const from = at
      at = Math.min(from + this.#sizes.partMax(this.#mayFail), picked.length)
      this.#tally.read = before + (at < picked.length ? reads[at - 1]! : read)
      await this.#actOnPart(picked.slice(from, at))
    } while (at < picked.length && !this.#isTooMuch)
    await this.#settle(picked, at < picked.length ? picked[at - 1]!.event.token : token)
  }

  get #mayFail(): number {
    const { ownFailures: failed, picked, unreadable } = this.#tally
    return this.#options.failureLimit.left({ failed, seen: picked + unreadable })
  }

  get #isTooMuch(): boolean {
    return this.#mayFail < 0 || this.#ruleRuns.some(({ heldKeys }) => heldKeys > heldKeysMax)
  }

  async #actOnPart(picked: readonly Picked[]): Promise<void> {
    const { rules, order, keyOf } = this.#options
    let work: Work[][] = rules.map(() => [])
    this.#failing.clear()
    for (const { event, rules: picking, unreadable, left = [] } of picked) {
      if (unreadable !== undefined) {
        this.#tally.unreadable += 1
        this.#countFailing(event)
        this.#fail(event, causeOf(unreadable), undefined)
        continue
      }
      if (picking.length > 0) this.#tally.pick(event)
      const key = keyOf(event)
      const leaving = left.flatMap(({ rule }) => this.#picker.indexOf(rule) ?? [])
      if (order !== 'none' && this.#sharedTargets.add(key ?? '', [...picking, ...leaving])) {
        await this.#act(work)
        work = rules.map(() => [])
      }
      for (const rule of picking) {
        this.#tally.count(rule, event, 'matched')
        work[rule]!.push(this.#workFor(rule, event, key))
      }
      for (const rule of leaving) work[rule]!.push({ event, key, isLeft: true })
      for (const cause of left) this.#leave(event, cause)
    }
    await this.#act(work)
    this.#sharedTargets.clear()
  }

  /** @param token - Of the last event that is done with; undefined where there was none. */
  async #settle(picked: readonly Picked[], token: string | undefined): Promise<void> {
    const { dryRun, source, onProgress } = this.#options
    this.#settleFailures(picked)
    if (token !== undefined) {
      this.#token = token
      await this.#checkpoint({ isDone: false })
      // Where failures are only told, what they were of is not given up.
      const isKept = this.#options.checkpoints !== undefined || this.#tally.failedEvents === 0
      if (!dryRun && isKept) await source.settle?.(token)
    }
    const { read: all, picked: allPicked, failedEvents: failed } = this.#tally
    onProgress?.({ read: all, picked: allPicked, failed, bytes: this.#bytes, size: this.#size })
  }

  /** @param work - For each rule, in its order. */
  async #act(work: readonly (readonly Work[])[]): Promise<void> {
    const { signal, dryRun } = this.#options
    if (dryRun) {
      for (const [rule, list] of work.entries()) this.#plan(rule, list)
      return
    }
    const stop = new AbortController()
    // Each lane's request listens to it.
    setMaxListeners(0, stop.signal)
    // All have ended before anything is closed.
    const runs = this.#ruleRuns.map(async (run, rule) => await run.act(work[rule]!, { signal, stop }))
    const failed = (await Promise.allSettled(runs)).find(({ status }) => status === 'rejected')
    if (failed !== undefined) throw stop.signal.reason ?? (failed as PromiseRejectedResult).reason
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
      if (outcome.kind !== 'held') this.#countFailing(event)
      this.#fail(event, outcome, event.attributes.type ?? '')
    }
  }

  /** Once, under however many rules it fails. */
  #countFailing(event: ReplayEvent): void {
    if (this.#failing.has(event)) return
    this.#failing.add(event)
    this.#tally.ownFailures += 1
  }

  /** It goes on as it stands, so that the newest file of failures holds all that is open. */
  #leave(event: ReplayEvent, cause: FailureCause): void {
    const rule = this.#picker.indexOf(cause.rule)
    if (rule !== undefined) this.#tally.count(rule, event, cause.kind === 'held' ? 'held' : 'failed')
    this.#fail(event, cause, event.attributes.type ?? '')
  }

  #fail(event: ReplayEvent, cause: FailureCause, type: string | undefined): void {
    this.#tally.fail(cause, { place: event.place, type })
    const causes = this.#failures.get(event)
    if (causes === undefined) this.#failures.set(event, [cause])
    else causes.push(cause)
  }

  /** @param picked - Of the round: failures are kept in the order in which they were read. */
  #settleFailures(picked: readonly Picked[]): void {
    const { checkpoints, dryRun } = this.#options
    if (this.#failures.size === 0) return
    this.#tally.failedEvents += this.#failures.size
    const places = new Map(picked.map(({ event }, place) => [event, place]))
    const failed = [...this.#failures].sort(([a], [b]) => places.get(a)! - places.get(b)!)
    this.#failures = new Map()
    if (dryRun) return
    checkpoints?.folder.addFailures(
      failed.map(([{ position, place, text }, causes]) => ({ position, place, text, causes })),
    )
  }

  async #checkpoint({ isDone }: { isDone: boolean }): Promise<void> {
    const { run, rules, dryRun, checkpoints } = this.#options
    if (dryRun || checkpoints === undefined) return
    const actions: ActionState[] = []
    for (const { name: rule, action } of rules) {
      actions.push({ rule, action: action.name, state: await action.state?.() })
    }
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

/**
 * What each rule's action goes on from. A plan that was mended may have other rules.
 *
 * @throws ReplayError `REPLAY_CHECKPOINT_FOREIGN` where a rule has another action than before: what it has written
 *   would be taken for somebody else's.
 */
function statesOf(
  rules: readonly Rule[],
  { actions, isResumed }: { actions: readonly ActionState[]; isResumed: boolean },
): unknown[] {
  return rules.map(({ name, action }) => {
    const before = actions.find(({ rule }) => rule === name)
    const hadOther = before !== undefined && before.action !== action.name
    if (hadOther && (isResumed || (before.state !== undefined && before.state !== null))) {
      throw new ReplayError(
        'REPLAY_CHECKPOINT_FOREIGN',
        `Rule ${name} has acted on ${before.action}, and is to go on with ${action.name}: give the rule another name, and begin a new run for it`,
      )
    }
    return before?.state
  })
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
