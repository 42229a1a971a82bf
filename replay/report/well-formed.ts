/**
 * Text that every reader of JSON takes. JSON can spell half a surrogate pair, which Node reads and writes, and
 * which others, such as jq, refuse with all that is around it.
 */

/** A copy in which such a half is told as it is escaped, `\ud800`: texts that differ still do. */
export function wellFormed<Value>(value: Value): Value {
  if (typeof value === 'string') return value.replace(/[\ud800-\udfff]/gu, escaped) as Value
  if (Array.isArray(value)) return value.map(wellFormed) as Value
  if (typeof value !== 'object' || value === null || 'toJSON' in value) return value
  // Not by assignment: a name may be `__proto__`.
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [wellFormed(name), wellFormed(member)]),
  ) as Value
}

function escaped(half: string): string {
  return `\\u${half.charCodeAt(0).toString(16)}`
}
