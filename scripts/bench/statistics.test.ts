import assert from 'node:assert/strict'
import { test } from 'node:test'
import { figuresOf, median, ratioOf } from './statistics.ts'

test('the median is the middle one, or between the middle two', () => {
  assert.equal(median([9, 1, 5]), 5)
  assert.equal(median([9, 1, 5, 7]), 6)
})

test('figures keep the order of the rounds', () => {
  assert.deepEqual(figuresOf([30.4, 10, 20]), { median: 20, min: 10, max: 30.4, rounds: [30.4, 10, 20] })
})

test('a round that was slow for both counts for nothing in the ratios by pairs', () => {
  const ratio = ratioOf([90, 9, 99], [100, 10, 110])
  assert.deepEqual(ratio, { ofMedians: 0.9, medianOfPairs: 0.9, min: 0.9, max: 0.9 })
  assert.deepEqual(ratioOf([10, 60], [20, 40]), { ofMedians: 1.167, medianOfPairs: 1, min: 0.5, max: 1.5 })
})
