/**
 * The properties of a message as its row keeps them: what the row's columns say is not said again.
 *
 * Of a message as our publisher makes it the columns have all but the time: kept is
 * `<timestamp> <time>` and, where it has more headers, a space and these as JSON. Any other message is
 * kept whole, as JSON, which begins with `{` (events/properties-json.ts). A small event would be twice as
 * large otherwise, and bytes are what recording and replaying cost.
 */
import { decodeProperties, encodeProperties, eventProperties, type Properties } from '../events/index.ts'
import type { NewEvent } from './writer.ts'

/** The columns that properties are put together from again. */
export interface PackedRow {
  readonly id: string
  readonly source: string
  readonly type: string
  readonly subject: string | null
  readonly contentType: string | null
  readonly properties: string
}

export function packProperties(event: NewEvent): string {
  const { properties } = event.message
  const { headers } = properties
  if (headers === undefined || !isOwn(properties, event)) return encodeProperties(properties)
  const names = Object.keys(headers)
  const own = event.subject === undefined ? headerNames : headerNamesWithSubject
  // Their order is part of what was published.
  if (!own.every((name, index) => names[index] === name)) return encodeProperties(properties)
  const packed = `${properties.timestamp} ${headers['ce-time']}`
  if (names.length === own.length) return packed
  const more = Object.fromEntries(Object.entries(headers).slice(own.length))
  return `${packed} ${encodeProperties({ headers: more })}`
}

export function unpackProperties(row: PackedRow): Properties {
  const text = row.properties
  if (text.startsWith('{')) return decodeProperties(text)
  const [timestamp, time] = text.split(' ', 2) as [string, string]
  const properties = eventProperties({
    id: row.id,
    source: row.source,
    type: row.type,
    subject: row.subject ?? undefined,
    time,
    timestamp: Number(timestamp),
    contentType: row.contentType!,
  })
  const moreAt = timestamp.length + 1 + time.length + 1
  if (moreAt > text.length) return properties
  const more = decodeProperties(text.slice(moreAt)).headers
  return { ...properties, headers: { ...properties.headers, ...more } }
}

const headerNames = ['ce-specversion', 'ce-id', 'ce-source', 'ce-type', 'ce-time']
const headerNamesWithSubject = [...headerNames, 'ce-subject']

/** Whether these are what `eventProperties` makes, but for the order of the headers and what more there are. */
function isOwn(properties: Properties, { id, source, type }: NewEvent): boolean {
  const { headers = {}, timestamp } = properties
  const time = headers['ce-time']
  return (
    headers['ce-specversion'] === '1.0' &&
    headers['ce-id'] === id &&
    headers['ce-source'] === source &&
    headers['ce-type'] === type &&
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
