/**
 * The event: CloudEvents 1.0, carried by AMQP 0-9-1 in binary mode.
 *
 * Attributes travel as `ce-` headers (the convention of Knative's RabbitMQ binding; CloudEvents' own
 * AMQP binding is for AMQP 1.0) and are mirrored into the native properties, so that RabbitMQ's tools
 * show them. A message from a publisher that knows nothing of this is an event too: what it lacks
 * falls back to the native properties, then to where it came from.
 */
import { hash } from 'node:crypto'
import { EventError } from './errors.ts'
import { newEventId } from './event-id.ts'
import type { Headers, HeaderValue, Message, Properties } from './message.ts'

/** An event as a handler sees it. Its identity is the pair (`source`, `id`), never `id` alone. */
export interface CloudEvent<Type extends string = string, Data = unknown> {
  readonly id: string
  readonly source: string
  /** Empty for a foreign message that states no type. */
  readonly type: Type
  /** The entity's key, such as an order's number; undefined where none was given. */
  readonly subject: string | undefined
  /** The publisher's clock, RFC 3339: not an order. Undefined where none was given. */
  readonly time: string | undefined
  readonly dataschema: string | undefined
  /**
   * The body, decoded by its content type when first asked for: JSON to a value, text to a string,
   * anything else as the Buffer that arrived.
   *
   * @throws EventError `EVENT_UNDECODABLE` where the body is not what its content type says.
   */
  readonly data: Data
  /** What was published, byte for byte. */
  readonly message: Message
}

/** What a publisher is given to send. */
export interface EventInput<Type extends string = string, Data = unknown> {
  readonly type: Type
  /**
   * JSON by default. Bytes travel as they are, `application/octet-stream` unless stated, and so does text
   * where `contentType` is not JSON.
   */
  readonly data?: Data
  readonly subject?: string
  /** A UUIDv7 by default. The same (source, id) published again is one event. */
  readonly id?: string
  /** The publisher's own by default. */
  readonly source?: string
  /** RFC 3339; now by default. */
  readonly time?: string
  readonly dataschema?: string
  readonly contentType?: string
  /** CloudEvents extension attributes, such as `partitionkey`: lower-case letters and digits. */
  readonly extensions?: Readonly<Record<string, string | number | boolean>>
  /** More headers; `ce-` names are the event's own and refused. */
  readonly headers?: Headers
  readonly routingKey?: string
}

/** Longest text that an AMQP short string holds, in bytes. */
const shortStringBytesMax = 255

/** Names that CloudEvents has given away. */
const ownAttributes: ReadonlySet<string> = new Set([
  'specversion',
  'id',
  'source',
  'type',
  'subject',
  'time',
  'dataschema',
  'datacontenttype',
  'data',
])

/**
 * Makes the message for an event. Where its exchange has partitions, its routing key is its subject.
 *
 * @throws TypeError for a missing type, an attribute that AMQP cannot carry, or data that is no JSON.
 */
export function toMessage(
  event: EventInput,
  defaults: { exchange: string; source: string; partitions?: number | undefined },
): Message {
  const { type, subject, data, id = newEventId(), source = defaults.source, dataschema } = event
  const date = new Date(event.time ?? Date.now())
  const seconds = Math.floor(date.getTime() / 1_000)
  if (Number.isNaN(seconds)) throw new TypeError(`Expected \`time\` in RFC 3339, got ${event.time}`)
  const time = event.time ?? date.toISOString()
  // AMQP's timestamps begin in 1970.
  const timestamp = seconds < 0 ? undefined : seconds
  requireText('type', type)
  requireText('id', id)
  requireText('source', source)
  const bytes = bytesOf(data)
  const contentType =
    event.contentType ?? (bytes !== undefined ? 'application/octet-stream' : 'application/json')
  const properties = eventProperties({ id, source, type, subject, time, timestamp, contentType })
  const { headers } = properties
  if (dataschema !== undefined) headers['ce-dataschema'] = dataschema
  for (const name in event.extensions) {
    if (!/^[a-z0-9]+$/.test(name) || ownAttributes.has(name)) {
      throw new TypeError(`\`${name}\` cannot name an extension attribute`)
    }
    requireFinite(name, event.extensions[name]!)
    headers[`ce-${name}`] = event.extensions[name]!
  }
  for (const name in event.headers) {
    if (name.startsWith('ce-'))
      throw new TypeError(`Header \`${name}\` is the event's own; set the attribute`)
    requireFinite(name, event.headers[name]!)
    headers[name] = event.headers[name]!
  }
  return {
    exchange: defaults.exchange,
    routingKey: event.routingKey ?? (defaults.partitions === undefined ? '' : keyOf(subject)),
    properties,
    body: bytes ?? encodeData(data, contentType),
  }
}

/** What keeps the events of a subject in one partition. Those without a subject have one together. */
function keyOf(subject = ''): string {
  return Buffer.byteLength(subject) <= shortStringBytesMax ? subject : hash('sha256', subject)
}

/** The properties of an event of ours; what further headers it has come after these. */
export function eventProperties({
  id,
  source,
  type,
  subject,
  time,
  timestamp,
  contentType,
}: Attributes & {
  readonly id: string
  readonly time: string
  readonly timestamp: number | undefined
  readonly contentType: string
}): Properties & { readonly headers: Record<string, HeaderValue> } {
  const headers: Record<string, HeaderValue> = {
    'ce-specversion': '1.0',
    'ce-id': id,
    'ce-source': source,
    'ce-type': type,
    'ce-time': time,
  }
  if (subject !== undefined) headers['ce-subject'] = subject
  return { contentType, headers, deliveryMode: 2, messageId: id, timestamp, type, appId: source }
}

