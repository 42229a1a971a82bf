/** One event of a history, whole: for people, and as JSON without loss. */

import { indentJson, isJsonText, textOf } from '../../events/index.ts'
import type { StoredEvent } from '../../history/index.ts'
import { count } from './progress.ts'
import { visible, visibleLine } from './screen.ts'
import { listOf } from './table.ts'

/**
 * One line of JSON. Properties are as `encodeProperties` writes them: a Buffer in a header is
 * `{"$bytes": base64}`.
 */
export function eventJson(event: StoredEvent, properties: string): string {
  const { position, source, id, type, subject, recordedAt, unidentified, message } = event
  const { exchange, routingKey, body } = message
  const attributes = { position, source, id, type, subject, recordedAt, unidentified, exchange, routingKey }
  const rest = `"properties":${properties},"data_base64":"${body.toString('base64')}"`
  return `${JSON.stringify(attributes).slice(0, -1)},${rest}}`
}

export function eventText(event: StoredEvent, encoded: string): string[] {
  const { position, source, id, type, subject, time, recordedAt, unidentified, message } = event
  const { headers = {}, ...properties } = JSON.parse(encoded) as Record<string, unknown>
  return [
    ...listOf({
      position: String(position),
      source,
      id: unidentified ? `${id} (given by the history: none was stated)` : id,
      type,
      subject,
      time,
      recorded: recordedAt.toISOString(),
      exchange: message.exchange,
      'routing key': message.routingKey === '' ? undefined : message.routingKey,
    }),
    '',
    ...section('properties', properties),
    '',
    ...section('headers', headers as Record<string, unknown>),
    '',
    ...bodyText(message.body, message.properties.contentType),
  ]
}

function section(title: string, values: Readonly<Record<string, unknown>>): string[] {
  if (Object.keys(values).length === 0) return [`${title}: none`]
  const cells = Object.entries(values).map(([name, value]) => [
    `  ${visibleLine(name)}`,
    JSON.stringify(value),
  ])
  return [title, ...listOf(Object.fromEntries(cells))]
}

function bodyText(body: Buffer, contentType: string | undefined): string[] {
  const title = `body: ${count(body.length)} bytes, ${contentType === undefined ? 'no content type' : visibleLine(contentType)}`
  if (body.length === 0) return [title]
  const text = textOf(body)
  if (text === undefined || isBinary(text)) return [title, ...hexDump(body)]
  // What parses is shown with its structure, whatever it was called.
  return [title, visible(isJsonText(text) ? indentJson(text) : text)]
}

/** Text that holds control characters other than white space is none that anybody wrote. */
function isBinary(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
  return /[\u0000-\u0008\u000e-\u001a\u001c-\u001f]/.test(text)
}

const dumpedBytesMax = 1_024
const bytesALine = 16

/** `00000000  62 61 63 6b …  |back…|`, the beginning only. */
function hexDump(body: Buffer): string[] {
  const lines = []
  for (let at = 0; at < Math.min(body.length, dumpedBytesMax); at += bytesALine) {
    const bytes = [...body.subarray(at, at + bytesALine)]
    const hex = bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
    const text = bytes.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('')
    lines.push(`${at.toString(16).padStart(8, '0')}  ${hex.padEnd(bytesALine * 3 - 1)}  |${text}|`)
  }
  if (body.length > dumpedBytesMax) {
    lines.push(`… ${count(body.length - dumpedBytesMax)} bytes more: --body writes them all`)
  }
  return lines
}
