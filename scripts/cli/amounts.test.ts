import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ageOf, sizeOf } from './amounts.ts'

test('ages and sizes are read with their units, and nothing is guessed', () => {
  assert.deepEqual([ageOf('90d', 'x'), ageOf('1.5h', 'x'), ageOf('0s', 'x')], [7_776_000_000, 5_400_000, 0])
  assert.deepEqual([sizeOf('10GB', 'x'), sizeOf('1.5mb', 'x'), sizeOf('17', 'x')], [1e10, 1_500_000, 17])
  for (const typed of ['90', '-1d', '1 month', '']) assert.throws(() => ageOf(typed, 'x'), /must be an age/)
  for (const typed of ['10 gigs', 'GB', '-1']) assert.throws(() => sizeOf(typed, 'x'), /must be a size/)
})
