/**
 * The reactor: runs the `react` of events that were applied, outside of any transaction, at least once.
 *
 * What is to react was written down with the effects (reactions.ts), so a process that dies repeats some
 * and loses none. Reactions of one subject run in order, those of others beside them. One that keeps
 * failing is parked, and what follows of its subject waits behind it.
 */
import { type CloudEvent, isTracing, type Logger, MessageEvent, traceApply } from '../events/index.ts'
import { crashVerdict, dueAfter, reasonOf, type Verdict } from './attempts.ts'
import type { Care } from './care.ts'
import type { ParkingPolicy } from './definition.ts'
import { ConsumerError } from './errors.ts'
import { type HandlerTable, isHopeless, type ResolvedHandler } from './handler-table.ts'
import type { Clock } from './link.ts'
import { parkedError } from './parking/fingerprint.ts'
import type { NewParked, ParkedEvent } from './parking/parking.ts'
import { whenAvailable } from './patience.ts'
import type { Reaction } from './reactions.ts'
import type { ConsumerStore, StoreTransaction } from './store.ts'

export interface ReactorOptions<Tx> {
  readonly consumer: string
  readonly store: ConsumerStore<Tx>
  readonly handlers: HandlerTable<Tx>
  readonly parking: Required<ParkingPolicy> | undefined
  readonly care: Care
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly logger: Logger
}

/** A reaction that is to run, new or parked. */
interface Job {
  readonly event: CloudEvent
  readonly position: number | undefined
  readonly reaction: Reaction | undefined
  readonly parked: ParkedEvent | undefined
}

type Outcome = { readonly job: Job } & (
  | { readonly end: 'done' | 'behind' | 'left' }
  | { readonly end: 'failed'; readonly verdict: Verdict; readonly cause: unknown }
)

/** How many reactions ran, failed, and were put behind one that had. */
export interface Reacted {
  readonly done: number
  readonly failed: number
  readonly behind: number
}

const batchMax = 100
/** What may have been in hand when a process died: new ones, and parked ones. */
const carefulMax = batchMax * 2
const atOnceMax = 8
/** Between two looks for what is due by the clock, or by another hand. */
const lookEveryMs = 1_000

export class Reactor<Tx> {
  readonly #options: ReactorOptions<Tx>
  #wake: (() => void) | undefined
  #isAwaited = false
  #careful = 0

  constructor(options: ReactorOptions<Tx>) {
    this.#options = options
  }

  /** There is something to do. */
  wake(): void {
    this.#isAwaited = true
    this.#wake?.()
  }

  /**
   * Runs until the signal is aborted; reactions in hand are finished.
   *
   * @param options.isCareful - After a process that died at work.
   * @throws ConsumerError `CONSUMER_HANDLER_FAILED` where nothing is to be parked.
   */
  async run(options: { isCareful: boolean }): Promise<void> {
    const { signal } = this.#options
    this.begin(options)
    const wake = () => this.wake()
    signal.addEventListener('abort', wake)
    try {
      while (!signal.aborted) {
        this.#isAwaited = false
        const { done, failed, behind } = await this.#stepUnlessSuperseded()
        if (done + failed + behind === 0 && !signal.aborted) await this.#pause()
      }
    } finally {
      signal.removeEventListener('abort', wake)
    }
  }

  /** Before the first `step()` without `run()`. */
  begin({ isCareful }: { isCareful: boolean }): void {
    this.#careful = isCareful ? carefulMax : 0
  }

