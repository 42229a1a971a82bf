/**
 * The batch in hand: what was committed and may not have been acknowledged. Where it comes again, its messages
 * without id are known by it; those with one are known by that.
 *
 * One frame acknowledges a batch, and the broker hands out again, in order and first, what was not
 * acknowledged: so either all of the batch comes again, or what followed it comes in its place, which a killed
 * process may have been handed too. A digest over all its messages, those with an id as well, tells which it
 * is. It cannot where the batch may be followed by its like: then what comes is new, rather twice than not at
 * all. So it is for a batch that is a part of itself over and over (as is one message alone), and for one that
 * is the same as the one noted before it. The note is kept in the batch's transaction.
 */
import { createHash } from 'node:crypto'
import { encodeProperties, type Headers, type Message } from '../../events/index.ts'
import type { HistoryWriter, NewEvent } from '../writer.ts'

interface Note {
  /** Messages in all. */
  readonly size: number
  /** Messages without an id among them. */
  readonly known: number
  readonly digest: string
  /** `acknowledged`: it does not come again. `repeated`: what comes cannot be told from it. */
  readonly state: 'in hand' | 'acknowledged' | 'repeated'
}

export class BatchInHand {
  readonly #name: string
  #note: Note | undefined

  /** @param name - Of the note: one for each queue. */
  static async read(writer: HistoryWriter, name: string): Promise<BatchInHand> {
    const text = await writer.note(name)
    return new BatchInHand(name, text === undefined ? undefined : (JSON.parse(text) as Note))
  }

  private constructor(name: string, note: Note | undefined) {
    this.#name = name
    this.#note = note
  }

  /** Whether somebody has to know that the broker took the acknowledgement. */
  get isOpen(): boolean {
    return this.#note?.state === 'in hand'
  }

  /** Of what comes now. */
  comparison(): Comparison {
    return this.isOpen ? new Comparison(this.#note!) : noComparison()
  }

  /** What is to be kept with a batch. @param batch.known - Of its messages, those that the history has already. */
  notesOf({
    events,
    known,
    hasUnidentified,
  }: {
    readonly events: readonly NewEvent[]
    readonly known: number
    readonly hasUnidentified: boolean
  }): Readonly<Record<string, string>> | undefined {
    // What came again is still the batch in hand.
    if (known > 0) return undefined
    if (hasUnidentified) return this.#keep(noteOf(events, this.#note))
    return this.#acknowledged()
  }

  /** The broker has taken the acknowledgement. @throws as `writer.append()` does. */
  async settle(writer: HistoryWriter): Promise<void> {
    const notes = this.#acknowledged()
    if (notes !== undefined) await writer.append({ events: [], fences: [], notes })
  }

  #acknowledged(): Readonly<Record<string, string>> | undefined {
    return this.isOpen ? this.#keep({ ...this.#note!, state: 'acknowledged' }) : undefined
  }

  #keep(note: Note): Readonly<Record<string, string>> {
    this.#note = note
    return { [this.#name]: JSON.stringify(note) }
  }
}

/** Compares the messages that come redelivered with a batch, one after the other. */
export class Comparison {
  /** Messages in all: so many must be handed out at once. */
  readonly size: number
  /** Messages without id that the history has, where the batch comes again. */
  readonly known: number
  readonly #digest: string
  readonly #keys: string[] = []
  #verdict: 'open' | 'same' | 'other'

  constructor({ size, known, digest }: Pick<Note, 'size' | 'known' | 'digest'>) {
    this.size = size
    this.known = known
    this.#digest = digest
    this.#verdict = size === 0 ? 'other' : 'open'
  }

  /** `same`: all of it came again. `other`: it had been acknowledged. `open`: not known yet. */
  get verdict(): 'open' | 'same' | 'other' {
    return this.#verdict
  }

  next(message: Message): void {
    if (this.#verdict !== 'open') return
    this.#keys.push(contentKey(message))
    if (this.#keys.length === this.size)
      this.#verdict = digestOf(this.#keys) === this.#digest ? 'same' : 'other'
  }

  /** No more redelivered messages come. */
  end(): void {
    if (this.#verdict === 'open') this.#verdict = 'other'
  }
}

/** Where no batch is in hand. */
export function noComparison(): Comparison {
  return new Comparison({ size: 0, known: 0, digest: '' })
}

function noteOf(events: readonly NewEvent[], before: Note | undefined): Note {
  const keys = events.map(({ message }) => contentKey(message))
  const digest = digestOf(keys)
  return {
    size: events.length,
    known: events.filter(({ id }) => id === undefined).length,
    digest,
    state: repeatsItself(keys) || digest === before?.digest ? 'repeated' : 'in hand',
  }
}

/** One alone does too: the next may be the same. */
function repeatsItself(keys: readonly string[]): boolean {
  const { length } = keys
  if (length === 1) return true
  for (let period = 1; period <= length / 2; period++) {
    if (length % period === 0 && keys.every((key, index) => key === keys[index % period])) return true
  }
  return false
}

function digestOf(keys: readonly string[]): string {
  return createHash('sha256').update(keys.join()).digest('base64url')
}

/** The content of a message, as a text to compare. */
function contentKey({ exchange, routingKey, properties, body }: Message): string {
  const hash = createHash('sha256')
  // The broker gives a redelivered message headers; once its own are taken out, none and an empty table
  // are the same.
  const headers = isEmpty(properties.headers) ? undefined : properties.headers
  hash.update(JSON.stringify([exchange, routingKey, encodeProperties({ ...properties, headers })]))
  return hash.update(body).digest('base64')
}

function isEmpty(headers: Headers | undefined): boolean {
  for (const _ in headers) return false
  return true
}
