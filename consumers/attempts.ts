/**
 * Attempts: events applied in order, however often that takes, until each has taken effect or is judged.
 *
 * A slice is one transaction. Where a handler throws, it is rolled back; the events before the failing one
 * are applied without it, then it is tried alone, so a batch costs no savepoints while all goes well.
 * After its last try an event gets a verdict: the slice of that one event is then to park it.
 *
 * After a process that died at work the next events are taken with care, each alone, each try written
 * down before: an event that was tried too often already is the one that kills.
 */
import { type CloudEvent, EventError, type Identity, type Logger } from '../events/index.ts'
import { Care } from './care.ts'
import type { ParkingPolicy, RetryPolicy } from './definition.ts'
import { ConsumerError } from './errors.ts'
import { asHandlerFailure, type HandlerFailure } from './handler-failure.ts'
import { isHopeless } from './handler-table.ts'
import type { Clock } from './link.ts'
import type { NotedError } from './noted-error.ts'
import { parkedError } from './parking/fingerprint.ts'
import type { NewParked, Part } from './parking/parking.ts'

/** Why an event is to be parked. */
export type Verdict = Pick<NewParked, 'reason' | 'error' | 'attempts'>

export interface Trial {
  /** 1 at the first try. */
  readonly attempt: number
  /** Set where the slice is one event that is to be parked. */
  readonly verdict: Verdict | undefined
  /** Whether the try of the slice's one event was written down. */
  readonly careful: boolean
}

export interface AttemptsOptions {
  readonly consumer: string
  readonly parking: Required<ParkingPolicy> | undefined
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly logger: Logger
  /** Events to be taken with care, from the first. */
  readonly careful: number
  readonly care?: Care | undefined
  retryOf(type: string): Required<RetryPolicy>
  /** Writes down that an event is tried, and tells how often it was before. */
  countTry(identity: Identity): Promise<number>
}

export class Attempts {
  readonly #options: AttemptsOptions
  readonly #care: Care
  #careful: number
  #lastError: NotedError | undefined

  constructor(options: AttemptsOptions) {
    this.#options = options
    this.#careful = options.careful
    this.#care = options.care ?? new Care()
  }

  /** The newest failure of a handler. */
  get lastError(): NotedError | undefined {
    return this.#lastError
  }

  /**
   * @param options.areParked - They are tried once each, and what fails goes on being parked, whatever the
   *   policy is by now. Default false.
   * @throws ConsumerError `CONSUMER_HANDLER_FAILED` where nothing is to be parked; what `apply` rejects
   *   with and is no handler's failure.
   */
  async inOrder<Event extends CloudEvent>(
    events: readonly Event[],
    apply: (slice: readonly Event[], trial: Trial) => Promise<void>,
    { areParked = false }: { areParked?: boolean } = {},
  ): Promise<void> {
    let from = 0
    let to = events.length
    let attempt = 1
    let isAlone = false
    while (from < events.length) {
      this.#options.signal.throwIfAborted()
      const event = events[from]!
      const careful = this.#careful > 0
      if (careful || isAlone) to = from + 1
      try {
        const slice = events.slice(from, to)
        if (careful) await this.#care.alone(() => this.#applyCarefully(slice, apply, attempt))
        else await apply(slice, { attempt, verdict: undefined, careful })
      } catch (error) {
        const failure = asHandlerFailure(error, { slice: to - from, event })
        if (failure === undefined) throw error
        if (failure === 'one of several') {
          isAlone = true
          continue
        }
        if (failure.index > 0) {
          to = from + failure.index
          continue
        }
        to = from + 1
        const verdict = this.#judge(failure, { attempt, areParked })
        if (verdict === undefined) {
          await this.#backOff(failure, attempt)
          attempt += 1
          continue
        }
        await apply(events.slice(from, to), { attempt, verdict, careful })
      }
      if (careful) this.#careful -= 1
      from = to
      to = events.length
      attempt = 1
    }
  }

