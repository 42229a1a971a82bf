import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SqliteDatabase } from '../../history/index.ts'
import { openParkedEvents } from '../parking/open-parked-events.ts'
import { effectsIn, prepareEffects, sqlitePath } from '../parking/parked.fixture.ts'
import { parkedEventsContract } from '../parking/parked-events.contract.ts'

parkedEventsContract('sqlite file', {
  newStore: async (t) => sqlitePath(t),
  prepare: (database) => prepareEffects(database as SqliteDatabase),
  effects: effectsIn,
})

test('a store that is missing is told by name, and not made', async (t) => {
  const store = sqlitePath(t)
  await assert.rejects(openParkedEvents({ store }), { code: 'CONSUMER_STORE_UNAVAILABLE' })
  await assert.rejects(openParkedEvents({ store }), { code: 'CONSUMER_STORE_UNAVAILABLE' })
})