/**
 * The attributes of a message, with what a foreign one lacks filled in. `id` is undefined for a
 * message without identity: the history gives it one.
 */
export function attributesOf(message: Pick<Message, 'exchange' | 'properties'>): Attributes {
  const { properties } = message
  const { headers } = properties
  const id = text(headers?.['ce-id']) ?? (properties.messageId || undefined)
  return {
    id: id?.includes(replacement) ? undefined : id,
    source: text(headers?.['ce-source']) ?? (properties.appId || `amqp:${message.exchange}`),
    type: text(headers?.['ce-type']) ?? properties.type ?? '',
    subject: text(headers?.['ce-subject']),
  }
}

/** What the client reads in place of bytes that are not UTF-8: of two ids that have it, nobody knows whether they differ. */
const replacement = '\ufffd'

export interface Attributes {
  readonly id: string | undefined
  readonly source: string
  readonly type: string
  readonly subject: string | undefined
}

/** The event that a message carries; decoding waits until `data` is read. */
export class MessageEvent implements CloudEvent {
  readonly id: string
  readonly source: string
  readonly type: string
  readonly subject: string | undefined
  readonly message: Message
  #data: unknown
  #decoded = false

  constructor(attributes: Attributes & { readonly id: string }, message: Message) {
    this.id = attributes.id
    this.source = attributes.source
    this.type = attributes.type
    this.subject = attributes.subject
    this.message = message
  }

  get time(): string | undefined {
    return timeOf(this.message.properties)
  }

  get dataschema(): string | undefined {
    return text(this.message.properties.headers?.['ce-dataschema'])
  }

  get data(): unknown {
    if (!this.#decoded) {
      this.#data = decodeData(this.message.body, this.message.properties.contentType, this)
      this.#decoded = true
    }
    return this.#data
  }
}

/** RFC 3339, from the `ce-time` header or else the timestamp property. */
export function timeOf(properties: Properties): string | undefined {
  const stated = text(properties.headers?.['ce-time'])
  if (stated !== undefined || properties.timestamp === undefined) return stated
  const date = new Date(properties.timestamp * 1_000)
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString()
}

/**
 * @param body - May be given as text where its bytes are UTF-8.
 * @throws EventError `EVENT_UNDECODABLE` where the body is not what its content type says.
 */
export function decodeData(
  body: Buffer | string,
  contentType: string | undefined,
  event: { readonly source: string; readonly id: string },
): unknown {
  if (contentType === undefined) return toBuffer(body)
  try {
    // Nearly every event: no need to look closer.
    if (contentType === 'application/json' || isJson(contentType)) {
      return body.length === 0 ? undefined : JSON.parse(body.toString())
    }
    const bytes = toBuffer(body)
    const isText = essenceOf(contentType).startsWith('text/')
    return isText ? new TextDecoder('utf-8', { fatal: true }).decode(bytes) : bytes
  } catch (cause) {
    throw new EventError(
      'EVENT_UNDECODABLE',
      `The body of event ${event.id} of ${event.source} is not ${contentType}; read its message.body instead`,
      { cause },
    )
  }
}

function toBuffer(body: Buffer | string): Buffer {
  return typeof body === 'string' ? Buffer.from(body) : body
}

function bytesOf(data: unknown): Buffer | undefined {
  if (Buffer.isBuffer(data)) return data
  return ArrayBuffer.isView(data) ? Buffer.from(data.buffer, data.byteOffset, data.byteLength) : undefined
}

function isJson(contentType: string): boolean {
  const essence = essenceOf(contentType)
  return essence === 'application/json' || essence.endsWith('+json')
}

/** A media type without its parameters. */
function essenceOf(contentType: string): string {
  return contentType.split(';', 1)[0]!.trim().toLowerCase()
}

function encodeData(data: unknown, contentType: string): Buffer {
  if (data === undefined) return Buffer.alloc(0)
  if (typeof data === 'string' && !isJson(contentType)) return Buffer.from(data)
  const json = JSON.stringify(data)
  if (json === undefined) throw new TypeError('Expected `data` to be a JSON value, text or a Buffer')
  return Buffer.from(json)
}

function requireText(name: string, value: unknown): void {
  if (typeof value !== 'string' || value === '') {
    throw new TypeError(`Expected \`${name}\` to be a non-empty text, got ${JSON.stringify(value)}`)
  }
  if (value.length > shortStringBytesMax / 4 && Buffer.byteLength(value) > shortStringBytesMax) {
    throw new TypeError(`Expected \`${name}\` to be at most ${shortStringBytesMax} bytes`)
  }
  if (notText.test(value)) {
    throw new TypeError(`Expected \`${name}\` to be text that UTF-8 can carry, got ${JSON.stringify(value)}`)
  }
}

/** Half a surrogate pair would arrive as a replacement character. */
const notText = /\p{Cs}|\ufffd/u

/** RabbitMQ ends the connection that sends it NaN or an infinity, with all that is on its way there. */
function requireFinite(name: string, value: HeaderValue): void {
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new TypeError(`Header \`${name}\` is ${value}, which RabbitMQ does not carry; send it as text`)
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return
  for (const inner of Object.values(value)) requireFinite(name, inner)
}

function text(value: HeaderValue | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
