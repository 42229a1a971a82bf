/**
 * How large batches were: counted by size, in numbers that a histogram is made of when someone asks.
 *
 * Counting one costs a look at ten bounds, so that it can be done for every batch.
 */

export interface SizeCounts {
  /** Rising; the last counter is of what is larger than all of them. */
  readonly bounds: readonly number[]
  /** Batches of at most so many events as the bound says, and more than the bound before. */
  readonly counts: readonly number[]
  /** Events in all of them. */
  readonly sum: number
}

const bounds: readonly number[] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000]

export class BatchSizes {
  readonly #counts = new Array<number>(bounds.length + 1).fill(0)
  #sum = 0

  add(size: number): void {
    let index = 0
    while (index < bounds.length && size > bounds[index]!) index += 1
    this.#counts[index]! += 1
    this.#sum += size
  }

  toCounts(): SizeCounts {
    return { bounds, counts: [...this.#counts], sum: this.#sum }
  }
}
