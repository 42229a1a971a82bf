/**
 * The sequence of one source in one epoch, followed over a history: 1, 2, 3 … in the order published.
 *
 * Kept are the highest number and the holes below it, nothing for each event. A number below the highest
 * one is late where it fills a hole, and repeated where it does not: it has been there before.
 */

/** Numbers that are not there, and the positions between which they were left out. */
export interface Hole {
  readonly from: number
  /** Inclusive. */
  readonly to: number
  /** Of the event with the number below; undefined where the hole begins at 1. */
  readonly after: number | undefined
  /** Of the event that came in its place. */
  readonly before: number
}

export class EpochSequence {
  readonly source: string
  readonly epoch: string
  /** In ascending order. */
  #holes: Hole[] = []
  #highest = 0
  #highestAt: number | undefined
  #lowest: number | undefined
  /** Below it, holes are not known: a number there is taken for late. */
  #knownFrom: number
  #events = 0
  #lastAt = 0
  /** Pruned positions below the highest number. */
  #prunedBelow = 0

  /** @param options.startsAt - Where it must begin: 1, or undefined where its beginning is not known. */
  constructor({ source, epoch, startsAt }: { source: string; epoch: string; startsAt: 1 | undefined }) {
    this.source = source
    this.epoch = epoch
    this.#knownFrom = startsAt ?? Number.POSITIVE_INFINITY
  }

  get holes(): readonly Hole[] {
    return this.#holes
  }

  /** The highest number, and where it is. */
  get highest(): { readonly sequence: number; readonly position: number | undefined } {
    return { sequence: this.#highest, position: this.#highestAt }
  }

  get lowest(): number {
    return this.#lowest ?? 0
  }

  get events(): number {
    return this.#events
  }

  /** The position of its newest event. */
  get lastAt(): number {
    return this.#lastAt
  }

  /** The next event of this source and epoch, in position order. */
  add(sequence: number, position: number, pruned: number): 'in order' | 'late' | 'repeated' {
    this.#events += 1
    return this.pass(sequence, position, pruned)
  }

  /**
   * The number of something that is no event of the history, and not missing either.
   *
   * @param pruned - Positions below this one that were pruned: where as many lie between two events as numbers
   *   are missing, these are taken for theirs.
   */
  pass(sequence: number, position: number, pruned: number): 'in order' | 'late' | 'repeated' {
    this.#lastAt = position
    if (this.#lowest === undefined || sequence < this.#lowest) this.#lowest = sequence
    if (sequence <= this.#highest) return this.#fill(sequence)
    if (this.#knownFrom === Number.POSITIVE_INFINITY) this.#knownFrom = sequence
    const from = Math.max(this.#highest + 1, this.#knownFrom)
    if (from < sequence && sequence - from > pruned - this.#prunedBelow) {
      this.#holes.push({ from, to: sequence - 1, after: this.#highestAt, before: position })
    }
    this.#highest = sequence
    this.#highestAt = position
    this.#prunedBelow = pruned
    return 'in order'
  }

  /** Lets its holes go; which number was there before is not known any more. */
  forgetHoles(): readonly Hole[] {
    const holes = this.#holes
    this.#holes = []
    this.#knownFrom = this.#highest + 1
    return holes
  }

  #fill(sequence: number): 'late' | 'repeated' {
    if (sequence < this.#knownFrom) return 'late'
    const index = this.#indexOfHole(sequence)
    const hole = this.#holes[index]
    if (hole === undefined || sequence < hole.from) return 'repeated'
    const rest = [
      { ...hole, to: sequence - 1 },
      { ...hole, from: sequence + 1 },
    ]
    this.#holes.splice(index, 1, ...rest.filter(({ from, to }) => from <= to))
    return 'late'
  }

  /** Of the first hole that ends at or above a number. */
  #indexOfHole(sequence: number): number {
    let low = 0
    let high = this.#holes.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#holes[middle]!.to < sequence) low = middle + 1
      else high = middle
    }
    return low
  }
}
