import assert from 'node:assert/strict'
import { test } from 'node:test'
import { retryAfterMs } from './retry-after.ts'

test('seconds and dates are waited for, no longer than ten minutes; anything else says nothing', () => {
  const now = Date.parse('2026-01-01T00:00:00Z')
  assert.equal(retryAfterMs('3', now), 3_000)
  assert.equal(retryAfterMs('Thu, 01 Jan 2026 00:00:05 GMT', now), 5_000)
  assert.equal(retryAfterMs('Wed, 31 Dec 2025 23:00:00 GMT', now), 0)
  assert.equal(retryAfterMs('86400', now), 600_000)
  for (const nothing of [undefined, '', 'soon']) assert.equal(retryAfterMs(nothing, now), undefined)
})
