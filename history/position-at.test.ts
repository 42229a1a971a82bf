import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { positionAt } from './position-at.ts'
import { openSqlite } from './sqlite/sqlite.ts'
import { openSqliteHistory } from './sqlite/sqlite-reader.ts'
import { openSqliteWriter } from './sqlite/sqlite-writer.ts'

test('the first position since a moment is found, also where others are no longer held', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'backstory-position-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'history.db')
  const writer = await openSqliteWriter({ path, exchange: 'orders' })
  const message = { exchange: 'orders', routingKey: '', properties: {}, body: Buffer.alloc(0) }
  t.mock.timers.enable({ apis: ['Date'], now: 0 })
  for (let second = 1; second <= 60; second++) {
    t.mock.timers.setTime(second * 1_000)
    const event = { id: `${second}`, source: '/s', type: '', subject: undefined, message }
    await writer.append({ events: [event], fences: [] })
  }
  t.mock.timers.reset()
  await writer.close()
  const reader = openSqliteHistory({ path })
  t.after(() => reader.close())
  const at = (seconds: number) => positionAt(reader, new Date(seconds * 1_000))
  assert.deepEqual(
    [await at(0), await at(17), await at(17.5), await at(60), await at(61)],
    [1, 17, 18, 60, 61],
  )
  // As retention of one type leaves it.
  const database = await openSqlite(path)
  database.exec('DELETE FROM events WHERE position BETWEEN 20 AND 50 OR position < 5')
  database.close()
  assert.deepEqual([await at(0), await at(10), await at(19)], [5, 10, 19])
  const events = await reader.outlines({ after: (await at(20)) - 1 })
  assert.equal(events[0]!.position, 51)
  assert.equal(await at(55), 55)
})
