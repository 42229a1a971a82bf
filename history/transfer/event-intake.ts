/**
 * Events of another history, taken into this one: what is there already is compared, what follows is written.
 * So the same events may come as often as they like.
 */
import { HistoryError } from '../errors.ts'
import type { Checkpoint, HistoryReader, SpentSequence } from '../reader.ts'
import type { RecordedEvent, StoredEvent } from '../stored-event.ts'
import type { HistoryWriter } from '../writer.ts'
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
  }): Promise<EventIntake> {
    return new EventIntake(options, await options.writer.head())
  }

  private constructor(
    { writer, reader, base }: { writer: HistoryWriter; reader: HistoryReader; base: Checkpoint | undefined },
    head: number,
  ) {
    this.#writer = writer
    this.#reader = reader
    this.#base = head === 0 && base !== undefined && base.position > 0 ? base : undefined
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
    if (fresh.length === 0 && spent.length === 0) return
    await this.#writer.import({ events: fresh, spent, ...(this.#base !== undefined && { base: this.#base }) })
    this.#base = undefined
    this.#imported += fresh.length
    this.#head = fresh.at(-1)?.position ?? this.#head
  }

  async #compare(events: readonly RecordedEvent[], nameOf: (index: number) => string): Promise<void> {
    const stored = await this.#stored(events)
    for (const [index, event] of events.entries()) {
      const there = stored.get(event.position)
      const differing = there === undefined ? [] : differencesThatCount(there, event)
      if (there !== undefined && differing.length === 0) continue
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

  async #stored(events: readonly RecordedEvent[]): Promise<Map<number, StoredEvent>> {
    const upTo = events.at(-1)!.position
    const stored = new Map<number, StoredEvent>()
    for (let after = events[0]!.position - 1; after < upTo; ) {
      const page = await this.#reader.read({ after, upTo, limit: upTo - after })
      for (const event of page) stored.set(event.position, event)
      if (page.length === 0) break
      after = page.at(-1)!.position
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
