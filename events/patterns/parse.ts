/**
 * Reads a pattern into its alternatives: each a list of fields, all of which must match.
 *
 * A pattern without `$or` has one alternative. Each `$or` multiplies them by the number of its entries. In
 * an alternative a field has one list of tests: where the pattern names it twice, outside and inside `$or`,
 * the one that comes later stands, as in EventBridge.
 */
import type { EventError } from '../errors.ts'
import { invalid } from './invalid.ts'
import { isObject } from './json-object.ts'
import { parseEntry } from './parse-entry.ts'
import { membersOf, parseText } from './parse-text.ts'
import type { ValueTest } from './value-test.ts'

/** A field that the pattern names, and what one of its values must pass. */
export interface Field {
  /** The names from the outermost object to the field. */
  readonly names: readonly string[]
  /** At least one. */
  readonly tests: readonly ValueTest[]
}

/** Fields sorted by path: EventBridge looks at them in this order, and `exists: false` can tell. */
export type Alternative = readonly Field[]

const alternativesMax = 1_000
const depthMax = 100
const testsMax = 100_000

/** Not allowed as the names of fields inside `$or`, where an operator may be meant. */
const reserved: ReadonlySet<string> = new Set([
  ...['exactly', 'equals-ignore-case', 'prefix', 'suffix', 'anything-but', 'exists', 'wildcard', 'numeric'],
  ...['cidr', '=', '<', '<=', '>', '>=', 'regex', 'not-wildcard', 'not-equals-ignore-case'],
  ...['date-after', 'date-on-or-after', 'date-before', 'date-on-or-before', 'in-date-range'],
  ...['ip-address-in-range', 'ip-address-not-in-range'],
])

/** @throws EventError `PATTERN_INVALID`. */
export function parsePattern(pattern: unknown): readonly Alternative[] {
  const value = typeof pattern === 'string' ? parseText(pattern) : pattern
  if (!isObject(value)) throw invalid('', 'The pattern must be a JSON object')
  try {
    return new Reading({ withOr: true }).read(value)
  } catch (error) {
    return readPlainly(value, error as EventError)
  }
}

/** A pattern that is invalid as it stands may still be one where `$or` is the name of a field. */
function readPlainly(value: object, reason: EventError): readonly Alternative[] {
  try {
    return new Reading({ withOr: false }).read(value)
  } catch {
    // Why it is no pattern with `$or` tells more than why it is none without.
    throw reason
  }
}

/** By path, each name in JSON: no two paths are written alike. */
type Fields = Map<string, Field>

class Reading {
  readonly #withOr: boolean
  #tests = 0

  constructor({ withOr }: { withOr: boolean }) {
    this.#withOr = withOr
  }

  read(pattern: object): readonly Alternative[] {
    const alternatives = this.#object(pattern, [], { into: [new Map()], path: '', inOr: false })
    return alternatives.map((fields) => [...fields.values()].sort(byPath))
  }

  #object(
    object: object,
    names: readonly string[],
    { into, path, inOr }: { into: readonly Fields[]; path: string; inOr: boolean },
  ): readonly Fields[] {
    if (names.length >= depthMax) throw invalid(path, `nested deeper than ${depthMax} objects`)
    const members = membersOf(object)
    if (members.length === 0) throw invalid(path, path === '' ? 'The pattern is empty' : 'must not be empty')
    let alternatives = into
    for (const [name, value] of members) {
      const at = path === '' ? name : `${path}.${name}`
      if (name === '$or' && this.#withOr) {
        alternatives = this.#or(value, names, { into: alternatives, path: at })
        continue
      }
      if (inOr && reserved.has(name))
        throw invalid(at, 'an operator cannot be the name of a field inside $or')
      const below = [...names, name]
      if (isObject(value)) alternatives = this.#object(value, below, { into: alternatives, path: at, inOr })
      else this.#field(value, below, { into: alternatives, path: at })
    }
    return alternatives
  }

  #or(
    value: unknown,
    names: readonly string[],
    { into, path }: { into: readonly Fields[]; path: string },
  ): readonly Fields[] {
    if (!Array.isArray(value)) throw invalid(path, 'must be a list of objects')
    const alternatives: Fields[] = []
    value.forEach((entry: unknown, index) => {
      const at = `${path}[${index}]`
      if (!isObject(entry)) throw invalid(at, 'must be an object')
      for (const fields of into) this.#count(fields.size, path)
      const copies = into.map((fields) => new Map(fields))
      alternatives.push(...this.#object(entry, names, { into: copies, path: at, inOr: true }))
      if (alternatives.length > alternativesMax) {
        throw invalid(path, `makes more than ${alternativesMax} combinations`)
      }
    })
    if (value.length < 2) throw invalid(path, 'must have at least two objects')
    return alternatives
  }

  #field(
    value: unknown,
    names: readonly string[],
    { into, path }: { into: readonly Fields[]; path: string },
  ): void {
    if (!Array.isArray(value)) throw invalid(path, 'must be an object or a list')
    if (value.length === 0) throw invalid(path, 'must not be an empty list')
    this.#count(value.length * into.length, path)
    const tests = value.map((entry: unknown, index) => parseEntry(entry, `${path}[${index}]`))
    const key = JSON.stringify(names)
    for (const fields of into) fields.set(key, { names, tests })
  }

  /** Alternatives repeat what stands outside `$or`: a short pattern could take much memory. */
  #count(more: number, path: string): void {
    this.#tests += more
    if (this.#tests > testsMax) {
      throw invalid(path, `the pattern has more than ${testsMax} values in all its combinations`)
    }
  }
}

function byPath(one: Field, other: Field): number {
  const [a, b] = [one.names.join('.'), other.names.join('.')]
  return a < b ? -1 : a > b ? 1 : 0
}
