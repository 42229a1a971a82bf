/**
 * Events of another history, taken into this one: what is there already is compared, what follows is written.
 * So the same events may come as often as they like.
 */
import { HistoryError } from '../errors.ts'
import type { Checkpoint, HistoryReader, PrunedRange, SpentSequence } from '../reader.ts'
import type { RecordedEvent, StoredEvent } from '../stored-event.ts'
import type { HistoryWriter, ImportBatch } from '../writer.ts'
import { differences } from './same-event.ts'

export interface IntakeBatch {
  /** In position order. */
  readonly events: readonly RecordedEvent[]
  readonly spent: readonly Omit<SpentSequence, 'number'>[]
  /** Names the event in an error: `orders.jsonl, line 17`. */
  nameOf(index: number): string
}

export class EventIntake {
  readonly #writer: HistoryWriter
  readonly #reader: HistoryReader
  readonly #pruned: readonly PrunedRange[]
  #base: Checkpoint | undefined
  #head: number
  #imported = 0
  #present = 0

  /** @param options.base - What lies below the first event, for an empty history. */
  static async open(options: {
    readonly writer: HistoryWriter
    /** Of the same history. */
    readonly reader: HistoryReader
    readonly base: Checkpoint | undefined
    /** What the other history has pruned, in order. */
    readonly pruned: readonly PrunedRange[]
  }): Promise<EventIntake> {
    return new EventIntake(options, await options.writer.head())
  }

  private constructor(
    {
      writer,
      reader,
      base,
      pruned,
    }: {
      writer: HistoryWriter
      reader: HistoryReader
      base: Checkpoint | undefined
      pruned: readonly PrunedRange[]
    },
    head: number,
  ) {
    this.#writer = writer
    this.#reader = reader
    this.#base = head === 0 && base !== undefined && base.position > 0 ? base : undefined
    this.#pruned = pruned
    this.#head = head
  }

  get head(): number {
    return this.#head
  }

  /** Events written, and events that were there. */
  get counts(): { readonly imported: number; readonly present: number } {
    return { imported: this.#imported, present: this.#present }
  }

  /** @throws HistoryError `HISTORY_CONFLICT` where this history holds something else there. */
  async take({ events, spent, nameOf }: IntakeBatch): Promise<void> {
    const firstNew = events.findIndex(({ position }) => position > this.#head)
    const known = firstNew === -1 ? events : events.slice(0, firstNew)
    if (known.length > 0) await this.#compare(known, nameOf)
    const fresh = firstNew === -1 ? [] : events.slice(firstNew)
    if (fresh.length === 0 && spent.length > 0) await this.#write({ events: [], spent })
    for (let from = 0; from < fresh.length; ) {
      const pruned = this.#next()
      const begin = (pruned?.last ?? this.#base?.position ?? this.#head) + 1
      // Up to where the next positions are missing: they were pruned, or the writer refuses what follows.
      const run = fresh.slice(from).findIndex(({ position }, index) => position !== begin + index)
      const to = run < 1 ? fresh.length : from + run
      await this.#write({ events: fresh.slice(from, to), spent: to === fresh.length ? spent : [], pruned })
      this.#imported += to - from
      from = to
    }
  }

  /** Takes what was pruned behind the last event. */
  async finish(): Promise<void> {
    for (let pruned = this.#next(); pruned !== undefined; pruned = this.#next()) {
      await this.#write({ events: [], spent: [], pruned })
    }
  }

  /** What was pruned right behind the head, or below the first event. */
  #next(): PrunedRange | undefined {
    const head = this.#base?.position ?? this.#head
    return this.#pruned.find(({ first }) => first === head + 1)
  }

  async #write(batch: ImportBatch): Promise<void> {
    await this.#writer.import({ ...batch, ...(this.#base !== undefined && { base: this.#base }) })
    this.#base = undefined
    this.#head = batch.events.at(-1)?.position ?? batch.pruned?.last ?? this.#head
  }

  async #compare(events: readonly RecordedEvent[], nameOf: (index: number) => string): Promise<void> {
    const stored = await this.#stored(events)
    for (const [index, event] of events.entries()) {
      const there = stored.get(event.position)
      const differing = there === undefined ? [] : differencesThatCount(there, event)
      if (there !== undefined && differing.length === 0) continue
      if (there === undefined && (await this.#wasPruned(event))) continue
      const { position, id, source } = event
      if (there?.erased === undefined && event.erased !== undefined) throw erasedSince(nameOf(index), event)
      const found =
        there === undefined
          ? 'which is no longer held there'
          : `where there is event ${there.id} of ${there.source}, different in its ${differing.join(', ')}`
      throw new HistoryError(
        'HISTORY_CONFLICT',
        `${nameOf(index)}: event ${id} of ${source} has position ${position}, ${found}. It is another history; name the one that this came from, or a new one`,
      )
    }
    this.#present += events.length
  }

  /** What retention has removed here does not come back. */
  async #wasPruned({ position }: RecordedEvent): Promise<boolean> {
    return (await this.#reader.pruned({ after: position - 1, upTo: position, limit: 1 })).length > 0
  }

  async #stored(events: readonly RecordedEvent[]): Promise<Map<number, StoredEvent>> {
    const upTo = events.at(-1)!.position
    const stored = new Map<number, StoredEvent>()
    for (let after = events[0]!.position - 1; after < upTo; ) {
      // `select`, as it goes on behind what was pruned here.
      const page = await this.#reader.select({ filter: {}, after, upTo, limit: upTo - after })
      for (const event of page.events) stored.set(event.position, event)
      if (page.through <= after) break
      after = page.through
    }
    return stored
  }
}

/** What was erased here stays so, whatever an older export still has of it. */
function differencesThatCount(there: StoredEvent, event: RecordedEvent): string[] {
  const all = differences(there, event)
  if (there.erased === undefined) return all
  return all.filter((what) => !['erased', 'body', 'properties', 'routing key'].includes(what))
}

function erasedSince(name: string, { position, subject }: RecordedEvent): HistoryError {
  return new HistoryError(
    'HISTORY_CONFLICT',
    `${name}: position ${position} was erased there, and is whole in this history. Erase it here too (\`backstory history erase --subject ${subject}\`), or import into a new history`,
  )
}
