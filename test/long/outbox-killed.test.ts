import assert from 'node:assert/strict'
import { test } from 'node:test'
import { killSales } from '../fixtures/killed-sales.ts'

test('sales, killed 50 times while it sells: its orders are the events in the history, in order and without a hole', async (t) => {
  const { kills, sold, recorded, sequences, epochs } = await killSales(t, { kills: 50, orders: 60_000 })
  t.diagnostic(`${kills} kills, ${sold.length} orders and cancellations, ${recorded.length} events`)
  assert.equal(kills, 50)
  assert.equal(sold.length, 61_200)
  assert.deepEqual(recorded, sold)
  assert.equal(epochs.length, 1)
  assert.deepEqual(
    sequences,
    sequences.map((_, index) => index + 1),
  )
})
