/**
 * A recorded event as one line of CloudEvents JSON, and back: any CloudEvents tool reads it, and nothing of
 * what was published or recorded is lost (docs/move.md lists its attributes).
 *
 * Where the properties are those that our publisher makes of the attributes, the line does not say them
 * again. Headers that are no CloudEvents attributes follow in `amqpheaders`; properties of any other kind
 * are in `amqpproperties`, whole. Both are texts, as `encodeProperties` writes them.
 */
import {
  attributesOf,
  type CloudEvent,
  cloudEventJson,
  decodeProperties,
  encodeProperties,
  eventProperties,
  extensionName,
  type Headers,
  type HeaderValue,
  isExtensionValue,
  isRfc3339,
  type Message,
  MessageEvent,
  type Properties,
  parseCloudEventJson,
  untyped,
} from '../events/index.ts'
import { ownHeaders } from './packed-properties.ts'
import type { RecordedEvent, StoredEvent } from './stored-event.ts'

/** What the history says of an event, and CloudEvents has no attribute for. */
const historyMembers: ReadonlySet<string> = new Set([
  'position',
  'recordedtime',
  'unidentified',
  'erased',
  'amqpexchange',
  'amqproutingkey',
  'amqpproperties',
  'amqpheaders',
  'spentsequences',
])

export function eventLine(event: StoredEvent): string {
  return eventLineWith(event, {})
}

/** @param more - Attributes for what travels with the event. */
export function eventLineWith(event: StoredEvent, more: { readonly spentsequences?: string }): string {
  return lineOf(event, event, more)
}

/**
 * The line of a message that no history holds: without a position.
 *
 * @param id - Of a message that states none.
 */
export function messageLine(message: Message, { id }: { readonly id: () => string }): string {
  const attributes = attributesOf(message)
  const unidentified = attributes.id === undefined
  const event = new MessageEvent({ ...attributes, id: attributes.id ?? id() }, message)
  return lineOf(event, { unidentified }, {})
}

/** The line of what was published, whether it is recorded or not. */
export function plainLine(event: CloudEvent): string {
  return lineOf(event, {}, {})
}

function lineOf(
  event: CloudEvent,
  { position, recordedAt, unidentified, erased }: Partial<StoredEvent>,
  { spentsequences }: { readonly spentsequences?: string },
): string {
  const { exchange, routingKey } = event.message
  const { amqpproperties, amqpheaders } = unsaidProperties(event)
  // Every one of `historyMembers`: the undefined ones keep a publisher's own out, which would be taken for ours.
  return cloudEventJson(event, {
    position,
    recordedtime: recordedAt?.toISOString(),
    unidentified: unidentified ? true : undefined,
    amqpexchange: exchange,
    amqproutingkey: routingKey === '' ? undefined : routingKey,
    amqpproperties,
    amqpheaders,
    spentsequences,
    erased,
  })
}

/** What the line's attributes do not say of the properties. */
function unsaidProperties(event: CloudEvent): { amqpproperties?: string; amqpheaders?: string } {
  const { properties } = event.message
  const { headers = {} } = properties
  const names = Object.keys(headers)
  const own = ownHeaders(event, names)
  if (own === undefined || properties.contentType === '' || !isOwnTime(properties)) {
    return { amqpproperties: encodeProperties(properties) }
  }
  let said = own
  if (names[said] === 'ce-dataschema' && isText(headers['ce-dataschema'])) said += 1
  while (said < names.length && isSaid(names[said]!, headers[names[said]!]!)) said += 1
  if (said === names.length) return {}
  const rest = Object.fromEntries(names.slice(said).map((name) => [name, headers[name]!]))
  return { amqpheaders: encodeProperties({ headers: rest }) }
}

/** Whether the timestamp is the one that comes of the time. */
function isOwnTime({ headers, timestamp }: Properties): boolean {
  const time = headers!['ce-time'] as string
  return isRfc3339(time) && timestamp === secondsOf(time)
}

/** As the publisher makes it: AMQP's timestamps begin in 1970. */
function secondsOf(time: string): number | undefined {
  const seconds = Math.floor(Date.parse(time) / 1_000)
  return seconds < 0 ? undefined : seconds
}

/** Whether the line's own member gives the header back, in its place: an object has its numbers first. */
function isSaid(header: string, value: HeaderValue): boolean {
  const name = extensionName(header)
  if (name === undefined || /^[0-9]/.test(name) || historyMembers.has(name)) return false
  return isExtensionValue(value) && !Object.is(value, -0)
}

