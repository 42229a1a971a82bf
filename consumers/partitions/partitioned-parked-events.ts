/**
 * The parked events of a consumer with partitions: those of all of them, as if they were one consumer's.
 *
 * The numbers are the store's, so each is in one partition only. A mark is set in one partition after the
 * other: whoever dies between two of them has marked the first, and marking again marks the rest.
 */

import { checkLimit, firstMax } from '../parking/parked-bounds.ts'
import type { ParkedChange } from '../parking/parked-change.ts'
import type {
  MarkOptions,
  ParkedDetails,
  ParkedEntry,
  ParkedEvents,
  ParkedGroup,
  ParkedList,
  ParkedMark,
  ParkedOutcome,
  ParkedSelection,
} from '../parking/parked-events.ts'

export class PartitionedParkedEvents implements ParkedEvents {
  readonly consumer: string
  readonly #parts: readonly ParkedEvents[]

  /** @param parts - In the order of the partitions; closed with this. */
  constructor(consumer: string, parts: readonly ParkedEvents[]) {
    this.consumer = consumer
    this.#parts = parts
  }

  async list(options: ParkedList = {}): Promise<ParkedEntry[]> {
    const { limit = 100 } = options
    checkLimit(limit)
    const pages = await this.#each(async (part) =>
      (await part.list(options)).map((entry) => ({ ...entry, consumer: part.consumer })),
    )
    return byNumber(pages.flat()).slice(0, limit)
  }

  async get(number: number): Promise<ParkedDetails | undefined> {
    return await this.#first((part) => part.get(number))
  }

  async groups(): Promise<ParkedGroup[]> {
    const groups = new Map<string, ParkedGroup>()
    for (const one of (await this.#each((part) => part.groups())).flat()) {
      const key = `${one.part} ${one.group}`
      const known = groups.get(key)
      groups.set(key, known === undefined ? one : merged(known, one))
    }
    return [...groups.values()].sort((one, other) => other.events - one.events)
  }

  async retry(
    selection: ParkedSelection,
    options?: MarkOptions & { readonly at?: Date | undefined },
  ): Promise<ParkedMark> {
    return await this.#mark((part) => part.retry(selection, options))
  }

  async discard(selection: ParkedSelection, options?: MarkOptions): Promise<ParkedMark> {
    return await this.#mark((part) => part.discard(selection, options))
  }

  async restore(selection: ParkedSelection, options?: MarkOptions): Promise<ParkedMark> {
    return await this.#mark((part) => part.restore(selection, options))
  }

  async edit(
    number: number,
    change: ParkedChange,
    options?: MarkOptions,
  ): Promise<ParkedDetails | undefined> {
    return await this.#first((part) => part.edit(number, change, options))
  }

  async outcome(mark: string): Promise<ParkedOutcome> {
    const ids = mark.split(between)
    const outcomes = await this.#each((part, index) => part.outcome(ids[index] ?? ''))
    const sum = (read: (outcome: ParkedOutcome) => number) => total(outcomes, read)
    return {
      applied: sum(({ applied }) => applied),
      failed: sum(({ failed }) => failed),
      pending: sum(({ pending }) => pending),
      discarded: sum(({ discarded }) => discarded),
      followed: sum(({ followed }) => followed),
      following: sum(({ following }) => following),
      waiting: sum(({ waiting }) => waiting),
    }
  }

  async close(): Promise<void> {
    await this.#each((part) => part.close())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #mark(set: (part: ParkedEvents) => Promise<ParkedMark>): Promise<ParkedMark> {
    const marks = await this.#each(async (part) => {
      const { first, ...mark } = await set(part)
      return { ...mark, first: first.map((entry) => ({ ...entry, consumer: part.consumer })) }
    })
    const isDry = marks.some(({ id }) => id === undefined)
    return {
      id: isDry ? undefined : marks.map(({ id }) => id).join(between),
      events: total(marks, ({ events }) => events),
      first: byNumber(marks.flatMap(({ first }) => first)).slice(0, firstMax),
      waiting: total(marks, ({ waiting }) => waiting),
      behind: marks.find(({ behind }) => behind !== undefined)?.behind,
    }
  }

  /** One after the other: in SQLite they write to one file. */
  async #each<Result>(ask: (part: ParkedEvents, index: number) => Promise<Result>): Promise<Result[]> {
    const results: Result[] = []
    for (const [index, part] of this.#parts.entries()) results.push(await ask(part, index))
    return results
  }

  async #first(
    ask: (part: ParkedEvents) => Promise<ParkedDetails | undefined>,
  ): Promise<ParkedDetails | undefined> {
    for (const part of this.#parts) {
      const found = await ask(part)
      if (found !== undefined) return { ...found, consumer: part.consumer }
    }
    return undefined
  }
}

/** Of the marks of the partitions, in their mark's id. */
const between = '.'

function byNumber<Entry extends ParkedEntry>(entries: Entry[]): Entry[] {
  return entries.sort((one, other) => one.number - other.number)
}

/** Failures of one kind in two partitions. */
function merged(one: ParkedGroup, other: ParkedGroup): ParkedGroup {
  const newest = one.lastAt >= other.lastAt ? one : other
  return {
    ...newest,
    events: one.events + other.events,
    // Each is in one partition, but for events with a routing key of their own.
    subjects: one.subjects + other.subjects,
    waiting: one.waiting + other.waiting,
    firstAt: Math.min(one.firstAt, other.firstAt),
  }
}

function total<Part>(parts: readonly Part[], read: (part: Part) => number): number {
  return parts.reduce((sum, part) => sum + read(part), 0)
}
