/**
 * The message that an event is published as: the one that it came as, byte for byte, where the event is a
 * CloudEvent in JSON; a CloudEvent made of it otherwise.
 *
 * It has the identity of its event, so that a recorder and consumers know it again: one that the message does
 * not state itself is added. And it says that it is replayed, by two headers.
 */
import { fenceIdOf } from '../../../broker/index.ts'
import {
  attributesOf,
  type Headers,
  type HeaderValue,
  type Message,
  memberText,
  toMessage,
} from '../../../events/index.ts'
import { readEventLine } from '../../../history/index.ts'
import { ReplayError } from '../../errors.ts'
import type { ReplayEvent } from '../../replay-event.ts'

/** What a replayed message is told by. Its value is the run's id. */
const replayHeader = 'backstory-replay'
/** The event's position in what it was read from. */
export const positionHeader = 'backstory-replay-position'

export interface ReplayedMessage {
  readonly position: number
  readonly message: Message
  /** The history has nothing left of it that could be published. */
  readonly isErased: boolean
}

export interface MessageOptions {
  /** The empty text is the default exchange. */
  readonly exchange: string
  /** Default: as it was. */
  readonly routingKey: string | undefined
  /** Further headers. */
  readonly headers: Headers
  /** Of events that state none. */
  readonly type: string | undefined
  readonly source: string
  readonly keepsUserId: boolean
  readonly runId: string
}

/** Longest text that AMQP has room for in a routing key or a property, in bytes. */
const shortStringBytesMax = 255

/** @throws ReplayError `REPLAY_EVENT_REFUSED` where the event makes no message, `REPLAY_EVENT_UNREADABLE`. */
export function replayedMessage(event: ReplayEvent, options: MessageOptions): ReplayedMessage {
  const { exchange, headers: more, keepsUserId, runId } = options
  const { position } = event
  const original = refusing(event, () => originalOf(event, options))
  const { id, source, message } = original
  const routingKey = options.routingKey ?? message.routingKey
  const identity = missingIdentity({ id, source }, { ...message, exchange })
  const headers = {
    ...message.properties.headers,
    ...identity,
    ...more,
    [replayHeader]: runId,
    [positionHeader]: position,
  }
  const properties = { ...message.properties, headers, ...(!keepsUserId && { userId: undefined }) }
  const replayed = { exchange, routingKey, properties, body: message.body }
  refusing(event, () => requireSendable(replayed))
  return { position, message: replayed, isErased: original.isErased }
}

interface Original {
  readonly id: string
  readonly source: string
  readonly message: Message
  readonly isErased: boolean
}

function originalOf(event: ReplayEvent, options: MessageOptions): Original {
  const { text, published } = event
  if (published !== undefined) {
    const { id, source, message, erased } = published
    return { id, source, message, isErased: erased !== undefined }
  }
  const { json } = event
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new TypeError('is no JSON object')
  }
  if (!('specversion' in json)) return { ...madeOf(event, options), isErased: false }
  const { id, source, message, erased } = readEventLine(text, { exchange: '' })
  return { id, source, message, isErased: erased !== undefined }
}

/** An event of EventBridge has its `detail` for data, any other all of itself, as it was written. */
function madeOf(
  { text, json, attributes, position }: ReplayEvent,
  { exchange, runId, ...options }: MessageOptions,
): Omit<Original, 'isErased'> {
  const { type = options.type, subject, time } = attributes
  if (type === undefined) throw new TypeError('has no type: name one by the option `type`')
  // The same one each time, that a run which goes on does not make another event of it.
  const { id = `${runId}:${position}`, source = options.source } = attributes
  const isEventBridge = 'detail-type' in (json as object)
  const data = isEventBridge ? memberText(text, 'detail') : text.trim()
  const message = toMessage(
    {
      id,
      source,
      type,
      data: Buffer.from(data ?? ''),
      contentType: 'application/json',
      ...(subject !== undefined && { subject }),
      time: time ?? noTime,
    },
    { exchange, source },
  )
  return { id, source, message: time === undefined ? withoutTime(message) : message }
}

/** In place of the time of day, which would make another message of the event each time. */
const noTime = '1970-01-01T00:00:00Z'

function withoutTime({ properties, ...message }: Message): Message {
  const { 'ce-time': _, ...headers } = properties.headers!
  return { ...message, properties: { ...properties, headers, timestamp: undefined } }
}

/** Headers count before properties, whatever these state. */
function missingIdentity(
  { id, source }: { id: string; source: string },
  message: Pick<Message, 'exchange' | 'properties'>,
): Headers {
  const stated = attributesOf(message)
  return {
    ...(stated.id !== id && { 'ce-id': id }),
    ...(stated.source !== source && { 'ce-source': source }),
  }
}

/** What the client or the broker would end the channel for, as far as it can be known. */
function requireSendable(message: Message): void {
  const { routingKey, properties, exchange } = message
  requireShort('routing key', routingKey)
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === 'string') requireShort(name, value)
  }
  requireHeaders(properties.headers!)
  if (exchange !== '') return
  if (fenceIdOf(message) !== undefined) {
    throw new TypeError('has the header backstory-fence, by which a queue of ours takes it for a fence')
  }
  for (const name of ['CC', 'BCC']) {
    if (name in properties.headers!) {
      throw new TypeError(`has a header ${name}, by which RabbitMQ would put it into other queues as well`)
    }
  }
}

function requireShort(name: string, value: string): void {
  if (Buffer.byteLength(value) > shortStringBytesMax) {
    throw new TypeError(`has a ${name} of more than ${shortStringBytesMax} bytes`)
  }
}

function requireHeaders(table: Headers): void {
  for (const [name, value] of Object.entries(table)) {
    requireShort('name of a header', name)
    requireValue(value)
  }
}

function requireValue(value: HeaderValue): void {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new TypeError(`has the header value ${value}, which RabbitMQ does not carry`)
  }
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return
  if (Array.isArray(value)) value.forEach(requireValue)
  else requireHeaders(value as Headers)
}

function refusing<Result>({ place }: ReplayEvent, make: () => Result): Result {
  try {
    return make()
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause
    throw new ReplayError('REPLAY_EVENT_REFUSED', `${place} ${cause.message}`, { cause })
  }
}
