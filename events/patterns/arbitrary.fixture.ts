/** Patterns and events out of so few names and values that they often match. */
import fc from 'fast-check'

const names = ['a', 'a', 'a', 'b', 'b', 'constructor'] as const
const texts = ['', 'x', 'xy', 'yx', 'X', 'Xy', 'a*', 'x\\', '10.0.0.1', '10.0.0.9', '10.1.0.1'] as const
const numbers = [0, 1, 1.5, 2, -3] as const
const wildcards = ['*', 'x*', '*x', '*y*', 'x*y', 'x', 'a\\*', '*\\\\', ''] as const

const name = fc.constantFrom(...names)
const text = fc.constantFrom(...texts)
const someText = fc.constantFrom(...texts.filter((one) => one !== ''))
const number = fc.constantFrom(...numbers)
const scalar = fc.oneof(text, number, fc.boolean(), fc.constant(null))

const oneOrMore = <Value>(value: fc.Arbitrary<Value>) =>
  fc.oneof(value, fc.array(value, { minLength: 1, maxLength: 2 }))

const bounds = fc.oneof(
  fc.tuple(fc.constantFrom('=', '<', '<=', '>', '>='), number),
  fc
    .tuple(fc.constantFrom('>', '>='), number, fc.constantFrom('<', '<='), number)
    .filter(([, low, , high]) => low < high),
)
const test = fc.oneof(
  { arbitrary: scalar, weight: 4 },
  fc.record({ prefix: text }),
  fc.record({ suffix: text }),
  fc.record({ prefix: fc.record({ 'equals-ignore-case': text }) }),
  fc.record({ suffix: fc.record({ 'equals-ignore-case': text }) }),
  fc.record({ 'equals-ignore-case': text }),
  fc.record({ wildcard: fc.constantFrom(...wildcards) }),
  fc.record({ numeric: bounds }),
  fc.record({ cidr: fc.constantFrom('10.0.0.0/24', '10.0.0.0/30', '0.0.0.0/0') }),
  { arbitrary: fc.record({ exists: fc.boolean() }), weight: 3 },
  fc.record({ 'anything-but': fc.oneof(oneOrMore(text), oneOrMore(number)) }),
  fc.record({ 'anything-but': fc.record({ prefix: oneOrMore(someText) }) }),
  fc.record({ 'anything-but': fc.record({ suffix: oneOrMore(someText) }) }),
  fc.record({ 'anything-but': fc.record({ 'equals-ignore-case': oneOrMore(text) }) }),
  fc.record({ 'anything-but': fc.record({ wildcard: oneOrMore(fc.constantFrom(...wildcards)) }) }),
)
const field = fc.array(test, { minLength: 1, maxLength: 2 })

/** Of so many levels below, with `$or` in so many of them: combinations multiply. */
function objectOf(levels: number, ors: number): fc.Arbitrary<Record<string, unknown>> {
  const below = levels <= 0 ? field : fc.oneof({ arbitrary: field, weight: 2 }, objectOf(levels - 1, ors - 1))
  const fields = (minKeys: number) =>
    fc.dictionary(name, below, { minKeys, maxKeys: 3, noNullPrototype: true })
  if (ors <= 0) return fields(1)
  const or = fc.array(objectOf(levels - 1, ors - 1), { minLength: 2, maxLength: 3 })
  return fc.oneof(
    { arbitrary: fields(1), weight: 2 },
    fc.tuple(fields(0), or).map(([others, $or]) => ({ ...others, $or })),
    fc.tuple(fields(1), or).map(([others, $or]) => ({ $or, ...others })),
  )
}

/** A valid pattern. */
export const patternArbitrary = objectOf(2, 2)

const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { arbitrary: scalar, weight: 2 },
    { arbitrary: fc.array(tie('value'), { maxLength: 3 }), weight: 2 },
    { arbitrary: fc.dictionary(name, tie('value'), { maxKeys: 3, noNullPrototype: true }), weight: 2 },
  ),
}))

/** Mostly an object. */
export const eventArbitrary: fc.Arbitrary<unknown> = fc.oneof(
  { arbitrary: fc.dictionary(name, value, { minKeys: 1, noNullPrototype: true }), weight: 20 },
  value,
)
