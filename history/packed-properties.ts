/**
 * The properties of a message as its row keeps them: what the row's columns say is not said again.
 *
 * Of a message as our publisher makes it the columns have all but the time and the sequence: kept is
 * `<timestamp> <time>`, then, where its last header is a sequence, a space and `<epoch>.<number>`, the
 * number without the zeros that fill it up, then, where it has more headers, a space and these as JSON.
 * Any other message is kept whole, as JSON, which begins with `{` (events/properties-json.ts), as no epoch
 * does. Of an erased event `!<erasure> <time> <sequence>` is left, time and sequence empty where there was none
 * of the usual form. A small event would be twice as large otherwise, and bytes are what recording and replaying cost.
 * `^` is in no history: it stands for those of an event that a reader passed over (latest.ts).
 */
import {
  type Attributes,
  decodeProperties,
  encodeProperties,
  eventProperties,
  type Headers,
  type HeaderValue,
  type Message,
  type Properties,
  sequenceHeader,
  timeOf,
} from '../events/index.ts'

interface PackedEvent extends Attributes {
  readonly message: Message
}

/** The columns that properties are put together from again. */
export interface PackedRow {
  readonly id: string
  readonly source: string
  readonly type: string
  readonly subject: string | null
  readonly contentType: string | null
  readonly properties: string
}

export function packProperties(event: PackedEvent): string {
  const { properties } = event.message
  const { headers = {} } = properties
  const names = Object.keys(headers)
  const own = ownHeaders(event, names)
  if (own === undefined) return encodeProperties(properties)
  const packed = `${properties.timestamp} ${headers['ce-time']}`
  if (names.length === own) return packed
  const sequence = names.at(-1) === sequenceHeader ? packSequence(headers[sequenceHeader]) : undefined
  if (sequence === undefined) return `${packed} ${encodeMore(headers, own)}`
  if (names.length === own + 1) return `${packed} ${sequence}`
  return `${packed} ${sequence} ${encodeMore(headers, own, -1)}`
}

export function unpackProperties(row: PackedRow): Properties {
  const text = row.properties
  if (text.startsWith('{')) return decodeProperties(text)
  if (erasureOf(text) !== undefined) return unpackErased(row)
  if (text === supersededMark) return { messageId: row.id, type: row.type, appId: row.source, headers: {} }
  const { timestamp, time, sequence, more } = split(text)
  const properties = eventProperties({
    id: row.id,
    source: row.source,
    type: row.type,
    subject: row.subject ?? undefined,
    time,
    timestamp: Number(timestamp),
    contentType: row.contentType!,
  })
  if (more === undefined) {
    if (sequence !== undefined) properties.headers[sequenceHeader] = unpackSequence(sequence)
    return properties
  }
  // Spread, not assigned: a header may be called `__proto__`.
  const headers = { ...properties.headers, ...decodeProperties(more).headers }
  if (sequence !== undefined) headers[sequenceHeader] = unpackSequence(sequence)
  return { ...properties, headers }
}

/** The text of the header `ce-sequence`, found without unpacking what else there is. */
export function packedSequence(packed: string): HeaderValue | undefined {
  if (packed.startsWith('{')) {
    // Nearly no message of others has it, and parsing them all would cost more than reading them.
    return packed.includes(sequenceHeader) ? decodeProperties(packed).headers?.[sequenceHeader] : undefined
  }
  if (erasureOf(packed) !== undefined) return erasedParts(packed).sequence
  const { sequence, more } = split(packed)
  if (sequence !== undefined) return unpackSequence(sequence)
  return more?.includes(sequenceHeader) ? decodeProperties(more).headers?.[sequenceHeader] : undefined
}

/** In place of the properties of an event that was not read, since a later one of its subject was. */
export const supersededMark = '^'

/** The number of the erasure that has emptied an event; undefined for one that is whole. */
export function erasureOf(packed: string): number | undefined {
  return packed.startsWith('!') ? Number(packed.slice(1, packed.indexOf(' '))) : undefined
}

/** The properties of an event that another history holds: what was erased there stays so. */
export function packRecorded(
  event: PackedEvent & {
    readonly id: string
    readonly unidentified: boolean
    readonly erased?: number | undefined
  },
): string {
  const { id, source, type, subject = null, message, unidentified, erased } = event
  const properties = unidentified ? encodeProperties(message.properties) : packProperties(event)
  if (erased === undefined) return properties
  const { contentType = null } = message.properties
  return packErased({ id, source, type, subject, contentType, properties }, erased)
}

