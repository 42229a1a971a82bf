import assert from 'node:assert/strict'
import { test } from 'node:test'
import { historyContract } from '../history/history.contract.ts'
import { type HistoryError, openHistory, openHistoryWriter } from '../history/index.ts'
import { batch, database, event, execute, idsIn, made, message } from './fixtures/postgres-history.ts'

historyContract('postgres', async (t) => {
  const history = await database
  t.after(() => execute('DROP SCHEMA backstory_history_orders CASCADE'))
  return {
    openWriter: () => openHistoryWriter({ history, exchange: 'orders' }),
    openReader: () => openHistory({ history }),
    async removeByHand(position) {
      await execute(`DELETE FROM backstory_history_orders.events WHERE position = ${position}`)
    },
  }
})

test('of several histories in a database, a reader that names none is told their names', async (t) => {
  const long = 'Orders of the whole world, '.repeat(9)
  const names = ['orders', 'Orders', 'orders$', long]
  const history = await database
  for (const [index, exchange] of names.entries()) {
    await made(t, exchange)
    const writer = await openHistoryWriter({ history, exchange })
    await writer.append(batch(...names.slice(0, index + 1)))
    await writer.close()
  }
  await using unnamed = openHistory({ history })
  await assert.rejects(unnamed.bounds(), (error: HistoryError) => {
    assert.equal(error.code, 'HISTORY_AMBIGUOUS')
    for (const name of names) assert.ok(error.message.includes(name), error.message)
    return true
  })
  for (const [index, exchange] of names.entries()) {
    await using named = openHistory({ history, exchange })
    await using chosen = openHistory({ history: `${history}?exchange=${encodeURIComponent(exchange)}` })
    for (const reader of [named, chosen]) {
      assert.equal(await reader.exchange(), exchange)
      assert.equal((await reader.bounds()).head, index + 1)
    }
  }
})

test('a history that is not there yet, of a later version, or no history is told as such', async (t) => {
  const history = await database
  await using reader = openHistory({ history, exchange: 'orders' })
  await assert.rejects(reader.bounds(), { code: 'HISTORY_NOT_FOUND' })
  await made(t, 'orders')
  assert.equal((await reader.bounds()).head, 0)
  await execute('UPDATE backstory_history_orders.history SET version = 999')
  await using later = openHistory({ history, exchange: 'orders' })
  await assert.rejects(later.bounds(), { code: 'HISTORY_TOO_NEW' })
  await assert.rejects(openHistoryWriter({ history, exchange: 'orders' }), { code: 'HISTORY_TOO_NEW' })
  await execute('DROP SCHEMA backstory_history_orders CASCADE')
  await assert.rejects(reader.bounds(), { code: 'HISTORY_NOT_FOUND' })
  await execute('CREATE SCHEMA backstory_history_orders; CREATE TABLE backstory_history_orders.cars ()')
  await assert.rejects(reader.bounds(), { code: 'HISTORY_FOREIGN' })
  await assert.rejects(openHistoryWriter({ history, exchange: 'orders' }), { code: 'HISTORY_FOREIGN' })
})

test('what PostgreSQL cannot keep as text comes back as it was, in every column', async (t) => {
  const history = await made(t, 'orders')
  const writer = await openHistoryWriter({ history, exchange: 'orders' })
  t.after(() => writer.close())
  const texts = [
    '',
    '\0',
    'a\0b',
    '\u0001',
    '\u0001"x"',
    '\ud800',
    '\\x00',
    '{}',
    '"\\',
    'ü汽🚗',
    'x'.repeat(10_000),
  ]
  const events = texts.map((text, index) => ({
    id: `${text}${index}`,
    source: text,
    type: text,
    subject: text,
    message: {
      exchange: text,
      routingKey: text,
      properties: { contentType: text, headers: { [text]: text, epoch: `${text}` } },
      body: Buffer.from(text),
    },
  }))
  await writer.append({ events, fences: texts, notes: Object.fromEntries(texts.map((text) => [text, text])) })
  await using reader = openHistory({ history, exchange: 'orders' })
  const read = await reader.read({ after: 0 })
  for (const [index, { id, source, type, subject, message }] of read.entries()) {
    assert.deepEqual({ id, source, type, subject, message }, events[index])
    assert.equal((await reader.find({ source, id }))!.position, index + 1)
    assert.equal(await reader.fence(texts[index]!), texts.length)
    assert.equal(await reader.note(texts[index]!), texts[index])
    const found = await reader.select({ filter: { subjects: [subject!] }, after: 0 })
    assert.deepEqual(
      found.events.map(({ position }) => position),
      [index + 1],
    )
  }
})

test('partitions are made ahead, and a page reads over them', async (t) => {
  const history = await made(t, 'orders', { partitionSize: 10 })
  const writer = await openHistoryWriter({ history, exchange: 'orders' })
  t.after(() => writer.close())
  for (let first = 1; first < 60; first += 7) {
    await writer.append(batch(...Array.from({ length: 7 }, (_, index) => String(first + index))))
    const { rows } = await execute(
      "SELECT relname AS name FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 'backstory_history_orders.events'::regclass",
    )
    const ends = (rows as { name: string }[]).map(({ name }) => Number(name.slice('events_'.length)) + 9)
    assert.ok(Math.max(...ends) >= first + 6 + 5, 'half a partition ahead')
  }
  assert.equal((await idsIn(history)).length, 63)
  await using reader = openHistory({ history })
  const newest = await reader.select({ filter: { types: ['t'] }, after: 0, limit: 30, newestFirst: true })
  assert.deepEqual([newest.events[0]!.position, newest.through], [63, 34])
})

test('a page of large bodies ends early, before they are sent', async (t) => {
  const history = await made(t, 'orders')
  const writer = await openHistoryWriter({ history, exchange: 'orders' })
  t.after(() => writer.close())
  const body = Buffer.alloc(6 * 1024 * 1024, 1)
  const events = Array.from({ length: 4 }, (_, index) => ({
    ...event(`${index}`),
    message: { ...message, body },
  }))
  await writer.append({ events, fences: [] })
  await using reader = openHistory({ history })
  assert.equal((await reader.read({ after: 0 })).length, 3)
  assert.equal((await reader.select({ filter: { types: ['t'] }, after: 0 })).through, 3)
  assert.equal((await reader.read({ after: 3 })).length, 1)
})

test('many readers of a process share a few connections', async (t) => {
  const history = await made(t, 'orders')
  const readers = Array.from({ length: 50 }, () => openHistory({ history }))
  await Promise.all(readers.map((reader) => reader.bounds()))
  const { rows } = await execute(
    "SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = 'backstory reader' AND datname = current_database()",
  )
  assert.ok((rows[0] as { count: number }).count <= 4)
  await Promise.all(readers.map((reader) => reader.close()))
})
