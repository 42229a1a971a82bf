/**
 * Numbers spent on duplicates, as they travel with the event behind which they came: runs of neighbouring
 * ones. They must travel, or an audit of the imported history would take them for holes.
 */
import type { HistoryReader, SpentSequence } from '../reader.ts'

/**
 * `[source, epoch, from, to]`, both numbers inclusive; and the position behind which they came, where the event
 * there was pruned, so that they travel with the next one.
 */
export type SpentRun = readonly [source: string, epoch: string, from: number, to: number, position?: number]

const pageLength = 1_000

/** Reads the numbers along with the events, in the order in which they came. */
export class SpentRuns {
  readonly #reader: HistoryReader
  readonly #head: number
  #page: readonly SpentSequence[] = []
  #next = 0
  #after = 0
  #isAtEnd = false

  /** @param options.head - The highest position that is looked at. */
  constructor(reader: HistoryReader, { head }: { head: number }) {
    this.#reader = reader
    this.#head = head
  }

  /** The runs that came up to a position, by the position behind which they came; each is given once. */
  async upTo(position: number): Promise<ReadonlyMap<number, readonly SpentRun[]>> {
    const runs = new Map<number, SpentRun[]>()
    for (;;) {
      const next = this.#page[this.#next]
      if (next === undefined) {
        if (this.#isAtEnd) return runs
        await this.#read()
      } else if (next.position > position) return runs
      else {
        this.#next += 1
        const here = runs.get(next.position)
        if (here === undefined) runs.set(next.position, [runOf(next)])
        else extend(here, next)
      }
    }
  }

  async #read(): Promise<void> {
    const page = { after: this.#after, upTo: this.#head, limit: pageLength }
    this.#page = await this.#reader.spentSequences(page)
    this.#next = 0
    this.#isAtEnd = this.#page.length < pageLength
    this.#after = this.#page.at(-1)?.number ?? this.#after
  }
}

function runOf({ source, epoch, sequence }: SpentSequence): SpentRun {
  return [source, epoch, sequence, sequence]
}

/** Publishers take turns, so the run of one is looked for among the newest few. */
function extend(runs: SpentRun[], spent: SpentSequence): void {
  for (let index = runs.length - 1; index >= Math.max(0, runs.length - lookedAt); index--) {
    const [source, epoch, from, to] = runs[index]!
    if (source !== spent.source || epoch !== spent.epoch) continue
    if (spent.sequence !== to + 1) break
    runs[index] = [source, epoch, from, spent.sequence]
    return
  }
  runs.push(runOf(spent))
}

const lookedAt = 8

/** @throws TypeError where the text holds no runs. */
export function spentOf(text: string, position: number): Omit<SpentSequence, 'number'>[] {
  const runs = parse(text)
  if (!Array.isArray(runs)) throw new TypeError(reason)
  if (!runs.every(isRun)) throw new TypeError(reason)
  return spentIn(runs, position)
}

export function spentIn(runs: readonly SpentRun[], position: number): Omit<SpentSequence, 'number'>[] {
  return runs.flatMap(([source, epoch, from, to, at = position]) =>
    Array.from({ length: to - from + 1 }, (_, index) => ({
      position: at,
      source,
      epoch,
      sequence: from + index,
    })),
  )
}

const reason = 'has a `spentsequences` that is no list of runs'
/** A run that says more was damaged: it would fill the memory. */
const runMax = 10_000_000

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new TypeError(reason, { cause })
  }
}

function isRun(run: unknown): run is SpentRun {
  if (!Array.isArray(run) || run.length < 4 || run.length > 5) return false
  const [source, epoch, from, to, position = 1] = run as unknown[]
  if (!Number.isSafeInteger(position)) return false
  if (typeof source !== 'string' || typeof epoch !== 'string') return false
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to)) return false
  return (
    (from as number) >= 1 && (to as number) >= (from as number) && (to as number) - (from as number) < runMax
  )
}
