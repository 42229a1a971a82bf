/**
 * Sizes of which only the distribution is kept: in classes 5 % apart, so that memory does not grow with
 * their number. Smallest, largest, sum and mean are exact; a quantile is within 3 %.
 */
export interface SizeSummary {
  readonly total: number
  readonly min: number
  readonly median: number
  readonly mean: number
  /** 99 of 100 are not larger. */
  readonly p99: number
  readonly max: number
}

const step = Math.log(1.05)

export class SizeHistogram {
  readonly #classes: number[] = []
  #count = 0
  #total = 0
  #min = Number.POSITIVE_INFINITY
  #max = 0

  add(size: number): void {
    const index = size === 0 ? 0 : 1 + Math.floor(Math.log(size) / step)
    this.#classes[index] = (this.#classes[index] ?? 0) + 1
    this.#count += 1
    this.#total += size
    if (size < this.#min) this.#min = size
    if (size > this.#max) this.#max = size
  }

  /** Undefined where there is none. */
  summary(): SizeSummary | undefined {
    if (this.#count === 0) return undefined
    return {
      total: this.#total,
      min: this.#min,
      median: this.#quantile(0.5),
      mean: Math.round(this.#total / this.#count),
      p99: this.#quantile(0.99),
      max: this.#max,
    }
  }

  #quantile(share: number): number {
    let left = Math.ceil(this.#count * share)
    for (const [index, classed = 0] of this.#classes.entries()) {
      left -= classed
      if (left > 0) continue
      const middle = index === 0 ? 0 : Math.exp((index - 0.5) * step)
      return Math.round(Math.min(Math.max(middle, this.#min), this.#max))
    }
    return this.#max
  }
}
