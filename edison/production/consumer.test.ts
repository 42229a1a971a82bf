import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTables, order } from '../consumer.fixture.ts'
import production from './consumer.ts'

async function openProduction() {
  const tables = await openTables(production)
  return { ...tables, cars: () => tables.database.prepare('SELECT * FROM cars').all() }
}

test('a car is to be built until its order is cancelled', async () => {
  const { place, cancel, cars } = await openProduction()
  await place(order)
  await place({ ...order, external_id: 'EC-2', options: undefined })
  assert.deepEqual(cars(), [
    { external_id: 'EC-1', model: 'Edison Van', options: '["heat pump","tow bar"]', due_date: '2026-04-17' },
    { external_id: 'EC-2', model: 'Edison Van', options: '[]', due_date: '2026-04-17' },
  ])
  await cancel({ external_id: 'EC-2' })
  assert.equal(cars().length, 1)
})

test('an order that comes twice, or a cancellation without its order, is an error', async () => {
  const { place, cancel } = await openProduction()
  await place(order)
  await assert.rejects(place(order), /UNIQUE/)
  await cancel({ external_id: 'EC-1' })
  await assert.rejects(cancel({ external_id: 'EC-1' }), /EC-1 is cancelled, but has no car/)
})

test('opening the tables again keeps what is there', async () => {
  const { database, place, cars } = await openProduction()
  await place(order)
  await production.prepare!(database)
  assert.equal(cars().length, 1)
})
