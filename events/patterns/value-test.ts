/**
 * A value test: what one value of a field may be, as a pattern says it, and the function that it becomes.
 *
 * A field has a list of them and matches where one of its values passes one of them. Operators on texts
 * never match a number, and `numeric` never a text: `"5"` and `5` are different values.
 */
import { endsIgnoringCase, equalsIgnoringCase, startsIgnoringCase } from './ignore-case.ts'
import { type Block, blockTest } from './ip-address.ts'
import { wildcardParts, wildcardTest } from './wildcard.ts'

/** A value with nothing in it: what a field is compared by. */
export type Scalar = string | number | boolean | null

/** `equals-ignore-case` stands alone and within `prefix`, `suffix` and `anything-but`. */
export type TextForm =
  | 'prefix'
  | 'suffix'
  | 'equals-ignore-case'
  | 'prefix-ignore-case'
  | 'suffix-ignore-case'
  | 'wildcard'

export interface Bound {
  readonly value: number
  readonly inclusive: boolean
}

export type ValueTest =
  | { readonly is: 'exact'; readonly value: Scalar }
  | { readonly is: 'text'; readonly form: TextForm; readonly text: string }
  | { readonly is: 'anything-but'; readonly values: readonly (string | number)[] }
  | { readonly is: 'anything-but-text'; readonly form: TextForm; readonly texts: readonly string[] }
  | { readonly is: 'numeric'; readonly low: Bound | undefined; readonly high: Bound | undefined }
  | { readonly is: 'cidr'; readonly block: Block; readonly text: string }
  | { readonly is: 'exists'; readonly exists: boolean }

type Accepts = (value: Scalar) => boolean

/** Whether a value passes one of the tests. `exists: false` is about no value, so that none passes it. */
export function acceptsOneOf(tests: readonly ValueTest[]): Accepts {
  const exact = new Set<Scalar>()
  const others: Accepts[] = []
  for (const test of tests) {
    if (test.is === 'exact') exact.add(test.value)
    else if (test.is !== 'exists') others.push(acceptsOf(test))
    else if (test.exists) return () => true
  }
  if (others.length === 0) {
    const [only] = exact
    if (exact.size === 1 && only !== undefined) return (value) => value === only
    return (value) => exact.has(value)
  }
  if (exact.size > 0) others.unshift((value) => exact.has(value))
  const [first, second] = others
  if (second === undefined) return first!
  return (value) => {
    for (let index = 0; index < others.length; index++) if (others[index]!(value)) return true
    return false
  }
}

function acceptsOf(test: Exclude<ValueTest, { is: 'exact' | 'exists' }>): Accepts {
  switch (test.is) {
    case 'text':
      return ifText(textTest(test.form, test.text))
    case 'anything-but': {
      const values = new Set<Scalar>(test.values)
      return (value) => !values.has(value)
    }
    case 'anything-but-text': {
      const refused = test.texts.map((text) => textTest(test.form, text))
      return (value) => typeof value !== 'string' || !refused.some((matches) => matches(value))
    }
    case 'numeric':
      return numericTest(test)
    case 'cidr':
      return ifText(blockTest(test.block))
  }
}

function ifText(matches: (text: string) => boolean): Accepts {
  return (value) => typeof value === 'string' && matches(value)
}

function textTest(form: TextForm, wanted: string): (text: string) => boolean {
  switch (form) {
    case 'prefix':
      return (text) => text.startsWith(wanted)
    case 'suffix':
      return (text) => text.endsWith(wanted)
    case 'equals-ignore-case':
      return equalsIgnoringCase(wanted)
    case 'prefix-ignore-case':
      return startsIgnoringCase(wanted)
    case 'suffix-ignore-case':
      return endsIgnoringCase(wanted)
    case 'wildcard':
      return wildcardTest(wildcardParts(wanted))
  }
}

/** JSON may hold a number beyond a double's range, which parses to infinity: that compares with nothing. */
function numericTest({ low, high }: { low: Bound | undefined; high: Bound | undefined }): Accepts {
  const least = low?.value ?? -Number.MAX_VALUE
  const most = high?.value ?? Number.MAX_VALUE
  const withLeast = low?.inclusive ?? true
  const withMost = high?.inclusive ?? true
  return (value) =>
    typeof value === 'number' &&
    (value > least || (withLeast && value === least)) &&
    (value < most || (withMost && value === most))
}