/** An event as a line says it. */
export interface LineEvent extends Omit<RecordedEvent, 'position' | 'recordedAt'> {
  /** Both undefined where no history wrote the line: a CloudEvent of somebody else's. */
  readonly position: number | undefined
  readonly recordedAt: Date | undefined
  /** As it was given to `eventLineWith`. */
  readonly spentsequences: string | undefined
}

/**
 * @param options.exchange - Of events whose line states none.
 * @throws TypeError with the reason where the text is no event: `is no JSON …`, `has no \`id\``.
 */
export function readEventLine(text: string, { exchange }: { exchange: string }): LineEvent {
  const { members, body } = parseCloudEventJson(text)
  const { specversion, position, recordedtime, unidentified, amqpexchange, amqproutingkey } = members
  if (specversion === undefined) throw new TypeError('has no `specversion`, so it is no CloudEvent')
  if (specversion !== '1.0') {
    throw new TypeError(`has specversion ${JSON.stringify(specversion)}; only "1.0" is known`)
  }
  const properties = propertiesOf(members)
  const message = {
    exchange: optionalText('amqpexchange', amqpexchange) ?? exchange,
    routingKey: optionalText('amqproutingkey', amqproutingkey) ?? '',
    properties,
    body,
  }
  const type = requireText('type', members.type)
  return {
    id: requireText('id', members.id),
    source: requireText('source', members.source),
    type: type === untyped && attributesOf(message).type === '' ? '' : type,
    subject: optionalText('subject', members.subject),
    position: position === undefined ? undefined : requireNumber('position', position),
    recordedAt: position === undefined ? undefined : requireMoment(recordedtime),
    unidentified: unidentified === true,
    erased: members.erased === undefined ? undefined : requireNumber('erased', members.erased),
    message,
    spentsequences: optionalText('spentsequences', members.spentsequences),
  }
}

function propertiesOf(members: Readonly<Record<string, unknown>>): Properties {
  const whole = optionalText('amqpproperties', members.amqpproperties)
  if (whole !== undefined) return decoded('amqpproperties', whole)
  const { id, source, type, subject, time, dataschema, datacontenttype, amqpheaders } = members
  const stated = optionalText('time', time)
  const properties = eventProperties({
    id: requireText('id', id),
    source: requireText('source', source),
    type: requireText('type', type),
    subject: optionalText('subject', subject),
    time: stated ?? '',
    timestamp: stated === undefined || !isRfc3339(stated) ? undefined : secondsOf(stated),
    contentType: optionalText('datacontenttype', datacontenttype) ?? 'application/json',
  })
  const headers: Record<string, HeaderValue> = properties.headers
  if (stated === undefined) delete headers['ce-time']
  const more = optionalText('amqpheaders', amqpheaders)
  const rest: Headers = more === undefined ? {} : (decoded('amqpheaders', more).headers ?? {})
  const schema = optionalText('dataschema', dataschema)
  // What is in the rest too has its place there.
  if (schema !== undefined && !Object.hasOwn(rest, 'ce-dataschema')) headers['ce-dataschema'] = schema
  for (const name in members) {
    const header = `ce-${name}`
    if (extensionName(header) === undefined || historyMembers.has(name) || Object.hasOwn(rest, header))
      continue
    const value = members[name]
    if (value === null) continue
    if (!isExtensionValue(value)) {
      throw new TypeError(`has an attribute \`${name}\` that is no text, number or boolean`)
    }
    headers[header] = value
  }
  // Spread, not assigned: a header may be called `__proto__`.
  return more === undefined ? properties : { ...properties, headers: { ...headers, ...rest } }
}

function decoded(name: string, text: string): Properties {
  try {
    return decodeProperties(text)
  } catch (cause) {
    throw new TypeError(`has an \`${name}\` that is no JSON`, { cause })
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function requireText(name: string, value: unknown): string {
  if (isText(value)) return value
  throw new TypeError(value === undefined ? `has no \`${name}\`` : `has a \`${name}\` that is no text`)
}

function optionalText(name: string, value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string') return value
  throw new TypeError(`has a \`${name}\` that is no text`)
}

function requireNumber(name: string, value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) > 0) return value as number
  throw new TypeError(`has a \`${name}\` that is no whole number above 0`)
}

function requireMoment(value: unknown): Date {
  const moment = new Date(typeof value === 'string' ? value : Number.NaN)
  if (!Number.isNaN(moment.getTime())) return moment
  throw new TypeError('has no `recordedtime`, which belongs to its position')
}
