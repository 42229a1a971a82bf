import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BatchSizes } from './batch-sizes.ts'

test('a batch is counted at the first bound that holds it, and what is larger than all at the end', () => {
  const sizes = new BatchSizes()
  for (const size of [1, 1, 2, 3, 5, 6, 500, 501, 1_000, 1_001, 20_000]) sizes.add(size)
  const { bounds, counts, sum } = sizes.toCounts()
  assert.equal(counts.length, bounds.length + 1)
  assert.deepEqual(
    [1, 2, 5, 10, 500, 1_000].map((bound) => counts[bounds.indexOf(bound)]),
    [2, 1, 2, 1, 1, 2],
  )
  assert.equal(counts.at(-1), 2)
  assert.equal(sum, 23_020)
})
