/**
 * Virtual time: what is due runs in order of its moment, then of its being asked for.
 *
 * Between two of them, everything that was woken runs as far as it can without time passing. The code
 * under test awaits nothing but the ports of the simulation, so that is when its microtasks are done.
 */
interface Due {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

export class Timeline {
  #now = 0
  #order = 0
  #isTouched = true
  readonly #heap: Due[] = []

  now(): number {
    return this.#now
  }

  after(ms: number, run: () => void): void {
    this.#order += 1
    this.#push({ at: this.#now + ms, order: this.#order, run })
  }

  /** Does what lets the code under test go on. */
  wake(act: () => void): void {
    this.#isTouched = true
    act()
  }

  async sleep(ms: number): Promise<void> {
    await new Promise<void>((resolve) => this.after(ms, () => this.wake(resolve)))
  }

  /** @returns Whether `isDone` became true before that much time had passed. */
  async run({ forMs, isDone = () => false }: { forMs: number; isDone?: () => boolean }): Promise<boolean> {
    const until = this.#now + forMs
    for (;;) {
      if (isDone()) return true
      if (this.#isTouched) {
        this.#isTouched = false
        await new Promise((resolve) => setImmediate(resolve))
        continue
      }
      const next = this.#heap[0]
      if (next === undefined || next.at > until) break
      this.#pop()
      this.#now = next.at
      next.run()
    }
    this.#now = until
    return false
  }

  #push(due: Due): void {
    const heap = this.#heap
    let at = heap.length
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(due, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = due
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    let at = 0
    for (let child = 1; child < heap.length; child = at * 2 + 1) {
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1
      if (!isBefore(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
  }
}

function isBefore(one: Due, other: Due): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order)
}
