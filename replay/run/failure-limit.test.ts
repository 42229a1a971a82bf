import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FailureLimit } from './failure-limit.ts'

test('a share counts from the hundredth event on, and as many as are left may be the next ones', () => {
  const limit = new FailureLimit('5%')
  assert.equal(limit.left({ failed: 0, seen: 0 }), 99)
  assert.equal(limit.left({ failed: 99, seen: 99 }), 0)
  assert.ok(limit.left({ failed: 100, seen: 100 }) < 0)
  assert.deepEqual(
    [5, 6].map((failed) => limit.left({ failed, seen: 100 }) >= 0),
    [true, false],
  )
  const left = limit.left({ failed: 10, seen: 1_000 })
  assert.ok(10 + left <= (1_000 + left) * 0.05)
  assert.ok(10 + left + 1 > (1_000 + left + 1) * 0.05)
  assert.equal(new FailureLimit('100%').left({ failed: 200, seen: 200 }), Number.POSITIVE_INFINITY)
})

test('a limit that is none is refused', () => {
  for (const wrong of [-1, Number.NaN, '101%', '5', '-1%'])
    assert.throws(() => new FailureLimit(wrong), TypeError)
})