  async #applyCarefully<Event extends CloudEvent>(
    slice: readonly Event[],
    apply: (slice: readonly Event[], trial: Trial) => Promise<void>,
    attempt: number,
  ): Promise<void> {
    const verdict = attempt === 1 ? await this.#crashVerdict(slice[0]!) : undefined
    await apply(slice, { attempt, verdict, careful: true })
  }

  /** What is to become of an event that has failed; undefined where it is to be tried again. */
  #judge(
    { event, cause }: HandlerFailure,
    { attempt, areParked }: { attempt: number; areParked: boolean },
  ): Verdict | undefined {
    const { consumer, parking, clock, logger, retryOf } = this.#options
    const failure = parkedError(cause)
    const reason = failure.message
    this.#lastError = { message: reason, at: clock.now() }
    const { id, source, type } = event
    const attempts = areParked ? 1 : retryOf(type).attempts
    const fields = { consumer, id, source, type, attempt, error: reason }
    if (attempt < attempts && !isHopeless(cause)) {
      logger.warn('handler.failed', fields)
      return undefined
    }
    logger.error('handler.gave-up', fields)
    if (parking !== undefined || areParked)
      return { reason: reasonOf(cause), error: failure, attempts: attempt }
    throw new ConsumerError(
      'CONSUMER_HANDLER_FAILED',
      `Consumer ${consumer} stopped at event ${id} of ${source} (${type}): its handler failed ${attempt} times, last with: ${reason}. The event is not applied and not lost; mend the handler and start again`,
      { cause },
    )
  }

  async #backOff({ event }: HandlerFailure, attempt: number): Promise<void> {
    const { retryOf, clock } = this.#options
    const { backoffMs, backoffMsMax } = retryOf(event.type)
    await clock.sleep(Math.min(backoffMs * 2 ** (attempt - 1), backoffMsMax))
  }

  async #crashVerdict(event: CloudEvent): Promise<Verdict | undefined> {
    const { parking, countTry } = this.#options
    if (parking === undefined) return undefined
    return crashVerdict(event, { ...this.#options, part: 'apply', tries: await countTry(event), parking })
  }
}

/**
 * The verdict on an event in which the process has died too often. The first death was not written down:
 * nobody expected it.
 *
 * @param options.tries - That were written down before this one.
 */
export function crashVerdict(
  { id, source, type }: CloudEvent,
  {
    consumer,
    part,
    tries,
    parking,
    logger,
  }: { consumer: string; part: Part; tries: number; parking: Required<ParkingPolicy>; logger: Logger },
): Verdict | undefined {
  const crashes = tries + 1
  if (crashes === 1 || crashes < parking.crashesMax) return undefined
  const what = part === 'apply' ? 'was applied' : 'reacted'
  const error = `The process died ${crashes} times while this event ${what}`
  logger.error('handler.crashed', { consumer, id, source, type, attempt: crashes, error })
  return { reason: 'crashed', error: parkedError(new CrashError(error)), attempts: crashes }
}

/** Stands for the error that nobody could catch. */
class CrashError extends Error {
  override readonly name = 'CrashError'
}

/** Why an event whose handler threw is to be parked. */
export function reasonOf(cause: unknown): NewParked['reason'] {
  if (!(cause instanceof EventError)) return 'failed'
  return cause.code === 'EVENT_REFUSED' ? 'refused' : 'undecodable'
}

/** When a parked event is to be tried again by itself, after so many times of that. */
export function dueAfter(
  parking: Required<ParkingPolicy> | undefined,
  { retries, now }: { retries: number; now: number },
): number | undefined {
  const { retryAfterMs } = parking ?? { retryAfterMs: [] }
  const waitMs = retryAfterMs[Math.min(retries, retryAfterMs.length - 1)]
  return waitMs === undefined ? undefined : now + waitMs
}
