/** How often each name came, for so many names as fit; what comes under further ones is counted together. */
export class Counter {
  readonly #counts = new Map<string, number>()
  readonly #namesMax: number
  #others = 0

  constructor({ namesMax }: { namesMax: number }) {
    this.#namesMax = namesMax
  }

  add(name: string): void {
    const counted = this.#counts.get(name)
    if (counted !== undefined) this.#counts.set(name, counted + 1)
    else if (this.#counts.size < this.#namesMax) this.#counts.set(name, 1)
    else this.#others += 1
  }

  get size(): number {
    return this.#counts.size
  }

  /** Under names that found no room. */
  get others(): number {
    return this.#others
  }

  /** The most frequent first. */
  entries(): (readonly [name: string, events: number])[] {
    return [...this.#counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
  }
}
