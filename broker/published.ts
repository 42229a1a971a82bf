/**
 * The properties of a delivery as they were published: without what the broker adds, and with what the
 * client mistakes.
 *
 * The client decodes a table by assignment, so a header `__proto__` that is a table, a list or bytes
 * becomes the prototype of what holds it, and code that trusts its kind breaks: such a table passes for
 * a Buffer. Here it is a header again, last in its table. One that is text or a number the client drops.
 */
import type { Headers, HeaderValue, Properties } from '../events/index.ts'

/** What the broker adds to a message that it hands out again. */
const brokerHeaders = ['x-delivery-count', 'x-acquired-count']

/** How often a quorum queue says that it has taken a message back; 4.3 and later tell it by the second header. */
export function returnsOf({ headers }: Properties): number {
  const counts = brokerHeaders.map((name) => headers?.[name])
  return Math.max(0, ...counts.filter((count) => typeof count === 'number'))
}

export function publishedProperties(properties: Properties): Properties {
  const { headers } = properties
  if (headers === undefined) return properties
  const own = ownTable(headers)
  if (!brokerHeaders.some((name) => name in own))
    return own === headers ? properties : { ...properties, headers: own }
  const kept = Object.entries(own).filter(([name]) => !brokerHeaders.includes(name))
  return { ...properties, headers: kept.length === 0 ? undefined : Object.fromEntries(kept) }
}

/** The table itself, unless a prototype is to be mended in it. */
function ownTable(table: Headers): Headers {
  if (isOwn(table)) return table
  const entries = Object.entries(table).map(([name, value]) => [name, ownValue(value)])
  const prototype: HeaderValue = Object.getPrototypeOf(table)
  if (prototype !== Object.prototype) entries.push(['__proto__', ownValue(prototype)])
  return Object.fromEntries(entries)
}

function ownValue(value: HeaderValue): HeaderValue {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  return Array.isArray(value) ? value.map(ownValue) : ownTable(value as Headers)
}

/** Whether a table, and each in it, has the prototype that a table has. */
function isOwn(table: Headers): boolean {
  if (Object.getPrototypeOf(table) !== Object.prototype) return false
  for (const name in table) {
    const value = table[name]!
    // Nearly every header is text: no call for it.
    if (typeof value === 'object' && !isOwnValue(value)) return false
  }
  return true
}

function isOwnValue(value: HeaderValue): boolean {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return true
  return Array.isArray(value) ? value.every(isOwnValue) : isOwn(value as Headers)
}
