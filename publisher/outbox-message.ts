/**
 * An event on its way through an outbox: checked and encoded when it is added, so that nothing gets into
 * the table that could not leave it, and made a message again when it is its turn.
 */
import {
  decodeProperties,
  type EventInput,
  encodeProperties,
  type HeaderValue,
  isTracing,
  type Message,
  sequenceHeader,
  sequenceText,
  toMessage,
  traceCreate,
} from '../events/index.ts'
import { requireSize } from './bounds.ts'
import type { OutboxRow } from './outbox-rows.ts'

export interface OutboxBounds {
  readonly exchange: string
  readonly source: string
  readonly partitions?: number | undefined
  readonly bodyBytesMax: number
}

/** @throws TypeError, PublishError `PUBLISH_TOO_LARGE` as `add` does. */
export function toRow(event: EventInput, bounds: OutboxBounds): Omit<OutboxRow, 'sequence'> {
  const { source } = bounds
  if (event.source !== undefined && event.source !== source)
    throw new TypeError(`Expected no \`source\` but the outbox's own, ${source}: its numbers are that one's`)
  if (event.extensions?.sequence !== undefined)
    throw new TypeError('Expected no extension `sequence`: the outbox numbers its events by itself')
  for (const name in event.headers) requireEncodable(name, event.headers[name]!)
  const message = toMessage(event, bounds)
  requireSize(message, bounds)
  if (isTracing()) traceCreate(message)
  const { properties, routingKey, body } = message
  return { id: properties.messageId!, routingKey, properties: encodeProperties(properties), body }
}

export function toOutgoing(
  row: OutboxRow,
  { exchange, epoch }: { exchange: string; epoch: string },
): Message {
  const properties = decodeProperties(row.properties)
  const headers = properties.headers as Record<string, HeaderValue>
  headers[sequenceHeader] = sequenceText(epoch, row.sequence)
  return { exchange, routingKey: row.routingKey, properties, body: row.body }
}

/** JSON would leave out what AMQP has no form for either, and the event would lose a header on its way. */
function requireEncodable(name: string, value: HeaderValue): void {
  if (value === undefined || ['symbol', 'function', 'bigint'].includes(typeof value))
    throw new TypeError(`Header \`${name}\` has no form in AMQP; send it as text`)
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return
  for (const inner of Object.values(value)) requireEncodable(name, inner)
}