  /** Runs what there is to run now, or some of it. */
  async step(): Promise<Reacted> {
    if (this.#careful > 0) return await this.#options.care.alone(() => this.#stepCarefully())
    const { jobs, behind } = await this.#jobs(batchMax)
    const chains = [...chainsOf(jobs)]
    const outcomes: Outcome[] = []
    const work = async () => {
      for (let chain = chains.shift(); chain !== undefined; chain = chains.shift())
        for await (const outcome of this.#runChain(chain)) outcomes.push(outcome)
    }
    await Promise.all(Array.from({ length: Math.min(atOnceMax, chains.length) }, work))
    return await this.#settle(outcomes, { behind })
  }

  /** One alone, written down before: if the process dies now, it was this. */
  async #stepCarefully(): Promise<Reacted> {
    const { parking } = this.#options
    const { jobs, behind } = await this.#jobs(1)
    const [job] = jobs
    if (job === undefined) return { ...nothingDone, behind }
    const tries =
      parking === undefined ? 0 : await this.#transaction((unit) => unit.countTry('react', job.event))
    const verdict = parking && crashVerdict(job.event, { ...this.#options, part: 'react', tries, parking })
    const outcome: Outcome = verdict
      ? { job, end: 'failed', verdict, cause: undefined }
      : await this.#try(job)
    const reacted = await this.#settle([outcome], { behind, isCareful: true })
    this.#careful -= 1
    return reacted
  }

  async #settle(
    outcomes: readonly Outcome[],
    { behind, isCareful = false }: { behind: number; isCareful?: boolean },
  ): Promise<Reacted> {
    const { parking } = this.#options
    const refused = parking === undefined ? outcomes.find(isNewFailure) : undefined
    const settled = parking === undefined ? outcomes.filter((one) => !isNewFailure(one)) : outcomes
    if (settled.length > 0) {
      await this.#transaction(async (unit) => {
        await this.#write(unit, settled)
        if (isCareful) for (const { job } of settled) await unit.forgetTries('react', job.event)
      })
    }
    if (refused !== undefined) throw this.#stopped(refused)
    const count = (wanted: Outcome['end']) => outcomes.filter(({ end }) => end === wanted).length
    return { done: count('done'), failed: count('failed'), behind: behind + count('behind') }
  }

