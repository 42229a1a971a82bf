/**
 * An event as the history holds it: its position, and what was published, decoded when asked for.
 */
import {
  type CloudEvent,
  decodeData,
  type Headers,
  type Identity,
  type Message,
  textOf,
  timeOf,
} from '../events/index.ts'
import { erasureOf, packProperties, supersededMark, unpackProperties } from './packed-properties.ts'

export interface PositionedIdentity extends Identity {
  readonly position: number
  /** True where the message stated no id: the history gave it one, which its live copy does not have. */
  readonly unidentified: boolean
}

/** An event with the number that its publisher gave it. */
export interface SequencedEvent extends Identity {
  readonly position: number
  readonly type: string
  readonly subject: string | undefined
  /** Undefined, as `sequence` is, where the event states none, or one of another form. */
  readonly epoch: string | undefined
  /** Dense from 1 within its source and epoch. */
  readonly sequence: number | undefined
}

/** What there is to say of an event without reading its body. */
export interface EventOutline {
  readonly position: number
  readonly source: string
  readonly type: string
  readonly subject: string | undefined
  readonly recordedAt: Date
  readonly bodyBytes: number
}

/** What a history holds of an event: all that another one has to be given to hold the same. */
export interface RecordedEvent extends PositionedIdentity {
  readonly type: string
  readonly subject: string | undefined
  readonly recordedAt: Date
  readonly message: Message
  /** As of `StoredEvent`. */
  readonly erased?: number | undefined
}

/** An event with its place in the history. */
export interface StoredEvent<Type extends string = string, Data = unknown>
  extends CloudEvent<Type, Data>,
    PositionedIdentity {
  /** When the recorder wrote it. */
  readonly recordedAt: Date
  /**
   * The number of the erasure that has emptied it; undefined where it is whole. What is left is its identity,
   * type, subject, time and sequence.
   */
  readonly erased?: number | undefined
  /**
   * True where `HistoryReader.latest` passed it over, since there is a later one of its subject: then it has
   * neither data nor properties here. Absent, as false, in what every other method gives.
   */
  readonly superseded?: boolean
}

/** The columns of `EventRow`, in its order. */
export const eventColumns = `position, source, id, type, subject, content_type, recorded_at, unidentified,
  exchange, routing_key, properties, body`

/** A row as an array: an object a row would take half as long again. */
export type EventRow = readonly [
  position: number,
  source: string,
  id: string,
  type: string,
  subject: string | null,
  contentType: string | null,
  recordedAt: number,
  unidentified: number,
  exchange: string | null,
  routingKey: string,
  properties: string,
  body: string | Buffer,
]

/** Wraps a row; nothing is decoded until it is read. */
export class RowEvent implements StoredEvent {
  readonly position: number
  readonly source: string
  readonly id: string
  readonly type: string
  readonly subject: string | undefined
  readonly unidentified: boolean
  readonly #row: EventRow
  readonly #exchange: string
  #message: Message | undefined
  #data: unknown
  #decoded = false

  /** @param exchange - The history's own. */
  constructor(row: EventRow, exchange: string) {
    const [position, source, id, type, subject, , , unidentified] = row
    this.position = position
    this.source = source
    this.id = id
    this.type = type
    this.subject = subject ?? undefined
    this.unidentified = unidentified === 1
    this.#row = row
    this.#exchange = exchange
  }

  /** As the history keeps it. */
  get row(): EventRow {
    return this.#row
  }

  /** In bytes, or in characters: about what it takes in memory. */
  get bodyLength(): number {
    const [, , , , , , , , , , , body] = this.#row
    return body.length
  }

  /** Bytes that are no UTF-8 are read as one character each. */
  get bodyText(): string {
    const [, , , , , , , , , , , body] = this.#row
    return typeof body === 'string' ? body : (textOf(body) ?? body.toString('latin1'))
  }

  get recordedAt(): Date {
    const [, , , , , , recordedAt] = this.#row
    return new Date(recordedAt)
  }

  get erased(): number | undefined {
    const [, , , , , , , , , , properties] = this.#row
    return erasureOf(properties)
  }

  get superseded(): boolean {
    const [, , , , , , , , , , properties] = this.#row
    return properties === supersededMark
  }

  get time(): string | undefined {
    return timeOf(this.message.properties)
  }

  get dataschema(): string | undefined {
    const schema = (this.message.properties.headers as Headers | undefined)?.['ce-dataschema']
    return typeof schema === 'string' ? schema : undefined
  }

  get data(): unknown {
    if (!this.#decoded) {
      const [, , , , , contentType, , , , , , body] = this.#row
      const isWhole = this.erased === undefined && !this.superseded
      this.#data = isWhole ? decodeData(body, contentType ?? undefined, this) : undefined
      this.#decoded = true
    }
    return this.#data
  }

  get message(): Message {
    this.#message ??= toMessage(this.#row, this.#exchange)
    return this.#message
  }
}

/** In bytes, or in characters: about what it takes in memory. */
export function bodyLengthOf(event: StoredEvent): number {
  return event instanceof RowEvent ? event.bodyLength : event.message.body.length
}

/** The row of any event, also of one that was read from elsewhere than from rows. */
export function rowOf(event: StoredEvent): EventRow {
  if (event instanceof RowEvent) return event.row
  const { position, source, id, type, subject, recordedAt, unidentified, message } = event
  return [
    position,
    source,
    id,
    type,
    subject ?? null,
    message.properties.contentType ?? null,
    recordedAt.getTime(),
    unidentified ? 1 : 0,
    message.exchange,
    message.routingKey,
    packProperties(event),
    message.body,
  ]
}

function toMessage(row: EventRow, exchangeOfHistory: string): Message {
  const [, source, id, type, subject, contentType, , , exchange, routingKey, properties, body] = row
  return {
    exchange: exchange ?? exchangeOfHistory,
    routingKey,
    properties: unpackProperties({ source, id, type, subject, contentType, properties }),
    body: typeof body === 'string' ? Buffer.from(body) : body,
  }
}
