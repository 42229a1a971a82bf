/**
 * A condition on the JSON in a body: `$.customer.id=42`, `$.order.total>100`, `$.lines[*].sku="A-1"`,
 * `$.coupon exists`.
 *
 * The value is JSON, or else text as it stands. What is written bare, `42`, equals the number and the text
 * of these characters; in quotes only the text. `<`, `<=`, `>` and `>=` compare a number with numbers and a
 * text with texts, character by character, as suits ISO times. Where a path leads to several values one of
 * them must pass; `!=` is the opposite of `=`, so it holds too where the path leads nowhere.
 */
import { type JsonPath, mistake, parsePath, valuesAt } from '../../events/index.ts'

export interface Condition {
  readonly path: JsonPath
  readonly test: Test
}

type Test =
  | { readonly operator: 'exists' }
  | { readonly operator: '=' | '!='; readonly value: unknown; readonly bare: string | undefined }
  | { readonly operator: '<' | '<=' | '>' | '>='; readonly value: number | string }

/** @throws TypeError that names the place of the mistake. */
export function parseCondition(text: string): Condition {
  const { path, end } = parsePath(text)
  const rest = text.slice(end)
  if (/^\s+exists\s*$/.test(rest)) return { path, test: { operator: 'exists' } }
  const [before, operator] = /^\s*(!=|<=|>=|=|<|>)/.exec(rest) ?? []
  if (operator === undefined) {
    const found = end + (/^\s*/.exec(rest)?.[0].length ?? 0)
    throw mistake(text, found, 'expected =, !=, <, <=, >, >= or the word exists')
  }
  const written = rest.slice(before!.length)
  const at = end + before!.length + written.length - written.trimStart().length
  return {
    path,
    test: testOf(operator as Test['operator'], written.trim(), (what) => mistake(text, at, what)),
  }
}

function testOf(operator: Test['operator'], written: string, refuse: (what: string) => TypeError): Test {
  if (written === '') throw refuse(`expected a value behind ${operator}; an empty text is written ""`)
  if (written.startsWith('=')) throw refuse('expected a value: equal is written with one =')
  const value = literalOf(written, refuse)
  if (operator === 'exists') return { operator }
  if (operator === '=' || operator === '!=') {
    return { operator, value, bare: typeof value === 'string' ? undefined : written }
  }
  if (typeof value === 'number' || typeof value === 'string') return { operator, value }
  throw refuse(`${operator} compares numbers and texts`)
}

function literalOf(written: string, refuse: (what: string) => TypeError): unknown {
  try {
    const value = JSON.parse(written) as unknown
    if (typeof value !== 'object' || value === null) return value
  } catch {
    if (!/^["[{]/.test(written)) return written
  }
  throw refuse('expected a number, true, false, null or a text')
}

/** Whether it holds for what a body has decoded to. */
export function holds({ path, test }: Condition, data: unknown): boolean {
  const values = valuesAt(path, data)
  switch (test.operator) {
    case 'exists':
      return values.length > 0
    case '=':
      return values.some((value) => equals(value, test))
    case '!=':
      return !values.some((value) => equals(value, test))
    default:
      return values.some((value) => typeof value === typeof test.value && compares(value as string, test))
  }
}

function equals(found: unknown, { value, bare }: { value: unknown; bare: string | undefined }): boolean {
  return found === value || (bare !== undefined && found === bare)
}

function compares(
  found: number | string,
  { operator, value }: { operator: '<' | '<=' | '>' | '>='; value: number | string },
): boolean {
  switch (operator) {
    case '<':
      return found < value
    case '<=':
      return found <= value
    case '>':
      return found > value
    case '>=':
      return found >= value
  }
}
