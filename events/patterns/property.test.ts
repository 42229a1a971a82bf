import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { eventArbitrary, patternArbitrary } from './arbitrary.fixture.ts'
import { compilePattern } from './pattern.ts'
import { referenceMatches } from './reference.fixture.ts'
import { compilePatterns } from './rule-set.ts'

test('a compiled pattern matches what trying every choice of values matches', () => {
  let matched = 0
  fc.assert(
    fc.property(patternArbitrary, eventArbitrary, (pattern, event) => {
      const expected = referenceMatches(pattern, event)
      matched += Number(expected)
      assert.equal(compilePattern(pattern).matches(event), expected)
      const text = JSON.stringify(pattern, undefined, 1)
      assert.equal(compilePattern(text).matches(event), expected, 'as text')
    }),
    { numRuns: 5_000 },
  )
  assert.ok(matched > 300, `only ${matched} of the random pairs matched`)
})

test('a rule set gives the places of the patterns that match, in order', () => {
  fc.assert(
    fc.property(
      fc.array(patternArbitrary, { maxLength: 8 }),
      fc.array(eventArbitrary, { maxLength: 3 }),
      (raw, events) => {
        const patterns = raw.map(compilePattern)
        const rules = compilePatterns(patterns)
        for (const event of events) {
          const expected = patterns.flatMap((pattern, place) => (pattern.matches(event) ? [place] : []))
          assert.deepEqual(rules.match(event), expected)
        }
      },
    ),
    { numRuns: 1_000 },
  )
})

test('an explanation has an alternative whose findings all matched exactly where the event matches', () => {
  fc.assert(
    fc.property(patternArbitrary, eventArbitrary, (raw, event) => {
      const pattern = compilePattern(raw)
      const findings = pattern.explain(event)
      const alternatives = new Set(findings.map(({ alternative }) => alternative))
      const isMatch = [...alternatives].some((one) =>
        findings.every(({ alternative, matched }) => alternative !== one || matched),
      )
      assert.equal(isMatch, pattern.matches(event))
    }),
    { numRuns: 2_000 },
  )
})

test('an event that lacks the texts that a pattern requires never matches', () => {
  fc.assert(
    fc.property(patternArbitrary, eventArbitrary, (raw, event) => {
      const pattern = compilePattern(raw)
      const required = pattern.requires('a')
      if (required === undefined || !pattern.matches(event)) return
      const { a } = event as { a: unknown }
      const texts = ([a] as unknown[]).flat(20)
      assert.ok(texts.some((text) => required.includes(text as string)))
    }),
    { numRuns: 2_000 },
  )
})
