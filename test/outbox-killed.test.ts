import assert from 'node:assert/strict'
import { test } from 'node:test'
import { killSales } from './fixtures/killed-sales.ts'

test('sales, killed while it sells: its orders are the events in the history, in order and without a hole', async (t) => {
  const { kills, sold, recorded, sequences, epochs } = await killSales(t, { kills: 3, orders: 4_000 })
  assert.equal(kills, 3)
  assert.equal(sold.length, 4_080)
  assert.deepEqual(recorded, sold)
  assert.equal(epochs.length, 1)
  assert.deepEqual(
    sequences,
    sequences.map((_, index) => index + 1),
  )
})