  #stopped({ job, verdict, cause }: Outcome & { end: 'failed' }): ConsumerError {
    const { id, source, type } = job.event
    return new ConsumerError(
      'CONSUMER_HANDLER_FAILED',
      `Consumer ${this.#options.consumer} stopped at the reaction to event ${id} of ${source} (${type}), which failed ${verdict.attempts} times, last with: ${verdict.error?.message}. It is not lost; mend the handler and start again`,
      { cause },
    )
  }

  /** The one that has the marks takes over in a moment, or already has. */
  async #stepUnlessSuperseded(): Promise<Reacted> {
    try {
      return await this.step()
    } catch (error) {
      if (this.#options.signal.aborted) return nothingDone
      if (error instanceof ConsumerError && error.code === 'CONSUMER_SUPERSEDED') return nothingDone
      throw error
    }
  }

  /** What may run now, in order, and how many were put behind a parked one instead. */
  async #jobs(limit: number): Promise<{ jobs: Job[]; behind: number }> {
    const { clock, parking } = this.#options
    return await this.#transaction(async (unit) => {
      const due = await unit.parking.due('react', { now: clock.now(), limit })
      const reactions = await unit.reactions.first(limit)
      const subjects = reactions.flatMap(({ subject }) => subject ?? [])
      const held = await unit.parking.held('react', parking?.holdSubject === true ? subjects : [])
      const isHeld = ({ subject }: Reaction) => subject !== undefined && held.has(subject)
      const waiting = reactions.filter(isHeld)
      // What is due may free their subject; until it has, they wait behind it.
      if (waiting.length > 0) await this.#putBehind(unit, waiting)
      const free = reactions.filter((reaction) => !isHeld(reaction))
      const jobs = [
        ...due.map((parked) => jobOf(parked, { parked, reaction: undefined })),
        ...free.map((reaction) => jobOf(reaction, { parked: undefined, reaction })),
      ]
      return { jobs, behind: waiting.length }
    })
  }

  async #putBehind(unit: StoreTransaction<Tx>, waiting: readonly Reaction[]): Promise<void> {
    const jobs = waiting.map((reaction) => jobOf(reaction, { reaction, parked: undefined }))
    await this.#write(
      unit,
      jobs.map((job) => ({ job, end: 'behind' })),
    )
  }

  /** The reactions of one subject, one after the other; after a failure the rest waits, or is left for later. */
  async *#runChain(chain: readonly Job[]): AsyncGenerator<Outcome> {
    const { parking, signal } = this.#options
    let isFailed = false
    for (const job of chain) {
      if (signal.aborted || (isFailed && parking === undefined)) yield { job, end: 'left' }
      else if (isFailed) yield { job, end: 'behind' }
      else {
        const outcome = await this.#try(job)
        isFailed = outcome.end === 'failed' && parking?.holdSubject !== false
        yield outcome
      }
    }
  }

  async #try(job: Job): Promise<Outcome> {
    const { consumer, handlers, clock, signal, logger } = this.#options
    const handler = handlers.find(job.event)
    const react = handler?.react
    if (react === undefined) return { job, end: 'done' }
    const { backoffMs, backoffMsMax, ...retry } = handler!.retry
    const attempts = job.parked === undefined ? retry.attempts : 1
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#react(react, job, attempt)
        return { job, end: 'done' }
      } catch (cause) {
        if (signal.aborted) return { job, end: 'left' }
        const { id, source, type } = job.event
        const error = parkedError(cause)
        const fields = { consumer, id, source, type, attempt, error: error.message }
        if (attempt >= attempts || isHopeless(cause)) {
          logger.error('reaction.gave-up', fields)
          return { job, end: 'failed', verdict: { reason: reasonOf(cause), error, attempts: attempt }, cause }
        }
        logger.warn('reaction.failed', fields)
        await clock.sleep(Math.min(backoffMs * 2 ** (attempt - 1), backoffMsMax))
      }
    }
  }

  #react(
    react: NonNullable<ResolvedHandler<Tx>['react']>,
    { event, position }: Job,
    attempt: number,
  ): unknown {
    const { consumer, signal, logger } = this.#options
    const run = () => react(event, { position, attempt, signal, logger })
    return isTracing() ? traceApply(event, { consumer, position, operation: 'react' }, run) : run()
  }

  async #write(unit: StoreTransaction<Tx>, outcomes: readonly Outcome[]): Promise<void> {
    const { clock, parking } = this.#options
    const now = clock.now()
    const newlyParked: NewParked[] = []
    const ended: number[] = []
    const resolved: ParkedEvent[] = []
    for (const outcome of outcomes) {
      const { job, end } = outcome
      if (end === 'left') continue
      if (job.reaction !== undefined) ended.push(job.reaction.number)
      if (end === 'done' && job.parked !== undefined) resolved.push(job.parked)
      if (end === 'failed' && job.parked !== undefined) {
        const retries = job.parked.retries + 1
        await unit.parking.failed(job.parked, {
          ...outcome.verdict,
          attempts: job.parked.attempts + 1,
          retries,
          dueAt: dueAfter(parking, { retries, now }),
        })
      } else if (end !== 'done' && job.parked === undefined) newlyParked.push(this.#parkedOf(outcome, now))
    }
    if (newlyParked.length > 0) await unit.parking.park(newlyParked)
    if (resolved.length > 0) await unit.parking.resolve(resolved, now)
    if (ended.length > 0) await unit.reactions.remove(ended)
  }

  #parkedOf(outcome: Outcome, now: number): NewParked {
    const { event, position } = outcome.job
    const place = { part: 'react', event, position, parkedAt: now } as const
    if (outcome.end !== 'failed')
      return { ...place, reason: 'behind', error: undefined, attempts: 0, dueAt: undefined }
    return { ...place, ...outcome.verdict, dueAt: dueAfter(this.#options.parking, { retries: 0, now }) }
  }

  async #transaction<Result>(work: (unit: StoreTransaction<Tx>) => Promise<Result>): Promise<Result> {
    return await whenAvailable(() => this.#options.store.transaction(work), this.#options)
  }

  async #pause(): Promise<void> {
    if (this.#isAwaited) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.#wake?.(), lookEveryMs)
      this.#wake = () => {
        clearTimeout(timer)
        this.#wake = undefined
        resolve()
      }
    })
  }
}

const nothingDone: Reacted = { done: 0, failed: 0, behind: 0 }

function isNewFailure(outcome: Outcome): outcome is Outcome & { end: 'failed' } {
  return outcome.end === 'failed' && outcome.job.parked === undefined
}

function jobOf(
  stored: Reaction | ParkedEvent,
  { reaction, parked }: { reaction: Reaction | undefined; parked: ParkedEvent | undefined },
): Job {
  const { id, source, type, subject, position, message } = stored
  return { event: new MessageEvent({ id, source, type, subject }, message), position, reaction, parked }
}

/** Jobs by subject, in their order; one without a subject is on its own. */
function chainsOf(jobs: readonly Job[]): Iterable<Job[]> {
  const chains = new Map<unknown, Job[]>()
  for (const job of jobs) {
    const key = job.event.subject ?? job
    const chain = chains.get(key)
    if (chain === undefined) chains.set(key, [job])
    else chain.push(job)
  }
  return chains.values()
}
