/**
 * Why an event matches a pattern or not.
 *
 * Each field is judged alone first. Where all pass and the event still does not match, their values stand
 * in different elements of an array, and that is said.
 */

import { type CompiledAlternative, isScalar } from './field-tree.ts'
import { isObject } from './json-object.ts'
import { matchesTree, refuseDeep } from './match-tree.ts'
import type { Field } from './parse.ts'
import { acceptsOneOf, type Scalar, type ValueTest } from './value-test.ts'

export interface PatternFinding {
  /** The field's names joined by dots, such as `detail.price`; empty for the event as a whole. */
  readonly path: string
  readonly matched: boolean
  /** What matched or why nothing did, for a person to read. */
  readonly reason: string
  /** Which combination of `$or` entries this is about, from 1; 1 without `$or`. */
  readonly alternative: number
}

export function explainAlternatives(
  alternatives: readonly CompiledAlternative[],
  event: unknown,
): readonly PatternFinding[] {
  if (!isObject(event)) {
    const reason = `the event is ${kindOf(event)}, not an object`
    return alternatives.map((_, index) => ({ path: '', matched: false, reason, alternative: index + 1 }))
  }
  const failed: PatternFinding[] = []
  for (const [index, { fields, tree }] of alternatives.entries()) {
    const findings = fields.map((field) => ({ ...explainField(field, event), alternative: index + 1 }))
    if (matchesTree(tree, event)) return findings.map(asPartOfMatch)
    failed.push(...findings)
    if (findings.every(({ matched }) => matched)) {
      const reason = 'each field matches, but in different elements of one array'
      failed.push({ path: '', matched: false, reason, alternative: index + 1 })
    }
  }
  return failed
}

/** In an array, `exists: false` may be about one element only, while others have the field. */
function asPartOfMatch(finding: PatternFinding): PatternFinding {
  if (finding.matched) return finding
  const reason = 'it is missing from the element in which the fields before it matched'
  return { ...finding, matched: true, reason }
}

function explainField({ names, tests }: Field, event: object): Omit<PatternFinding, 'alternative'> {
  const path = names.join('.')
  const found: Found = { values: [], containers: new Set() }
  collect(event, names, found)
  const accepts = acceptsOneOf(tests)
  const matching = found.values.find((value) => accepts(value))
  if (matching !== undefined)
    return { path, matched: true, reason: `${shown(matching)} is ${passedBy(tests, matching)}` }
  const mayBeMissing = tests.some((test) => test.is === 'exists' && !test.exists)
  const there = thereText(found)
  if (found.values.length === 0 && mayBeMissing) return { path, matched: true, reason: there }
  return { path, matched: false, reason: `expected ${tests.map(wantedText).join(' or ')}; ${there}` }
}

interface Found {
  readonly values: Scalar[]
  /** What stands where a value was looked for and holds none. */
  readonly containers: Set<string>
}

function collect(value: unknown, names: readonly string[], found: Found, nesting = 0): void {
  if (Array.isArray(value)) {
    refuseDeep(nesting + 1)
    if (value.length === 0 && names.length === 0) found.containers.add('an empty array')
    for (const element of value) collect(element, names, found, nesting + 1)
    return
  }
  const [name, ...below] = names
  if (name === undefined) {
    if (isScalar(value)) found.values.push(value)
    else if (isObject(value)) found.containers.add('an object')
  } else if (isObject(value) && Object.hasOwn(value, name)) collect(value[name], below, found)
}

function thereText({ values, containers }: Found): string {
  const kinds = [...values.slice(0, shownMax).map(shown), ...containers]
  if (kinds.length === 0) return 'the event has no such field'
  const more = values.length - shownMax
  return `the event has ${kinds.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

const shownMax = 5
const textMax = 100

function shown(value: Scalar): string {
  const text = JSON.stringify(value)
  return text.length <= textMax ? text : `${text.slice(0, textMax)}…`
}

function passedBy(tests: readonly ValueTest[], value: Scalar): string {
  const test = tests.find((one) => acceptsOneOf([one])(value))!
  return test.is === 'exact' ? 'in the list' : wantedText(test)
}

function wantedText(test: ValueTest): string {
  switch (test.is) {
    case 'exact':
      return shown(test.value)
    case 'text':
      return `${test.form} ${shown(test.text)}`
    case 'anything-but':
      return `anything-but ${test.values.map(shown).join(', ')}`
    case 'anything-but-text':
      return `anything-but ${test.form} ${test.texts.map(shown).join(', ')}`
    case 'numeric':
      return `numeric ${boundsText(test)}`
    case 'cidr':
      return `cidr ${test.text}`
    case 'exists':
      return test.exists ? 'a value' : 'no value'
  }
}

function boundsText({ low, high }: Extract<ValueTest, { is: 'numeric' }>): string {
  if (low !== undefined && low === high) return `= ${low.value}`
  const bounds: string[] = []
  if (low !== undefined) bounds.push(`${low.inclusive ? '>=' : '>'} ${low.value}`)
  if (high !== undefined) bounds.push(`${high.inclusive ? '<=' : '<'} ${high.value}`)
  return bounds.join(' ')
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`
}
