/**
 * The pages of several parts in turn, each part read ahead by one page; with what is needed to go on behind any
 * item of them.
 */
import type { Item } from './attribute-value.ts'
import type { Progress } from './read-token.ts'

export interface PartPage {
  readonly part: number
  readonly items: readonly Item[]
  /** Before the first item of it, and behind the last. */
  readonly before: Progress
  readonly after: Progress
}

/** How far a reading is behind an item of a page. @param at - Of the item, counted from 0. */
export function progressBehind({ part, items, before, after }: PartPage, at: number, key: Item): Progress {
  if (at === items.length - 1) return after
  return { ...before, position: before.position + at + 1, open: new Map(before.open).set(part, key) }
}

/** What a request for a page gives. */
export interface PageAnswer {
  readonly items: readonly Item[]
  /** Undefined where there is no more. */
  readonly lastKey: Item | undefined
}

export class Pages {
  readonly #parts: number
  readonly #atOnce: number
  readonly #ask: (part: number, after: Item | undefined) => Promise<PageAnswer>
  readonly #open: Map<number, Item | undefined>
  /** In turn. */
  readonly #asked: { readonly part: number; readonly page: Promise<PageAnswer> }[] = []
  #position: number
  #begun: number

  /** @param options.parts - How many there are, of which `atOnce` are read at the same time. */
  constructor({
    parts,
    atOnce,
    from,
    ask,
  }: {
    readonly parts: number
    readonly atOnce: number
    readonly from: Progress
    readonly ask: (part: number, after: Item | undefined) => Promise<PageAnswer>
  }) {
    this.#parts = parts
    this.#atOnce = atOnce
    this.#ask = ask
    this.#open = new Map(from.open)
    this.#position = from.position
    this.#begun = from.begun
    for (const [part, key] of this.#open) this.#askFor(part, key)
  }

  /** @returns undefined behind the last. @throws What `ask` throws. */
  async next(): Promise<PartPage | undefined> {
    while (this.#asked.length < this.#atOnce && this.#begun < this.#parts) {
      const part = this.#begun++
      this.#open.set(part, undefined)
      this.#askFor(part, undefined)
    }
    const turn = this.#asked.shift()
    if (turn === undefined) return undefined
    const { part } = turn
    const { items, lastKey } = await turn.page
    const before = this.#progress()
    this.#open.delete(part)
    if (lastKey !== undefined) {
      // Behind the others: its turn comes after theirs, in a process that goes on from here too.
      this.#open.set(part, lastKey)
      this.#askFor(part, lastKey)
    }
    this.#position += items.length
    return { part, items, before, after: this.#progress() }
  }

  #askFor(part: number, after: Item | undefined): void {
    const page = this.#ask(part, after)
    // It is looked at when its turn comes, which may be never.
    page.catch(() => {})
    this.#asked.push({ part, page })
  }

  #progress(): Progress {
    return { position: this.#position, begun: this.#begun, open: new Map(this.#open) }
  }
}
