import assert from 'node:assert/strict'
import { test } from 'node:test'
import { act, create, opened, sqlStorageContract } from '../replay/actions/sql/sql-storage.contract.ts'
import { ownPostgres } from './fixtures/postgres.ts'
import { postgresPlace, postgresPlaceAt } from './fixtures/postgres-place.ts'
import { sqlFaultsContract } from './sql-faults.contract.ts'

sqlStorageContract('postgres', postgresPlace)

sqlFaultsContract('postgres', {
  password: 'PGPASSWORD',
  openPlace: postgresPlace,
  async openServer(t) {
    const server = await ownPostgres(t)
    const openPlace = async () => await postgresPlaceAt(t, server.url)
    return {
      place: await openPlace(),
      placeAgain: openPlace,
      kill: () => server.kill(),
      start: () => server.start(),
    }
  },
})

test('postgres: a constraint that is checked at the commit is found in its row', async (t) => {
  const place = await postgresPlace(t)
  const run = async (statement: string) => await place.run({ statement, parameters: [] })
  await run('CREATE TABLE customers (id text PRIMARY KEY)')
  await run("INSERT INTO customers VALUES ('c')")
  const reference = 'REFERENCES customers DEFERRABLE INITIALLY DEFERRED'
  await run(`CREATE TABLE orders (id text PRIMARY KEY, customer text ${reference})`)
  const action = await opened(t, place, { columns: { id: '$.id', customer: '$.customer' } })
  const events = ['c', 'c', 'nobody', 'c'].map((customer, at) => ({ id: String(at), customer }))
  const outcomes = await act(action, events)
  assert.deepEqual(outcomes.slice(0, 2), ['done', 'done'])
  assert.equal((outcomes[2] as { code?: string }).code, '23503')
  const rows = await place.read('orders', { columns: { id: 'text' } })
  assert.deepEqual(rows, [{ id: '0' }, { id: '1' }])
})

test('postgres: a name that PostgreSQL would cut is refused, and a schema may be named', async (t) => {
  const long = 'x'.repeat(64)
  assert.throws(() => create({ address: 'postgres://localhost/d' }, { table: long }), TypeError)
  const place = await postgresPlace(t)
  await place.run({ statement: 'CREATE SCHEMA "Shop"', parameters: [] })
  await place.run({ statement: 'CREATE TABLE "Shop".orders (id text PRIMARY KEY)', parameters: [] })
  const action = await opened(t, place, { table: 'Shop.orders', columns: { id: '$.id' } })
  assert.deepEqual(await act(action, [{ id: 'a' }]), ['done'])
})
