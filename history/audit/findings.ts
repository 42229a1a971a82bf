/** What an audit found of one kind: all counted, the first thousand named. */
export interface Findings<Finding> {
  readonly count: number
  /** At most 1,000, so that an audit of a history that is all wrong ends too. */
  readonly listed: readonly Finding[]
}

export const listedMax = 1_000

/** Collects findings; what is beyond the thousandth is counted only. */
export class FindingList<Finding> {
  readonly #listed: Finding[] = []
  #count = 0

  add(finding: Finding): void {
    this.#count += 1
    if (this.#listed.length < listedMax) this.#listed.push(finding)
  }

  get findings(): Findings<Finding> {
    return { count: this.#count, listed: this.#listed }
  }
}
