/**
 * The reactor: runs the `react` of events that were applied, outside of any transaction, at least once.
 *
 * What is to react was written down with the effects (reactions.ts), so a process that dies repeats some
 * and loses none. Reactions of one subject run in order, those of others beside them. One that keeps
 * failing is parked, and what follows of its subject waits behind it.
 */
import { type CloudEvent, isTracing, type Logger, MessageEvent, traceApply } from '../events/index.ts'
import { dueAfter } from './attempts.ts'
import type { ParkingPolicy } from './definition.ts'
import { ConsumerError } from './errors.ts'
import { parkedError } from './fingerprint.ts'
import type { HandlerTable, ResolvedHandler } from './handler-table.ts'
import type { Clock } from './link.ts'
import type { NewParked, ParkedEvent } from './parking.ts'
import { whenAvailable } from './patience.ts'
import type { Reaction } from './reactions.ts'
import type { ConsumerStore, StoreTransaction } from './store.ts'

export interface ReactorOptions<Tx> {
  readonly consumer: string
  readonly store: ConsumerStore<Tx>
  readonly handlers: HandlerTable<Tx>
  readonly parking: Required<ParkingPolicy> | undefined
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
  | { readonly end: 'failed'; readonly cause: unknown; readonly attempts: number }
)

const batchMax = 100
const atOnceMax = 8
/** Between two looks for what is due by the clock, or by another hand. */
const lookEveryMs = 1_000

export class Reactor<Tx> {
  readonly #options: ReactorOptions<Tx>
  #wake: (() => void) | undefined
  #isAwaited = false

  constructor(options: ReactorOptions<Tx>) {
    this.#options = options
  }

  /** There is something to do. */
  wake(): void {
    this.#isAwaited = true
    this.#wake?.()
  }

  /** Runs until the signal is aborted; reactions in hand are finished. */
  async run(): Promise<void> {
    const { signal } = this.#options
    const wake = () => this.wake()
    signal.addEventListener('abort', wake)
    try {
      while (!signal.aborted) {
        this.#isAwaited = false
        if ((await this.#stepUnlessSuperseded()) === 0 && !signal.aborted) await this.#pause()
      }
    } finally {
      signal.removeEventListener('abort', wake)
    }
  }

  /** Runs what there is to run now. @returns How many ended, one way or the other. */
  async step(): Promise<number> {
    const jobs = await this.#jobs()
    if (jobs.length === 0) return 0
    const chains = [...chainsOf(jobs)]
    const outcomes: Outcome[] = []
    const work = async () => {
      for (let chain = chains.shift(); chain !== undefined; chain = chains.shift())
        for await (const outcome of this.#runChain(chain)) outcomes.push(outcome)
    }
    await Promise.all(Array.from({ length: Math.min(atOnceMax, chains.length) }, work))
    await this.#transaction((unit) => this.#write(unit, outcomes))
    return outcomes.filter(({ end }) => end !== 'left').length
  }

  /** The one that has the marks takes over in a moment, or already has. */
  async #stepUnlessSuperseded(): Promise<number> {
    try {
      return await this.step()
    } catch (error) {
      if (this.#options.signal.aborted) return 0
      if (error instanceof ConsumerError && error.code === 'CONSUMER_SUPERSEDED') return 0
      throw error
    }
  }

  async #jobs(): Promise<Job[]> {
    const { clock } = this.#options
    return await this.#transaction(async (unit) => {
      const due = await unit.parking.due('react', { now: clock.now(), limit: batchMax })
      const reactions = await unit.reactions.first(batchMax)
      const held = await unit.parking.held(
        'react',
        reactions.flatMap(({ subject }) => subject ?? []),
      )
      const isHeld = ({ subject }: Reaction) => subject !== undefined && held.has(subject)
      const waiting = reactions.filter(isHeld)
      // What is due may free their subject; until it has, they wait behind it.
      if (waiting.length > 0) await this.#putBehind(unit, waiting)
      return [
        ...due.map((parked) => jobOf(parked, { parked, reaction: undefined })),
        ...reactions
          .filter((reaction) => !isHeld(reaction))
          .map((reaction) => jobOf(reaction, { parked: undefined, reaction })),
      ]
    })
  }

  async #putBehind(unit: StoreTransaction<Tx>, waiting: readonly Reaction[]): Promise<void> {
    const jobs = waiting.map((reaction) => jobOf(reaction, { reaction, parked: undefined }))
    await this.#write(
      unit,
      jobs.map((job) => ({ job, end: 'behind' })),
    )
  }

  /** The reactions of one subject, one after the other; after a failure the rest waits. */
  async *#runChain(chain: readonly Job[]): AsyncGenerator<Outcome> {
    let isFailed = false
    for (const job of chain) {
      if (this.#options.signal.aborted) yield { job, end: 'left' }
      else if (isFailed) yield { job, end: 'behind' }
      else {
        const outcome = await this.#try(job)
        isFailed = outcome.end === 'failed' && this.#options.parking?.holdSubject !== false
        yield outcome
      }
    }
  }

  async #try(job: Job): Promise<Outcome> {
    const { consumer, handlers, clock, signal, logger } = this.#options
    const handler = handlers.find(job.event.type)
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
        const error = cause instanceof Error ? cause.message : String(cause)
        const fields = { consumer, id, source, type, attempt, error }
        if (attempt >= attempts) {
          logger.error('reaction.gave-up', fields)
          return { job, end: 'failed', cause, attempts: attempt }
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
        await unit.parking.failed(job.parked.number, {
          reason: 'failed',
          error: parkedError(outcome.cause),
          attempts: job.parked.attempts + outcome.attempts,
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
    const dueAt = dueAfter(this.#options.parking, { retries: 0, now })
    const { cause, attempts } = outcome
    return { ...place, reason: 'failed', error: parkedError(cause), attempts, dueAt }
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
