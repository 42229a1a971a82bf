/**
 * How fast events are acted on: so many a second, or in the rhythm in which they were published.
 */
import type { ReplayEvent } from '../replay-event.ts'
import { sleepLong } from './sleep-long.ts'

export interface PaceOptions {
  /** Events a second at most. */
  readonly rate?: number | undefined
  /** 1 keeps the time between events as it was published, 10 is ten times as fast. By `time`; those without one do not wait. */
  readonly speed?: number | undefined
}

interface Signals {
  readonly lanes: AbortSignal
  readonly waits: AbortSignal
}

export class Pace {
  readonly #rate: number | undefined
  readonly #speed: number | undefined
  #freeAt = 0
  #start: { readonly clock: number; readonly time: number } | undefined

  /** @throws TypeError for a rate or speed that is not above 0. */
  constructor({ rate, speed }: PaceOptions) {
    requireAboveZero('rate', rate)
    requireAboveZero('speed', speed)
    this.#rate = rate
    this.#speed = speed
  }

  /** A batch of more would go out at once: a tenth of a second's at most. */
  get batchMax(): number {
    return this.#rate === undefined ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor(this.#rate / 10))
  }

  /** Whether an event may go now, as its rhythm is. */
  isDue(event: ReplayEvent): boolean {
    return this.#dueAt(event) <= performance.now()
  }

  /**
   * Resolves when so many events may go, the first of which is `first`.
   *
   * @param signals.lanes - Ends any wait.
   * @param signals.waits - Ends the wait for a rhythm, which may be long. That for a rate is a part of a second, and
   *   what was begun is to be done.
   * @throws What they were aborted with.
   */
  async take(count: number, first: ReplayEvent, { lanes, waits }: Signals): Promise<void> {
    if (this.#rate === undefined && this.#speed === undefined) return
    const now = performance.now()
    const at = Math.max(now, this.#freeAt, this.#dueAt(first))
    if (this.#rate !== undefined) this.#freeAt = at + (count / this.#rate) * 1_000
    if (at > now) await sleepLong(at - now, this.#speed === undefined ? lanes : waits)
  }

  #dueAt(event: ReplayEvent): number {
    if (this.#speed === undefined) return 0
    const time = Date.parse(event.attributes.time ?? '')
    if (Number.isNaN(time)) return 0
    this.#start ??= { clock: performance.now(), time }
    return this.#start.clock + (time - this.#start.time) / this.#speed
  }
}

function requireAboveZero(name: string, value: number | undefined): void {
  if (value !== undefined && !(Number.isFinite(value) && value > 0))
    throw new TypeError(`Expected \`${name}\` to be a number above 0, got ${value}`)
}
