/** How many events may fail before a run ends. */

/** Events that are seen before a share of them says anything. */
const shareFrom = 100

export class FailureLimit {
  readonly #max: number
  /** Of the events seen; undefined where the limit is a number. */
  readonly #share: number | undefined

  /** @throws TypeError where it is neither a number from 0 on nor a share up to 100%. */
  constructor(max: number | string) {
    const percent = /^(\d+(?:\.\d+)?)%$/.exec(String(max))?.[1]
    this.#share = percent === undefined ? undefined : Number(percent) / 100
    this.#max = typeof max === 'number' ? max : Number.NaN
    if (!(this.#max >= 0 || (this.#share !== undefined && this.#share <= 1)))
      throw new TypeError(`Expected \`maxFailures\` to be a number or a share up to 100%, got ${max}`)
  }

  /**
   * How many more may fail, also where all of them are the next ones; below 0 where too many have.
   *
   * @param options.seen - Events that were picked, or could not be read.
   */
  left({ failed, seen }: { failed: number; seen: number }): number {
    const share = this.#share
    if (share === undefined) return this.#max - failed
    if (share === 1) return Number.POSITIVE_INFINITY
    const left = Math.floor((seen * share - failed) / (1 - share))
    return seen < shareFrom ? Math.max(left, shareFrom - 1 - seen) : left
  }
}