/** What is left of an event's properties: neither header nor property of a publisher's own. */
export function packErased(row: PackedRow, erasure: number): string {
  const time = timeOf(unpackProperties(row))
  const sequence = packSequence(packedSequence(row.properties))
  return `!${erasure} ${time !== undefined && plainTime.test(time) ? time : ''} ${sequence ?? ''}`
}

/** A time may be any text: one that is none may say more than when. */
const plainTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/

function erasedParts(packed: string): { time: string | undefined; sequence: string | undefined } {
  const [, time = '', sequence = ''] = packed.split(' ')
  return {
    time: time === '' ? undefined : time,
    sequence: sequence === '' ? undefined : unpackSequence(sequence),
  }
}

function unpackErased({ id, source, type, subject, contentType, properties }: PackedRow): Properties {
  const { time, sequence } = erasedParts(properties)
  const ordinal: Headers = sequence === undefined ? {} : { [sequenceHeader]: sequence }
  if (time === undefined || contentType === null)
    return { messageId: id, type, appId: source, headers: ordinal }
  const timestamp = Math.floor(Date.parse(time) / 1_000)
  const attributes = { id, source, type, subject: subject ?? undefined, time, timestamp, contentType }
  const own = eventProperties(attributes)
  return { ...own, headers: { ...own.headers, ...ordinal } }
}

const sequenceDigits = 16
/** Exactly what is written again from epoch and number: anything else stays as it is, among the headers. */
const sequenceText = /^([0-9a-z]{1,64})\.0*([0-9]*)$/

/** `<epoch>.<number>`, undefined where that would not give the header back. */
function packSequence(value: HeaderValue | undefined): string | undefined {
  if (typeof value !== 'string' || value.at(-1 - sequenceDigits) !== '.') return undefined
  const [, epoch, number] = sequenceText.exec(value) ?? []
  return epoch === undefined ? undefined : `${epoch}.${number}`
}

function unpackSequence(packed: string): string {
  const dot = packed.indexOf('.') + 1
  return packed.slice(0, dot) + packed.slice(dot).padStart(sequenceDigits, '0')
}

function encodeMore(headers: Headers, from: number, to?: number): string {
  return encodeProperties({ headers: Object.fromEntries(Object.entries(headers).slice(from, to)) })
}

function split(packed: string): { timestamp: string; time: string; sequence?: string; more?: string } {
  const timeAt = packed.indexOf(' ') + 1
  const timestamp = packed.slice(0, timeAt - 1)
  const timeEnd = packed.indexOf(' ', timeAt)
  if (timeEnd === -1) return { timestamp, time: packed.slice(timeAt) }
  const time = packed.slice(timeAt, timeEnd)
  const restAt = timeEnd + 1
  if (packed.startsWith('{', restAt)) return { timestamp, time, more: packed.slice(restAt) }
  const sequenceEnd = packed.indexOf(' ', restAt)
  if (sequenceEnd === -1) return { timestamp, time, sequence: packed.slice(restAt) }
  return { timestamp, time, sequence: packed.slice(restAt, sequenceEnd), more: packed.slice(sequenceEnd + 1) }
}

const headerNames = ['ce-specversion', 'ce-id', 'ce-source', 'ce-type', 'ce-time']
const headerNamesWithSubject = [...headerNames, 'ce-subject']

/**
 * How many headers the event has of those that `eventProperties` makes, where its properties are exactly that,
 * but for further headers behind them. Their order is part of what was published.
 *
 * @param names - Of all its headers.
 */
export function ownHeaders(event: PackedEvent, names: readonly string[]): number | undefined {
  if (!isOwn(event.message.properties, event)) return undefined
  const own = event.subject === undefined ? headerNames : headerNamesWithSubject
  return own.every((name, index) => names[index] === name) ? own.length : undefined
}

/** Whether these are what `eventProperties` makes, but for the order of the headers and what more there are. */
function isOwn(properties: Properties, { id, source, type, subject }: PackedEvent): boolean {
  const { headers = {}, timestamp } = properties
  const time = headers['ce-time']
  return (
    headers['ce-specversion'] === '1.0' &&
    headers['ce-id'] === id &&
    headers['ce-source'] === source &&
    headers['ce-type'] === type &&
    (subject === undefined || headers['ce-subject'] === subject) &&
    typeof time === 'string' &&
    !time.includes(' ') &&
    timestamp !== undefined &&
    properties.contentType !== undefined &&
    properties.deliveryMode === 2 &&
    properties.messageId === id &&
    properties.type === type &&
    properties.appId === source &&
    properties.contentEncoding === undefined &&
    properties.priority === undefined &&
    properties.correlationId === undefined &&
    properties.replyTo === undefined &&
    properties.expiration === undefined &&
    properties.userId === undefined &&
    properties.clusterId === undefined
  )
}
