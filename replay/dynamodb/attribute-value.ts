/**
 * Attributes of DynamoDB as JSON, and values of a mapping as attributes.
 *
 * JSON has no binary and no sets: binary becomes base64, a set a list. Numbers keep every digit, in both
 * directions.
 */
import { randomUUID } from 'node:crypto'
import type { AttributeValue } from '@aws-sdk/client-dynamodb'
import { ReplayError } from '../errors.ts'
import type { MappedValue } from '../mapping/mapped-value.ts'
import { canonicalNumber, isStorable, jsonNumber } from './decimal.ts'

export type Item = Record<string, AttributeValue>

export function jsonOfItem(item: Item): Record<string, unknown> {
  return Object.fromEntries(Object.entries(item).map(([name, value]) => [name, jsonOfAttribute(value)]))
}

function jsonOfAttribute(value: AttributeValue): unknown {
  if (value.S !== undefined) return value.S
  if (value.N !== undefined) return jsonNumber(value.N)
  if (value.BOOL !== undefined) return value.BOOL
  if (value.M !== undefined) return jsonOfItem(value.M)
  if (value.L !== undefined) return value.L.map(jsonOfAttribute)
  if (value.B !== undefined) return base64(value.B)
  if (value.SS !== undefined) return value.SS
  if (value.NS !== undefined) return value.NS.map(jsonNumber)
  if (value.BS !== undefined) return value.BS.map(base64)
  return null
}

export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

/**
 * @returns undefined for null: an item has no such attribute then.
 * @throws ReplayError `REPLAY_EVENT_REFUSED` for a number that DynamoDB does not hold.
 */
export function attributeOf(mapped: MappedValue): AttributeValue | undefined {
  if (mapped === null) return undefined
  switch (mapped.type) {
    case 'text':
    case 'timestamp':
    case 'date':
      return { S: mapped.value }
    case 'integer':
    case 'number':
    case 'decimal':
      return numberAttribute(String(mapped.value))
    case 'boolean':
      return { BOOL: mapped.value }
    case 'bytes':
      return { B: mapped.value }
    case 'json':
      return attributeOfJson(exactly(mapped))
  }
}

function attributeOfJson(value: unknown): AttributeValue {
  if (value === null) return { NULL: true }
  if (typeof value === 'boolean') return { BOOL: value }
  if (typeof value === 'number') return numberAttribute(String(value))
  if (typeof value === 'string') {
    return value.startsWith(mark) ? numberAttribute(value.slice(mark.length)) : { S: value }
  }
  if (Array.isArray(value)) return { L: value.map(attributeOfJson) }
  const members = Object.entries(value as object).map(([name, one]) => [name, attributeOfJson(one)])
  return { M: Object.fromEntries(members) as Item }
}

/** Before the digits of a number that is carried as a text; nobody can have written it. */
const mark = `number ${randomUUID()} `

/** The value, in which numbers that parsing would have changed are marked texts. */
function exactly({ value, text }: { readonly value: unknown; readonly text: string }): unknown {
  if (!/\d[\d.]{14}|\d[eE]/.test(text)) return value
  const marked = text.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]{14,}|-?\d[\d.]*[eE][+-]?\d+/g, (token) =>
    token.startsWith('"') ? token : JSON.stringify(mark + token),
  )
  return JSON.parse(marked)
}

function numberAttribute(text: string): AttributeValue {
  if (isStorable(text)) return { N: text.replace(/^\+/, '') }
  throw new ReplayError('REPLAY_EVENT_REFUSED', `DynamoDB does not hold the number ${text.slice(0, 60)}`)
}

/** An item in DynamoDB's own JSON, as it may be printed: binary as base64. */
export function shownItem(item: Item): Record<string, unknown> {
  return Object.fromEntries(Object.entries(item).map(([name, value]) => [name, shownAttribute(value)]))
}

function shownAttribute(value: AttributeValue): unknown {
  if (value.B !== undefined) return { B: base64(value.B) }
  if (value.M !== undefined) return { M: shownItem(value.M) }
  return value.L === undefined ? value : { L: value.L.map(shownAttribute) }
}

/** Whether two items are the same, however their numbers are written. */
export function isSame(one: Item, other: Item): boolean {
  return canonical(one) === canonical(other)
}

function canonical(item: Item): string {
  const sorted = (members: Item) => Object.entries(members).sort(([a], [b]) => (a < b ? -1 : 1))
  const form = (value: AttributeValue): unknown => {
    if (value.N !== undefined) return { N: canonicalNumber(value.N) }
    if (value.B !== undefined) return { B: base64(value.B) }
    if (value.L !== undefined) return { L: value.L.map(form) }
    return value.M === undefined ? value : { M: sorted(value.M).map(([name, one]) => [name, form(one)]) }
  }
  return JSON.stringify(sorted(item).map(([name, value]) => [name, form(value)]))
}
