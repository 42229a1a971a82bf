/**
 * Events as JSON text: the lines that `publish` reads.
 *
 * Two shapes: a plain one, which is what a publisher is given, and CloudEvents 1.0 in JSON format. JSON data
 * is published as it was written, every digit of it. What a history's list adds (history/event-line.ts) is
 * left out, so that it can be published into another exchange.
 */
import { type EventInput, isJsonType, memberText } from '../../events/index.ts'
import { didYouMean } from './suggest.ts'

const plainKeys = {
  type: 'text',
  data: 'any',
  subject: 'text',
  id: 'text',
  source: 'text',
  time: 'text',
  dataschema: 'text',
  contentType: 'text',
  headers: 'table',
  routingKey: 'text',
} as const

const attributes = ['id', 'source', 'type', 'subject', 'time', 'dataschema', 'datacontenttype'] as const
/** What a history adds to an event: not the publisher's to say. */
const historys = [
  'position',
  'recordedtime',
  'unidentified',
  'erased',
  'amqpexchange',
  'amqproutingkey',
  'amqpproperties',
  'amqpheaders',
  'spentsequences',
]

/** @throws TypeError with the reason where the text is no event. */
export function parseEvent(text: string): EventInput {
  const value = parseJson(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError('is no JSON object')
  }
  const fields = value as Record<string, unknown>
  const event = 'specversion' in fields ? fromCloudEvent(fields) : fromPlain(fields)
  return withDataAsWritten(event, text)
}

/** The body of JSON data is its text. */
function withDataAsWritten(event: EventInput, text: string): EventInput {
  const { data, contentType = 'application/json' } = event
  if (data === undefined || Buffer.isBuffer(data) || !isJsonType(contentType)) return event
  const written = memberText(text, 'data')
  return written === undefined ? event : { ...event, contentType, data: Buffer.from(written) }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new TypeError(`is no JSON: ${(cause as Error).message}`, { cause })
  }
}

function fromPlain(fields: Readonly<Record<string, unknown>>): EventInput {
  const event: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(fields)) {
    if (!Object.hasOwn(plainKeys, key)) {
      throw new TypeError(`has an unknown field ${key}${didYouMean(key, Object.keys(plainKeys))}`)
    }
    const kind = plainKeys[key as keyof typeof plainKeys]
    if (kind === 'any') event[key] = value
    else if (value === null) continue
    else if (kind === 'text') event[key] = requireText(key, value)
    else if (typeof value === 'object' && !Array.isArray(value)) event[key] = value
    else throw new TypeError(`has a \`${key}\` that is no object`)
  }
  requireText('type', event.type)
  return event as unknown as EventInput
}

function fromCloudEvent(fields: Readonly<Record<string, unknown>>): EventInput {
  if (fields.specversion !== '1.0') {
    throw new TypeError(`has specversion ${JSON.stringify(fields.specversion)}; only "1.0" is known`)
  }
  const texts: { [Name in (typeof attributes)[number]]?: string } = {}
  for (const name of attributes) {
    const value = fields[name]
    if (value !== undefined && value !== null) texts[name] = requireText(name, value)
  }
  const { id, source, type, datacontenttype, ...more } = texts
  requireText('id', id)
  requireText('source', source)
  const extensions = extensionsOf(fields)
  return {
    ...more,
    id,
    source,
    type: requireText('type', type),
    ...(datacontenttype !== undefined && { contentType: datacontenttype }),
    ...dataOf(fields, datacontenttype),
    ...(extensions !== undefined && { extensions }),
  }
}

function dataOf(
  { data, data_base64: base64 }: Readonly<Record<string, unknown>>,
  contentType: string | undefined,
): Pick<EventInput, 'data'> {
  if (base64 !== undefined && base64 !== null) {
    if (data !== undefined) throw new TypeError('has both `data` and `data_base64`')
    const bytes = Buffer.from(requireText('data_base64', base64, { mayBeEmpty: true }), 'base64')
    return { data: bytes }
  }
  if (data === undefined) return {}
  // In any other type than JSON's a text is the body itself, not a JSON string.
  const isBody = typeof data === 'string' && contentType !== undefined && !isJsonType(contentType)
  return { data: isBody ? Buffer.from(data) : data }
}

function extensionsOf(
  fields: Readonly<Record<string, unknown>>,
): Readonly<Record<string, string | number | boolean>> | undefined {
  const known: readonly string[] = ['specversion', 'data', 'data_base64', ...attributes, ...historys]
  const extensions: Record<string, string | number | boolean> = {}
  for (const [name, value] of Object.entries(fields)) {
    if (known.includes(name) || value === null) continue
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
      throw new TypeError(`has an attribute \`${name}\` that is no text, number or boolean`)
    }
    extensions[name] = value
  }
  return Object.keys(extensions).length === 0 ? undefined : extensions
}

function requireText(name: string, value: unknown, { mayBeEmpty = false } = {}): string {
  if (typeof value === 'string' && (mayBeEmpty || value !== '')) return value
  throw new TypeError(value === undefined ? `has no \`${name}\`` : `has a \`${name}\` that is no text`)
}
