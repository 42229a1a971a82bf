/**
 * One life of a consumer's process. Every call of a port is a place where it may die, before the call
 * took effect or after: the call then never answers, and nothing of that process runs any more.
 */
import type { Clock } from '../link.ts'
import type { Random } from './random.fixture.ts'
import type { Timeline } from './timeline.fixture.ts'

export interface LifeOptions {
  readonly timeline: Timeline
  readonly random: Random
  /** Longest time of a call, in milliseconds; the others go on meanwhile. */
  readonly callMsMax: number
}

/** More calls than any life needs: it turns in circles. */
const callsMax = 50_000

export class Life {
  readonly timeline: Timeline
  readonly random: Random
  readonly clock: Clock
  isDead = false
  readonly #callMsMax: number
  readonly #stop = new AbortController()
  readonly #sleepers = new Set<() => void>()
  #calls = 0
  #due: { readonly atCall: number; readonly act: () => void }[] = []

  constructor({ timeline, random, callMsMax }: LifeOptions) {
    this.timeline = timeline
    this.random = random
    this.#callMsMax = callMsMax
    this.clock = { now: () => timeline.now(), sleep: (ms) => this.#sleep(ms) }
  }

  get signal(): AbortSignal {
    return this.#stop.signal
  }

  get isSpinning(): boolean {
    return this.#calls > callsMax
  }

  /** Told to stop: what it waits for is over. */
  stop(): void {
    this.#stop.abort()
    for (const resolve of this.#sleepers) resolve()
  }

  /** Does something to this process when it makes its next but `calls` call. */
  afterCalls(calls: number, act: () => void): void {
    this.#due.push({ atCall: this.#calls + calls, act })
  }

  async call<Result>(act: () => Result): Promise<Result> {
    await this.point()
    const result = act()
    await this.point()
    return result
  }

  /** A place to die, and to lose time. */
  async point({ takesTime = true }: { takesTime?: boolean } = {}): Promise<void> {
    this.#calls += 1
    if (this.#due.length > 0) this.#doDue()
    if (this.isDead || this.isSpinning) await never()
    if (takesTime && this.#callMsMax > 0 && this.random.chance(25)) {
      await this.suspend((settle) =>
        this.timeline.after(1 + this.random.upTo(this.#callMsMax - 1), settle.resolve),
      )
    }
  }

  /** A promise that the simulation settles, unless the process has died by then. */
  async suspend(begin: (settle: Settle) => void): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const unlessDead = (settle: () => void) => {
        if (!this.isDead) this.timeline.wake(settle)
      }
      begin({
        resolve: () => unlessDead(resolve),
        reject: (error) => unlessDead(() => reject(error)),
      })
    })
  }

  async #sleep(ms: number): Promise<void> {
    await this.point({ takesTime: false })
    if (this.signal.aborted) return
    await this.suspend(({ resolve }) => {
      this.#sleepers.add(resolve)
      this.timeline.after(ms, () => {
        this.#sleepers.delete(resolve)
        resolve()
      })
    })
  }

  #doDue(): void {
    const due = this.#due.filter(({ atCall }) => atCall <= this.#calls)
    if (due.length === 0) return
    this.#due = this.#due.filter((one) => !due.includes(one))
    for (const { act } of due) act()
  }
}

export interface Settle {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** A new one each time: a promise keeps all that waits for it, and so would keep every dead process. */
function never(): Promise<never> {
  return new Promise(() => {})
}
