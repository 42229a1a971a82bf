import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { EventError } from '../errors.ts'
import { compilePattern } from './pattern.ts'
import { compilePatterns } from './rule-set.ts'

/** What is expected is whether the event matches, or the path to the pattern's mistake. */
type Case = readonly [pattern: unknown, event: unknown, expected: boolean | string, why: string]

const corpus = JSON.parse(readFileSync(join(import.meta.dirname, 'corpus.json'), 'utf8')) as Record<
  string,
  readonly Case[]
>

for (const [operator, cases] of Object.entries(corpus)) {
  test(`${operator}: the ${cases.length} cases of the corpus come out as written`, () => {
    for (const [pattern, event, expected, why] of cases) {
      const given = `${why}: ${JSON.stringify(pattern).slice(0, 200)} and ${JSON.stringify(event)}`
      if (typeof expected === 'string') assertRefused(pattern, expected, given)
      else assertJudged(pattern, { event, expected, given })
    }
  })
}

test('the corpus has at least 400 cases, of each operator some that match, some that do not, some invalid', () => {
  assert.ok(Object.values(corpus).flat().length >= 400)
  for (const [operator, cases] of Object.entries(corpus)) {
    const outcomes = new Set(
      cases.map(([, , expected]) => (typeof expected === 'string' ? 'invalid' : expected)),
    )
    const wanted = operator === 'form' ? 1 : ['exact', 'nesting', 'arrays'].includes(operator) ? 2 : 3
    assert.equal(outcomes.size, wanted, operator)
  }
})

function assertRefused(pattern: unknown, path: string, given: string): void {
  assert.throws(
    () => compilePattern(pattern),
    (error) => {
      assert.ok(error instanceof EventError, given)
      assert.equal(error.code, 'PATTERN_INVALID', given)
      // What concerns the pattern as a whole has no path.
      if (path === '') assert.match(error.message, /^The pattern /, given)
      else assert.equal(error.message.slice(0, path.length + 2), `${path}: `, given)
      return true
    },
    given,
  )
}

function assertJudged(
  raw: unknown,
  { event, expected, given }: { event: unknown; expected: boolean; given: string },
): void {
  const pattern = compilePattern(raw)
  assert.equal(pattern.matches(event), expected, given)
  assert.deepEqual(compilePatterns([pattern, pattern]).match(event), expected ? [0, 1] : [], given)
  const findings = pattern.explain(event)
  assert.ok(findings.length > 0, given)
  assert.equal(
    findings.every(({ matched }) => matched),
    expected,
    given,
  )
}
