/**
 * What an audit meets between events: checkpoints, and ranges that were pruned, in the order of positions.
 *
 * A checkpoint within a range cannot be judged: nobody knows the sum of a part of it.
 */
import type { Checkpoint, PrunedRange } from '../reader.ts'

type Landmark =
  | { readonly checkpoint: Checkpoint; readonly range?: never }
  | { readonly range: PrunedRange; readonly checkpoint?: never }

export class Landmarks {
  readonly #checkpoints: readonly Checkpoint[]
  readonly #pruned: readonly PrunedRange[]
  #checkpoint = 0
  #range = 0
  #passedUpTo: number

  /** @param options.passedUpTo - The last position that was met before. */
  constructor({
    checkpoints,
    pruned,
    passedUpTo,
  }: {
    checkpoints: readonly Checkpoint[]
    pruned: readonly PrunedRange[]
    passedUpTo: number
  }) {
    this.#checkpoints = checkpoints
    this.#pruned = pruned
    this.#passedUpTo = passedUpTo
  }

  /** Those that begin below a position and were not met yet. */
  *before(position: number): Generator<Landmark> {
    for (;;) {
      const checkpoint = this.#checkpoints[this.#checkpoint]
      const range = this.#pruned[this.#range]
      if (
        range !== undefined &&
        range.first < position &&
        !(checkpoint && checkpoint.position < range.first)
      ) {
        this.#range += 1
        this.#passedUpTo = range.last
        yield { range }
      } else if (checkpoint !== undefined && checkpoint.position < position) {
        this.#checkpoint += 1
        if (checkpoint.position >= this.#passedUpTo) yield { checkpoint }
      } else return
    }
  }
}
