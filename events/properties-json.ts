/**
 * Properties as JSON text and back, without loss: what JSON has no value for is tagged.
 *
 * A Buffer becomes `{"$bytes": base64}`, a number that JSON cannot write (NaN, an infinity, -0)
 * `{"$number": text}`, and a table that has a `$`-key of its own `{"$table": {...}}`. Nearly no
 * message has any of these, so the plain case is one look over the headers and one stringify.
 */
import type { HeaderValue, Properties } from './message.ts'

export function encodeProperties(properties: Properties): string {
  const { headers } = properties
  if (headers === undefined || isPlainTable(headers)) return JSON.stringify(properties)
  // Header names are data too: only the values are tagged, so a header called `$bytes` stays itself.
  const tagged = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, tag(value)]))
  return JSON.stringify({ ...properties, headers: tagged })
}

export function decodeProperties(text: string): Properties {
  const properties: Properties = JSON.parse(text)
  if (!text.includes('"$')) return properties
  const { headers } = properties
  if (headers === undefined) return properties
  const untagged = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, untag(value)]))
  return { ...properties, headers: untagged }
}

type Table = { readonly [key: string]: HeaderValue }

function isPlainTable(table: Table): boolean {
  for (const key in table) {
    const value = table[key]
    if (typeof value === 'string' || typeof value === 'boolean' || value === null) continue
    if (value === undefined || !isPlain(value)) return false
  }
  return true
}

function isPlain(value: HeaderValue): boolean {
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0)
  if (typeof value !== 'object' || value === null) return true
  if (Buffer.isBuffer(value)) return false
  if (isArray(value)) return value.every(isPlain)
  return !hasTag(value) && isPlainTable(value)
}

function tag(value: HeaderValue): HeaderValue {
  if (isPlain(value)) return value
  if (typeof value === 'number') return { $number: Object.is(value, -0) ? '-0' : String(value) }
  if (Buffer.isBuffer(value)) return { $bytes: value.toString('base64') }
  if (isArray(value)) return value.map(tag)
  const table = mapTable(value as Table, tag)
  return hasTag(table) ? { $table: table } : table
}

function untag(value: HeaderValue): HeaderValue {
  if (typeof value !== 'object' || value === null) return value
  if (isArray(value)) return value.map(untag)
  const { $bytes, $number, $table } = value as { $bytes?: string; $number?: string; $table?: Table }
  if ($bytes !== undefined) return Buffer.from($bytes, 'base64')
  if ($number !== undefined) return Number($number)
  return mapTable($table ?? (value as Table), untag)
}

function mapTable(table: Table, map: (value: HeaderValue) => HeaderValue): Table {
  return Object.fromEntries(Object.entries(table).map(([key, value]) => [key, map(value)]))
}

function hasTag(table: object): boolean {
  return '$bytes' in table || '$number' in table || '$table' in table
}

function isArray(value: unknown): value is readonly HeaderValue[] {
  return Array.isArray(value)
}
