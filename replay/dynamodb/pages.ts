/**
 * The pages of several parts in turn, and what is needed to go on behind any item of them, in the same order.
 *
 * Parts take turns, a page each. Where it is asked for a page and has none, it reads one of each part whose turn comes
 * next, all at once; then nothing more until those are given out.
 */
import type { Item } from './attribute-value.ts'

/** How far a reading has come. */
export interface Progress {
  /** Items so far. */
  readonly position: number
  /** Parts that have been begun: these come first. Those that are not open are done. */
  readonly begun: number
  /** In the order of their turns. */
  readonly open: readonly OpenPart[]
}

export interface OpenPart {
  readonly part: number
  /** Of the last item; undefined before the first. */
  readonly key: Item | undefined
  /** Items that are left of a page that is under way; undefined for a whole one. */
  readonly left?: number | undefined
}

export interface PartPage {
  readonly items: readonly Item[]
  /** Before the first item of it: its part is the first that is open. */
  readonly before: Progress
  /** Behind the last. */
  readonly after: Progress
}

/** How far a reading is behind an item of a page. @param at - Of the item, counted from 0. */
export function progressBehind({ items, before, after }: PartPage, at: number, key: Item): Progress {
  if (at === items.length - 1) return after
  const [{ part }, ...others] = before.open as readonly [OpenPart, ...OpenPart[]]
  // The last page of a part ends where the part does, which may be further on by then.
  const isLast = after.open.every((one) => one.part !== part)
  const open = [{ part, key, left: isLast ? undefined : items.length - at - 1 }, ...others]
  return { ...before, position: before.position + at + 1, open }
}

/** What a request for a page gives. */
export interface PageAnswer {
  readonly items: readonly Item[]
  /** Undefined where there is no more. */
  readonly lastKey: Item | undefined
}

type Ask = (from: OpenPart) => Promise<PageAnswer>

export class Pages {
  readonly #parts: number
  readonly #atOnce: number
  readonly #ask: Ask
  #progress: Progress
  /** Of the first that are open. */
  readonly #asked: Promise<PageAnswer>[] = []

  /** @param options.parts - How many there are, of which `atOnce` are read at the same time. */
  constructor({
    parts,
    atOnce,
    from,
    ask,
  }: { readonly parts: number; readonly atOnce: number; readonly from: Progress; readonly ask: Ask }) {
    this.#parts = parts
    this.#atOnce = atOnce
    this.#ask = ask
    this.#progress = from
  }

  /** @returns undefined behind the last. @throws What `ask` throws. */
  async next(): Promise<PartPage | undefined> {
    this.#begin()
    const [turn, ...others] = this.#progress.open
    if (turn === undefined) return undefined
    if (this.#asked.length === 0) this.#askAll()
    const { items, lastKey } = await this.#asked.shift()!
    const before = this.#progress
    // Behind the others: its turn comes after theirs.
    const open = lastKey === undefined ? others : [...others, { part: turn.part, key: lastKey }]
    this.#progress = { ...before, position: before.position + items.length, open }
    return { items, before, after: this.#progress }
  }

  #begin(): void {
    const { position, begun, open } = this.#progress
    const more = Math.min(this.#atOnce - open.length, this.#parts - begun)
    if (more <= 0) return
    const parts = Array.from({ length: more }, (_, n) => ({ part: begun + n, key: undefined }))
    this.#progress = { position, begun: begun + more, open: [...open, ...parts] }
  }

  #askAll(): void {
    for (const part of this.#progress.open) {
      const page = this.#ask(part)
      // It is looked at when its turn comes, which may be never.
      page.catch(() => {})
      this.#asked.push(page)
    }
  }
}
