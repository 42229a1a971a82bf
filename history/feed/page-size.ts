/**
 * How many events are read at a time for a stream: about a mebibyte of them, so that what a stream holds in
 * memory depends on neither how large its events are nor how slow its reader is.
 */
const aim = 1_048_576
const sizeMax = 500

export class PageSize {
  #size = 100

  get value(): number {
    return this.#size
  }

  /** Learns from a page. */
  note({ events, length }: { events: number; length: number }): void {
    if (events === 0) return
    const fitting = Math.floor((aim / length) * events)
    // Up step by step: the next events may be the large ones again.
    this.#size = Math.max(1, Math.min(fitting, this.#size * 4, sizeMax))
  }
}
