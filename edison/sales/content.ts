/**
 * The content of a JSON value as one text: equal content gives equal text, whatever the order of keys
 * and the blanks between them.
 */

/** Deeper nesting than any order has; without a limit a hostile line overflows the stack. */
const depthMax = 64

/** A lone half of a surrogate pair: JSON can spell it, UTF-8 and so the database cannot. */
const loneSurrogate = /\p{Surrogate}/u

/** What keeps a JSON value from being stored and given back as it is; undefined if nothing does. */
export function unstorable(value: unknown, depth = 0): string | undefined {
  if (typeof value === 'string') return loneSurrogate.test(value) ? 'has text that is not Unicode' : undefined
  // JSON may spell 1e999, but cannot write the infinity that it becomes.
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : 'has a number that is too large'
  if (typeof value !== 'object' || value === null) return undefined
  if (depth === depthMax) return `is nested more than ${depthMax} levels deep`
  for (const [key, member] of Object.entries(value)) {
    const reason = unstorable(key) ?? unstorable(member, depth + 1)
    if (reason !== undefined) return reason
  }
  return undefined
}

/** The content as JSON with sorted keys. Expects a value that `unstorable` has let through. */
export function contentOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(contentOf).join(',')}]`
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${contentOf(member)}`).join(',')}}`
}

/** The top-level fields in which two objects differ, for telling a person. */
export function differingFields(a: Readonly<Record<string, unknown>>, b: typeof a): string[] {
  const fields = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...fields].filter((field) => contentOf(a[field]) !== contentOf(b[field])).sort()
}
