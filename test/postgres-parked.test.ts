import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openParkedEvents } from '../consumers/parking/open-parked-events.ts'
import { parkedEventsContract } from '../consumers/parking/parked-events.contract.ts'
import { openPostgres, type PostgresClient } from '../history/index.ts'
import { testPostgres } from './fixtures/postgres.ts'

parkedEventsContract('postgresql', {
  newStore: testPostgres,
  async prepare(opened) {
    const client = opened as PostgresClient
    await client.query(`CREATE TABLE IF NOT EXISTS effects (number bigint GENERATED ALWAYS AS IDENTITY,
      id text, subject text, data text)`)
    return {
      run: (...values) => client.query('INSERT INTO effects (id, subject, data) VALUES ($1, $2, $3)', values),
    }
  },
  async effects(store) {
    const client = await openPostgres(store, { name: 'backstory test' })
    try {
      const { rows } = await client.query<{ id: string }>('SELECT id FROM effects ORDER BY number')
      return rows.map(({ id }) => id)
    } finally {
      await client.end()
    }
  },
})

test('a database without consumers is told, and no password is shown', async (t) => {
  const store = await testPostgres(t)
  const { password } = new URL(store)
  for (const address of [store, `${store}_none`])
    await assert.rejects(openParkedEvents({ store: address }), (error: Error & { code: unknown }) => {
      assert.equal(error.code, 'CONSUMER_STORE_FOREIGN')
      assert.ok(!error.message.includes(password))
      return true
    })
})
