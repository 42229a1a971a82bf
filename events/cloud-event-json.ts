/**
 * An event as one line of CloudEvents 1.0 in JSON format, and back.
 *
 * The body comes back byte for byte. JSON stands in the line as it was written, every digit and space of it,
 * behind all attributes; text of a type `text/…` as a JSON string. Any other body is base64, and so is JSON
 * that a line would change: with line breaks in it, or white space around it.
 */
import { isJsonText, isJsonType, textOf } from './body-text.ts'
import type { CloudEvent } from './event.ts'
import { memberText, oneLine } from './json-text.ts'
import type { HeaderValue } from './message.ts'

/** A value that any CloudEvents tool takes for an extension attribute. */
export type ExtensionValue = string | number | boolean

/** Members that are the event's own, whatever `ce-` headers it has besides. */
const ownMembers: ReadonlySet<string> = new Set([
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

/** CloudEvents wants a type of each event, and an AMQP message need not state one. */
export const untyped = 'amqp.message'

/**
 * @param extensions - Added behind those that the event's own `ce-` headers are, instead of one of that name,
 *   which an undefined one leaves out too.
 */
export function cloudEventJson(
  event: CloudEvent,
  extensions: Readonly<Record<string, ExtensionValue | undefined>> = {},
): string {
  const { id, source, type, subject, time, dataschema, message } = event
  const { contentType, headers } = message.properties
  const members: Record<string, HeaderValue | undefined> = {
    specversion: '1.0',
    id,
    source,
    type: type === '' ? untyped : type,
    subject,
    time: time !== undefined && isRfc3339(time) ? time : undefined,
    dataschema,
    datacontenttype: contentType === '' ? undefined : contentType,
  }
  for (const header in headers) {
    const name = extensionName(header)
    const value = headers[header]!
    if (name !== undefined && isExtensionValue(value)) members[name] = value
  }
  for (const name in extensions) members[name] = extensions[name]
  return `${JSON.stringify(members).slice(0, -1)}${dataMember(message.body, contentType)}}`
}

/** The attribute that a header stands for, undefined for one that is no extension of the publisher's. */
export function extensionName(header: string): string | undefined {
  if (!header.startsWith('ce-')) return undefined
  const name = header.slice(3)
  return /^[a-z0-9]+$/.test(name) && !ownMembers.has(name) ? name : undefined
}

export function isExtensionValue(value: unknown): value is ExtensionValue {
  return typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)
}

/** As CloudEvents wants a `time` to be; what publishers of other kinds put there may be anything. */
export function isRfc3339(time: string): boolean {
  return rfc3339.test(time)
}

/** With its ranges, so that nothing need be parsed; a 31st of February is let through. */
const rfc3339 =
  /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/

function dataMember(body: Buffer, contentType: string | undefined): string {
  if (body.length === 0) return ''
  const text = contentType === undefined ? undefined : textOf(body)
  if (text !== undefined) {
    if (isJsonType(contentType!)) {
      if (staysAsWritten(text)) return `,"data":${text}`
    } else if (isTextType(contentType!)) return `,"data":${JSON.stringify(text)}`
  }
  return `,"data_base64":"${body.toString('base64')}"`
}

function isTextType(contentType: string): boolean {
  return contentType.trim().toLowerCase().startsWith('text/')
}

function staysAsWritten(text: string): boolean {
  if (text.includes('\n') || text.includes('\r')) return false
  return text.charCodeAt(0) > space && text.charCodeAt(text.length - 1) > space && isJsonText(text)
}

const space = 0x20

/**
 * The members of a line but for its data, and its body.
 *
 * @throws TypeError with the reason where the text is no JSON object, or its data is not clear.
 */
export function parseCloudEventJson(text: string): {
  readonly members: Readonly<Record<string, unknown>>
  readonly body: Buffer
} {
  const { members, data } = split(text)
  const { data_base64: base64, ...rest } = members
  if (base64 !== undefined && base64 !== null) {
    if (data !== undefined) throw new TypeError('has both `data` and `data_base64`')
    if (typeof base64 !== 'string') throw new TypeError('has a `data_base64` that is no text')
    return { members: rest, body: bytesOf(base64) }
  }
  if (data === undefined) return { members: rest, body: Buffer.alloc(0) }
  const { datacontenttype: contentType } = rest
  // In any other type than JSON's a text is the body itself, not a JSON string.
  const isBody = data.startsWith('"') && typeof contentType === 'string' && !isJsonType(contentType)
  return { members: rest, body: Buffer.from(isBody ? (JSON.parse(data) as string) : data) }
}

/**
 * What patterns and paths look at: a body of a JSON type that stands in base64, since a line would have changed it,
 * is `data` here too. Anything else comes back as it is.
 *
 * @param json - Parsed.
 */
export function withJsonData(json: unknown): unknown {
  const decoded = jsonDataOf(json)
  return decoded === undefined ? json : { ...decoded.rest, data: decoded.data }
}

/** The text of which `withJsonData` is the JSON, with the body as it was written, on one line. */
export function withJsonDataText(text: string): string {
  if (!text.includes('"data_base64"')) return text
  const decoded = jsonDataOf(JSON.parse(text))
  if (decoded === undefined) return text
  const members = Object.keys(decoded.rest).map(
    (name) => `${JSON.stringify(name)}:${memberText(text, name)!}`,
  )
  return `{${[...members, `"data":${oneLine(decoded.text.trim())}`].join(',')}}`
}

/** Undefined where no body of a JSON type stands in base64. */
function jsonDataOf(json: unknown):
  | {
      readonly rest: Readonly<Record<string, unknown>>
      readonly text: string
      readonly data: unknown
    }
  | undefined {
  if (!isObject(json) || typeof json.data_base64 !== 'string') return undefined
  if (json.specversion === undefined || 'data' in json) return undefined
  const { data_base64: base64, ...rest } = json
  const { datacontenttype: type } = rest
  if (typeof type !== 'string' || !isJsonType(type)) return undefined
  try {
    const text = textOf(Buffer.from(base64 as string, 'base64'))
    return text === undefined ? undefined : { rest, text, data: JSON.parse(text) as unknown }
  } catch {
    return undefined
  }
}

/** Decoding passes over what is no base64: a body that comes back otherwise was damaged. */
function bytesOf(base64: string): Buffer {
  const bytes = Buffer.from(base64, 'base64')
  if (bytes.toString('base64') !== base64) throw new TypeError('has a `data_base64` that is no base64')
  return bytes
}

interface Split {
  readonly members: Readonly<Record<string, unknown>>
  /** As it was written; undefined where there is none. */
  readonly data: string | undefined
}

function split(text: string): Split {
  return splitOwn(text) ?? splitAny(text)
}

/**
 * A line as `cloudEventJson` writes it: `data` is its last member, and no attribute is an object, so that this
 * text cannot be within one. Undefined where it turns out to be another's.
 */
function splitOwn(text: string): Split | undefined {
  const at = text.indexOf(dataKey)
  if (at === -1 || !text.endsWith('}')) return undefined
  const data = text.slice(at + dataKey.length, -1)
  if (!isJsonText(data)) return undefined
  try {
    const members: unknown = JSON.parse(`${text.slice(0, at)}}`)
    return isObject(members) ? { members, data: data.trim() } : undefined
  } catch {
    return undefined
  }
}

const dataKey = ',"data":'

function splitAny(text: string): Split {
  const members = parseJson(text)
  if (!isObject(members)) throw new TypeError('is no JSON object')
  if (!('data' in members)) return { members, data: undefined }
  const { data: _, ...rest } = members
  return { members: rest, data: memberText(text, 'data') }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new TypeError(`is no JSON: ${(cause as Error).message}`, { cause })
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
