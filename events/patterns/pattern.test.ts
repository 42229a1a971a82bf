import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compilePattern, compilePatterns, type Pattern } from '../index.ts'

const nested = (levels: number, inner: unknown = 'x') => {
  let value = inner
  for (let level = 0; level < levels; level++) value = [value]
  return value
}

test('a pattern tells the texts that it requires of a top-level field, of all combinations of $or', () => {
  const requires = (pattern: unknown) => compilePattern(pattern).requires('type')
  assert.deepEqual(requires({ type: ['a', 'b', 'a'] }), ['a', 'b'])
  assert.deepEqual(requires({ type: ['a'], $or: [{ x: [1] }, { y: [1] }] }), ['a'])
  assert.deepEqual(requires({ $or: [{ type: ['a'] }, { type: ['b'], x: [1] }] }), ['a', 'b'])
  assert.deepEqual(requires({ type: ['a'], $or: [{ type: ['b'] }, { x: [1] }] }), ['b', 'a'])
  for (const limitless of [
    { x: ['a'] },
    { data: { type: ['a'] } },
    { type: ['a', { prefix: 'b' }] },
    { type: ['a', 5] },
    { type: ['a', null] },
    { type: ['a', { exists: false }] },
    { $or: [{ type: ['a'] }, { x: [1] }] },
  ]) {
    assert.equal(requires(limitless), undefined, JSON.stringify(limitless))
  }
})

test('a number beyond a double compares with nothing but what refuses a value', () => {
  const event: unknown = JSON.parse('{"a":1e999}')
  const matches = (test: unknown) => compilePattern({ a: [test] }).matches(event)
  assert.equal(matches({ numeric: ['>', 0] }), false)
  assert.equal(compilePattern({ a: [{ numeric: ['<', 0] }] }).matches(JSON.parse('{"a":-1e999}')), false)
  assert.equal(matches({ 'anything-but': 5 }), true)
  assert.equal(matches({ exists: true }), true)
})

test('arrays deep in each other are looked into, and refused beyond 1,000 instead of breaking the stack', () => {
  const tooDeep = { name: 'EventError', code: 'EVENT_TOO_DEEP' }
  const patterns = [
    compilePattern({ a: ['x'] }),
    compilePattern({ a: ['x', { exists: false }] }),
    compilePattern({ a: ['x'], $or: [{ a: { b: [1] } }, { c: [{ exists: false }] }] }),
  ]
  for (const pattern of patterns) {
    assert.equal(pattern.matches({ a: nested(1_000) }), true)
    assert.equal(compilePatterns([pattern]).match({ a: nested(1_000) }).length, 1)
    for (const levels of [1_001, 100_000]) {
      assert.throws(() => pattern.matches({ a: nested(levels) }), tooDeep)
      assert.throws(() => pattern.explain({ a: nested(levels) }), tooDeep)
      assert.throws(() => compilePatterns([pattern]).match({ a: nested(levels) }), tooDeep)
    }
    assert.equal(pattern.matches({ a: 'x', b: nested(100_000) }), true)
  }
})

test('a pattern that would take too much is refused', () => {
  const refused = (pattern: unknown, message: RegExp) =>
    assert.throws(() => compilePattern(pattern), { code: 'PATTERN_INVALID', message })
  let deep: unknown = ['x']
  for (let level = 0; level < 101; level++) deep = { a: deep }
  refused(deep, /nested deeper than 100 objects$/)
  refused({ a: Array.from({ length: 100_001 }, (_, index) => index) }, /^a: .* more than 100000 values/)
  const fields = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`f${index}`, ['x']]))
  const $or = Array.from({ length: 1_000 }, (_, index) => ({ [`o${index}`]: ['x'] }))
  refused({ ...fields, $or }, /^\$or: .* more than 100000 values in all its combinations$/)
  refused(`{"a":["${'x'.repeat(1_048_576)}"]}`, /longer than 1048576 characters/)
  refused(`{"a":${'['.repeat(100_000)}`, /^The pattern is no JSON/)
  refused(`{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, /^The pattern is nested deeper than/)
  refused(`{"a":${'{"a":'.repeat(99)}["x",[]]}${'}'.repeat(99)}`, /\[1\]: must be a text/)
})

test('many wildcards take no longer than few, whatever they are matched with', () => {
  const pattern = compilePattern({ a: [{ wildcard: `${'*a'.repeat(1_000)}*b` }] })
  const started = performance.now()
  assert.equal(pattern.matches({ a: 'a'.repeat(100_000) }), false)
  assert.ok(performance.now() - started < 1_000)
})

test('sets of patterns may be longer in fields than any event, and name each pattern once', () => {
  const patterns = Array.from({ length: 50 }, (_, index) => compilePattern({ [`f${index}`]: ['x', 'y'] }))
  const rules = compilePatterns([...patterns, compilePattern({ f3: [{ prefix: 'x' }], f7: ['y'] })])
  assert.deepEqual(rules.match({ f7: ['y', 'x', 'y'], other: 'x', f3: 'x' }), [3, 7, 50])
  assert.deepEqual(rules.match({ other: 'x' }), [])
  assert.deepEqual(compilePatterns([]).match({ a: 1 }), [])
})

test('of ten thousand rules only those are looked at whose exact value the event has', () => {
  const patterns = Array.from({ length: 10_000 }, (_, index) =>
    compilePattern({ app: ['shop'], id: [`EC-${index}`], amount: [{ numeric: ['>', 0] }] }),
  )
  let looks = 0
  const event = {
    app: 'shop',
    id: 'EC-4711',
    get amount() {
      looks += 1
      return 5
    },
  }
  assert.deepEqual(compilePatterns(patterns).match(event), [4_711])
  assert.equal(looks, 1)
})

test('a rule set takes compiled patterns only', () => {
  const raw = { a: ['x'] } as unknown as Pattern
  assert.throws(() => compilePatterns([raw]), { name: 'TypeError', message: /`patterns\[0\]`/ })
})

test('a field that is missing from the one element that counts is explained so', () => {
  const pattern = compilePattern({ items: { sku: ['A'], void: [{ exists: false }] } })
  const findings = pattern.explain({ items: [{ sku: 'B', void: 1 }, { sku: 'A' }] })
  assert.deepEqual(
    findings.map(({ path, matched, reason }) => [path, matched, reason]),
    [
      ['items.sku', true, '"A" is in the list'],
      ['items.void', true, 'it is missing from the element in which the fields before it matched'],
    ],
  )
})

test('an explanation shortens what is long and names five values at most', () => {
  const [finding] = compilePattern({ a: ['x'] }).explain({ a: ['y'.repeat(1_000), 1, 2, 3, 4, 5, 6, {}] })
  assert.match(finding!.reason, /^expected "x"; the event has "y{99}…, 1, 2, 3, 4, an object and 2 more$/)
  const [none] = compilePattern({ a: ['x'] }).explain({})
  assert.equal(none!.reason, 'expected "x"; the event has no such field')
  const [whole] = compilePattern({ a: ['x'] }).explain([])
  assert.deepEqual(whole, {
    path: '',
    matched: false,
    reason: 'the event is an array, not an object',
    alternative: 1,
  })
})
