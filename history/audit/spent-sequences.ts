/** The numbers that were spent on duplicates, read along with the events, in pages. */
import type { HistoryReader, SpentSequence } from '../reader.ts'

const pageLength = 1_000

export class SpentSequences {
  readonly #reader: HistoryReader
  readonly #head: number
  #page: SpentSequence[] = []
  #next = 0
  #after = 0
  #isAtEnd = false

  /** @param options.head - The highest position that is looked at. */
  constructor(reader: HistoryReader, { head }: { head: number }) {
    this.#reader = reader
    this.#head = head
  }

  /** The next ones that came before the event at a position was recorded. */
  async *before(position: number): AsyncGenerator<SpentSequence> {
    for (;;) {
      const next = this.#page[this.#next]
      if (next !== undefined && next.position >= position) return
      if (next !== undefined) {
        this.#next += 1
        yield next
      } else if (this.#isAtEnd) return
      else await this.#read()
    }
  }

  async #read(): Promise<void> {
    this.#page = await this.#reader.spentSequences({
      after: this.#after,
      upTo: this.#head,
      limit: pageLength,
    })
    this.#next = 0
    this.#isAtEnd = this.#page.length < pageLength
    this.#after = this.#page.at(-1)?.number ?? this.#after
  }
}
