/**
 * Care after a process that died at work: of the events that may have killed it, one at a time is in hand,
 * whether it is applied or reacts. Else the next death would be written down for an innocent one too.
 */
export class Care {
  #last: Promise<unknown> = Promise.resolve()

  /** Runs `work` when all that was asked for before has ended. */
  alone<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work)
    this.#last = result.catch(() => {})
    return result
  }
}
