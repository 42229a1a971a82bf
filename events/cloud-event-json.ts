/**
 * An event as one line of CloudEvents 1.0 in JSON format. A JSON body stands in it as it was written, every
 * digit of it.
 */
import { isJsonText, isJsonType, textOf } from './body-text.ts'
import type { CloudEvent } from './event.ts'
import type { HeaderValue } from './message.ts'

const attributes = ['id', 'source', 'type', 'subject', 'time', 'dataschema', 'datacontenttype']

/**
 * @param extensions - Added behind the attributes that the event's own `ce-` headers are.
 */
export function cloudEventJson(
  event: CloudEvent,
  extensions: Readonly<Record<string, string | number | boolean | undefined>> = {},
): string {
  const { id, source, type, subject, time, dataschema, message } = event
  const { contentType, headers = {} } = message.properties
  const members = {
    specversion: '1.0',
    id,
    source,
    type,
    subject,
    time,
    dataschema,
    datacontenttype: contentType,
    ...extensionHeaders(headers),
    ...extensions,
  }
  return `${JSON.stringify(members).slice(0, -1)}${dataMember(message.body, contentType)}}`
}

/** Those of the `ce-` headers that no attribute above stands for. */
function extensionHeaders(headers: Readonly<Record<string, HeaderValue>>): Record<string, HeaderValue> {
  const extensions: Record<string, HeaderValue> = {}
  for (const [header, value] of Object.entries(headers)) {
    const [, name] = /^ce-([a-z0-9]+)$/.exec(header) ?? []
    if (name === undefined || name === 'specversion' || attributes.includes(name)) continue
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      extensions[name] = value
    }
  }
  return extensions
}

function dataMember(body: Buffer, contentType: string | undefined): string {
  if (body.length === 0) return ''
  const text = contentType === undefined ? undefined : textOf(body)
  if (text !== undefined && isJsonType(contentType!) && isJsonText(text)) {
    // Line breaks in JSON stand between its tokens only.
    return `,"data":${text.replace(/[\r\n]+/g, ' ')}`
  }
  const isText = text !== undefined && contentType!.trim().toLowerCase().startsWith('text/')
  return isText ? `,"data":${JSON.stringify(text)}` : `,"data_base64":"${body.toString('base64')}"`
}
