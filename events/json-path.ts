/**
 * A path into JSON: `$.customer.id`, `$.lines[0].sku`, `$.lines[*].sku`, `$["any name"]` or `$['any name']`.
 *
 * `[*]` stands for every element, so a path may lead to several values. Only an object's own members are
 * looked at: `$.constructor` leads nowhere unless somebody published one.
 */
import { elementText, memberText } from './json-text.ts'

type Step = { readonly member: string } | { readonly index: number } | 'every'
export type JsonPath = readonly Step[]

/**
 * Reads the path at the beginning of a text, up to the first character that can be no part of it.
 *
 * @throws TypeError that names the place of the mistake.
 */
export function parsePath(text: string): { readonly path: JsonPath; readonly end: number } {
  if (!text.startsWith('$')) throw mistake(text, 0, 'a path begins with $')
  const path: Step[] = []
  let end = 1
  while (text[end] === '.' || text[end] === '[') {
    const rest = text.slice(end)
    const found = named.exec(rest) ?? numbered.exec(rest) ?? quoted.exec(rest) ?? singleQuoted.exec(rest)
    if (found === null) throw mistake(text, end + 1, expected[text[end]!]!)
    path.push(stepOf(found, () => mistake(text, end + 1, 'this name is no JSON text')))
    end += found[0].length
  }
  return { path, end }
}

const named = /^\.(?<name>[\p{L}_][\p{L}\p{N}_-]*)/u
const numbered = /^\[(?<index>\d{1,9}|\*)\]/
const quoted = /^\[(?<text>"(?:[^"\\]|\\.)*")\]/
const singleQuoted = /^\['(?<single>(?:[^'\\]|\\['\\])*)'\]/
const expected: Readonly<Record<string, string>> = {
  '.': 'expected a name; one of other characters than letters, digits, _ and - is written ["like this"]',
  '[': 'expected [0], [*] or ["name"]',
}

function stepOf({ groups = {} }: RegExpExecArray, refuse: () => TypeError): Step {
  const { name, index, text, single } = groups
  if (name !== undefined) return { member: name }
  if (single !== undefined) return { member: single.replace(/\\(.)/g, '$1') }
  if (index !== undefined) return index === '*' ? 'every' : { index: Number(index) }
  try {
    return { member: JSON.parse(text!) as string }
  } catch {
    throw refuse()
  }
}

/** A caller's mistake in a text, with its place, counted from 1. */
export function mistake(text: string, at: number, what: string): TypeError {
  return new TypeError(`In ${text} at character ${at + 1}: ${what}`)
}

/** Whether a path may lead to several values. */
export function isPlural(path: JsonPath): boolean {
  return path.includes('every')
}

/**
 * The JSON of what a path leads to, as it is written in a text: `$.id` in `{"id": 12345678901234567890}` with
 * every digit. Undefined where it leads nowhere, or is plural.
 *
 * @param text - Known to be JSON.
 */
export function textAt(path: JsonPath, text: string): string | undefined {
  let found: string | undefined = text.trim()
  for (const step of path) {
    if (step === 'every' || found === undefined) return undefined
    if ('member' in step) found = found.startsWith('{') ? memberText(found, step.member) : undefined
    else found = found.startsWith('[') ? elementText(found, step.index) : undefined
  }
  return found
}

/** What a path leads to: no value, one, or with `[*]` several. */
export function valuesAt(path: JsonPath, data: unknown): readonly unknown[] {
  let values: unknown[] = [data]
  for (const step of path) {
    const next: unknown[] = []
    for (const value of values) take(step, value, next)
    if (next.length === 0) return next
    values = next
  }
  return values
}

function take(step: Step, value: unknown, into: unknown[]): void {
  if (Array.isArray(value)) {
    if (step === 'every') for (const element of value) into.push(element)
    else if ('index' in step && step.index < value.length) into.push(value[step.index])
    return
  }
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return
  if (step !== 'every' && 'member' in step && Object.hasOwn(value, step.member)) {
    into.push((value as Readonly<Record<string, unknown>>)[step.member])
  }
}
