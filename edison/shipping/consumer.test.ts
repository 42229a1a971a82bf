import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTables, order } from '../consumer.fixture.ts'
import shipping from './consumer.ts'

async function openShipping() {
  const tables = await openTables(shipping)
  return { ...tables, deliveries: () => tables.database.prepare('SELECT * FROM deliveries').all() }
}

test('a car is to be delivered, when and where, until its order is cancelled', async () => {
  const { place, cancel, deliveries } = await openShipping()
  await place(order)
  await place({ ...order, external_id: 'EC-2', address: undefined })
  const delivery = { model: 'Edison Van', customer_name: 'Émile Núñez', delivery_date: '2026-04-17' }
  assert.deepEqual(deliveries(), [
    { external_id: 'EC-1', ...delivery, address: '{"city":"Київ","country":"UA"}' },
    { external_id: 'EC-2', ...delivery, address: null },
  ])
  await cancel({ external_id: 'EC-1' })
  assert.equal(deliveries().length, 1)
})

test('an order that comes twice, or a cancellation without its order, is an error', async () => {
  const { place, cancel } = await openShipping()
  await place(order)
  await assert.rejects(place(order), /UNIQUE/)
  await cancel({ external_id: 'EC-1' })
  await assert.rejects(cancel({ external_id: 'EC-1' }), /EC-1 is cancelled, but was not to be delivered/)
})
