/**
 * The one source of chance in a simulation: the same seed makes the same choices again.
 *
 * Each actor draws from a fork of its own, so that leaving one actor's step out of a schedule, as
 * shrinking does, does not change what the others do.
 */
export class Random {
  readonly #seed: number
  #state: number

  constructor(seed: number) {
    this.#seed = seed
    this.#state = seed
  }

  /** A whole number from 0 to `max`, both included. */
  upTo(max: number): number {
    return Math.floor(this.#next() * (max + 1))
  }

  chance(percent: number): boolean {
    return this.#next() * 100 < percent
  }

  fork(name: string): Random {
    let seed = this.#seed ^ 0x811c9dc5
    for (let at = 0; at < name.length; at++) seed = Math.imul(seed ^ name.charCodeAt(at), 0x01000193)
    return new Random(seed)
  }

  /** Mulberry32. */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
