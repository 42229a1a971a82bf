/**
 * Reads one entry of a field's list: a value, or an object with one operator.
 *
 * What EventBridge refuses is refused, with the path to the mistake.
 */
import { invalid } from './invalid.ts'
import { BlockError, blockOf } from './ip-address.ts'
import { isObject } from './json-object.ts'
import { membersOf } from './parse-text.ts'
import type { Bound, TextForm, ValueTest } from './value-test.ts'
import { WildcardError, wildcardParts } from './wildcard.ts'

/** @throws EventError `PATTERN_INVALID`. */
export function parseEntry(entry: unknown, path: string): ValueTest {
  if (entry === null || typeof entry === 'string' || typeof entry === 'boolean') {
    return { is: 'exact', value: entry }
  }
  if (typeof entry === 'number') return { is: 'exact', value: finite(entry, path) }
  if (!isObject(entry)) throw invalid(path, 'must be a text, a number, true, false, null or an operator')
  const [operator, operand] = onlyMember(entry, path)
  const at = `${path}.${operator}`
  switch (operator) {
    case 'exactly':
      return { is: 'exact', value: text(operand, at) }
    case 'prefix':
    case 'suffix':
      if (!isObject(operand)) return { is: 'text', form: operator, text: text(operand, at) }
      return {
        is: 'text',
        form: `${operator}-ignore-case`,
        text: text(memberOf(operand, 'equals-ignore-case', at), `${at}.equals-ignore-case`),
      }
    case 'equals-ignore-case':
      return { is: 'text', form: operator, text: text(operand, at) }
    case 'wildcard':
      return { is: 'text', form: operator, text: wildcard(operand, at) }
    case 'anything-but':
      return anythingBut(operand, at)
    case 'numeric':
      return numeric(operand, at)
    case 'cidr':
      return cidr(operand, at)
    case 'exists':
      if (typeof operand !== 'boolean') throw invalid(at, 'must be true or false')
      return { is: 'exists', exists: operand }
    default:
      throw invalid(path, `there is no operator ${JSON.stringify(operator)}`)
  }
}

function onlyMember(object: object, path: string): readonly [string, unknown] {
  const members = membersOf(object)
  if (members.length !== 1) throw invalid(path, `must have one operator, and has ${members.length}`)
  return members[0]!
}

function memberOf(object: object, wanted: string, path: string): unknown {
  const [name, value] = onlyMember(object, path)
  if (name !== wanted) throw invalid(path, `takes ${JSON.stringify(wanted)}, not ${JSON.stringify(name)}`)
  return value
}

function text(value: unknown, path: string): string {
  if (typeof value !== 'string') throw invalid(path, 'must be a text')
  return value
}

/** A number beyond a double's range has been parsed to infinity: what it was cannot be told. */
function finite(value: number, path: string): number {
  if (!Number.isFinite(value)) throw invalid(path, 'is a number too large to compare')
  return value
}

function wildcard(value: unknown, path: string): string {
  const pattern = text(value, path)
  try {
    wildcardParts(pattern)
  } catch (error) {
    if (error instanceof WildcardError) throw invalid(path, error.message)
    throw error
  }
  return pattern
}

const negatable: readonly string[] = ['prefix', 'suffix', 'equals-ignore-case', 'wildcard']

function anythingBut(operand: unknown, path: string): ValueTest {
  if (isObject(operand)) {
    const [name, value] = onlyMember(operand, path)
    if (!negatable.includes(name)) {
      throw invalid(
        path,
        `takes ${negatable.join(', ')}, a text, a number or a list, not ${JSON.stringify(name)}`,
      )
    }
    const at = `${path}.${name}`
    const form = name as TextForm
    return { is: 'anything-but-text', form, texts: listOf(value, at).map((one) => refusedText(form, one)) }
  }
  const values = listOf(operand, path).map(({ value, at }) => {
    if (typeof value === 'number') return finite(value, at)
    if (typeof value === 'string') return value
    throw invalid(at, 'must be a text or a number')
  })
  if (values.some((value) => typeof value !== typeof values[0])) {
    throw invalid(path, 'must have only texts or only numbers')
  }
  return { is: 'anything-but', values }
}

interface Entry {
  readonly value: unknown
  readonly at: string
}

/** One value may stand without its list. */
function listOf(operand: unknown, path: string): readonly Entry[] {
  if (!Array.isArray(operand)) return [{ value: operand, at: path }]
  if (operand.length === 0) throw invalid(path, 'must not be an empty list')
  return operand.map((value: unknown, index) => ({ value, at: `${path}[${index}]` }))
}

function refusedText(form: TextForm, { value, at }: Entry): string {
  if (form === 'wildcard') return wildcard(value, at)
  const refused = text(value, at)
  if (refused === '' && form !== 'equals-ignore-case') {
    throw invalid(at, 'must not be empty: every text begins and ends with the empty one')
  }
  return refused
}

function numeric(operand: unknown, path: string): ValueTest {
  if (!Array.isArray(operand)) throw invalid(path, 'must be a list such as [">", 0, "<=", 5]')
  const [operator, first, second, top, ...more] = operand as unknown[]
  if (typeof operator !== 'string' || !['=', '<', '<=', '>', '>='].includes(operator)) {
    throw invalid(`${path}[0]`, 'must be one of =, <, <=, > and >=')
  }
  const value = number(first, `${path}[1]`)
  const bound: Bound = { value, inclusive: operator.endsWith('=') }
  const hasTwo = operand.length > 2
  if (hasTwo && !operator.startsWith('>'))
    throw invalid(path, `takes nothing behind ${operator} and its number`)
  if (operator === '=') return { is: 'numeric', low: bound, high: bound }
  if (operator.startsWith('<')) return { is: 'numeric', low: undefined, high: bound }
  if (!hasTwo) return { is: 'numeric', low: bound, high: undefined }
  if (second !== '<' && second !== '<=') throw invalid(`${path}[2]`, 'must be < or <=')
  const high: Bound = { value: number(top, `${path}[3]`), inclusive: second === '<=' }
  if (more.length > 0) throw invalid(path, 'takes at most two bounds')
  if (high.value <= value)
    throw invalid(path, `the lower bound ${value} must be below the upper ${high.value}`)
  return { is: 'numeric', low: bound, high }
}

function number(value: unknown, path: string): number {
  if (typeof value !== 'number') throw invalid(path, 'must be a number')
  return finite(value, path)
}

function cidr(operand: unknown, path: string): ValueTest {
  const written = text(operand, path)
  try {
    return { is: 'cidr', block: blockOf(written), text: written }
  } catch (error) {
    if (error instanceof BlockError) throw invalid(path, error.message)
    throw error
  }
}
