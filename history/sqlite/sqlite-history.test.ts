import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFile, mkdtemp, open, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { historyContract } from '../history.contract.ts'
import { openHistory, openHistoryWriter } from '../open-history.ts'
import { openSqlite } from './sqlite.ts'

async function temporaryFile(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'backstory-history-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return join(folder, 'history.db')
}

historyContract('sqlite file', async (t) => {
  const path = await temporaryFile(t)
  return {
    openWriter: () => openHistoryWriter({ history: path, exchange: 'orders' }),
    openReader: () => openHistory({ history: path }),
    async removeByHand(position) {
      const database = await openSqlite(path)
      database.prepare('DELETE FROM events WHERE position = ?').run(position)
      database.close()
    },
  }
})

const message = { exchange: 'orders', routingKey: '', properties: {}, body: Buffer.alloc(0) }
const event = { id: 'a', source: '/s', type: '', subject: undefined, message }

test('a reader may be there before its recorder has made the file', async (t) => {
  const path = await temporaryFile(t)
  const reader = openHistory({ history: path })
  await assert.rejects(reader.bounds(), { code: 'HISTORY_NOT_FOUND' })
  const writer = await openHistoryWriter({ history: path, exchange: 'orders' })
  await writer.append({ events: [event], fences: [] })
  assert.deepEqual(await reader.bounds(), { first: 1, head: 1 })
  await writer.close()
  await reader.close()
})

test('a file that is no history, or the history of another exchange, is refused by name', async (t) => {
  const path = await temporaryFile(t)
  await writeFile(path, 'not a database, but long enough to have a header of one hundred bytes'.repeat(9))
  await assert.rejects(openHistoryWriter({ history: path, exchange: 'orders' }), { code: 'HISTORY_CORRUPT' })
  await assert.rejects(openHistory({ history: path }).bounds(), { code: 'HISTORY_CORRUPT' })

  const foreign = await temporaryFile(t)
  const database = await openSqlite(foreign)
  database.exec('CREATE TABLE cars (id TEXT)')
  database.close()
  await assert.rejects(openHistoryWriter({ history: foreign, exchange: 'orders' }), {
    code: 'HISTORY_FOREIGN',
  })
  await assert.rejects(openHistory({ history: foreign }).bounds(), { code: 'HISTORY_FOREIGN' })

  const other = await temporaryFile(t)
  await (await openHistoryWriter({ history: other, exchange: 'orders' })).close()
  await assert.rejects(
    openHistoryWriter({ history: other, exchange: 'cars' }),
    /is the history of exchange orders, not of cars/,
  )
  await assert.rejects(openHistory({ history: other, exchange: 'cars' }).bounds(), {
    code: 'HISTORY_FOREIGN',
  })
})

test('a file that was cut off is told at once', async (t) => {
  const path = await temporaryFile(t)
  const writer = await openHistoryWriter({ history: path, exchange: 'orders' })
  await writer.append({ events: [event], fences: [] })
  await writer.close()
  await truncate(path, 8_192)
  await assert.rejects(openHistory({ history: path }).bounds(), /was cut off/)
  await assert.rejects(openHistoryWriter({ history: path, exchange: 'orders' }), { code: 'HISTORY_CORRUPT' })
})

test('so is one that lacks part of its last page', async (t) => {
  const path = await temporaryFile(t)
  await (await openHistoryWriter({ history: path, exchange: 'orders' })).close()
  await truncate(path, (await stat(path)).size - 1)
  await assert.rejects(openHistory({ history: path }).bounds(), /was cut off/)
})

test('a file whose commit was killed halfway is rolled back, not refused', async (t) => {
  const [whole, path] = [await temporaryFile(t), await temporaryFile(t)]
  const database = await openSqlite(whole)
  database.pragma('journal_mode = DELETE')
  database.exec("CREATE TABLE orders (id TEXT); INSERT INTO orders VALUES ('before')")
  // Pages go to the file before the commit, the first of them behind their journal.
  database.pragma('cache_size = 1')
  database.exec('BEGIN')
  const insert = database.prepare('INSERT INTO orders VALUES (?)')
  for (let n = 0; n < 100; n++) insert.run('x'.repeat(1_000))
  for (const end of ['', '-journal']) await copyFile(`${whole}${end}`, `${path}${end}`)
  database.exec('ROLLBACK')
  database.close()
  // The first page says already how many there are to be.
  const file = await open(path, 'r+')
  await file.write(Buffer.from([0, 0, 1, 0]), 0, 4, 28)
  await file.close()

  const rolledBack = await openSqlite(path, { isOurs: false })
  t.after(() => rolledBack.close())
  assert.deepEqual(rolledBack.prepare('SELECT id FROM orders').pluck().all(), ['before'])
})

test('a file that another connection of this process has locked stays locked when it is opened again', async (t) => {
  const path = await temporaryFile(t)
  const database = await openSqlite(path)
  t.after(() => database.close())
  database.pragma('journal_mode = DELETE')
  database.exec('BEGIN IMMEDIATE')
  const again = await openSqlite(path, { isOurs: false })
  again.close()
  const script = `new (require('better-sqlite3'))(process.argv[1], { timeout: 0 }).exec('BEGIN IMMEDIATE')`
  const { stderr } = spawnSync(process.execPath, ['-e', script, path], { encoding: 'utf8' })
  assert.match(stderr, /SQLITE_BUSY/)
})

test('a history of a later version is refused, not misread', async (t) => {
  const path = await temporaryFile(t)
  await (await openHistoryWriter({ history: path, exchange: 'orders' })).close()
  const database = await openSqlite(path)
  database.pragma('user_version = 999')
  database.close()
  await assert.rejects(openHistory({ history: path }).bounds(), { code: 'HISTORY_TOO_NEW' })
  await assert.rejects(openHistoryWriter({ history: path, exchange: 'orders' }), { code: 'HISTORY_TOO_NEW' })
})

test('a batch that cannot be written leaves nothing, and the next one takes its position', async (t) => {
  const path = await temporaryFile(t)
  const writer = await openHistoryWriter({ history: path, exchange: 'orders' })
  const unwritable = { ...event, id: 'b', message: { ...message, body: 'no bytes' as unknown as Buffer } }
  await assert.rejects(writer.append({ events: [event, unwritable], fences: ['f'] }))
  assert.deepEqual(await writer.append({ events: [event], fences: [] }), {
    head: 1,
    recorded: 1,
    duplicates: 0,
    conflicts: 0,
  })
  const reader = openHistory({ history: path })
  assert.equal(await reader.fence('f'), undefined)
  assert.equal((await reader.summary()).count, 1)
  await reader.close()
  await writer.close()
})

test('a file that is deleted while it is recorded into stops the writer, before anything is acknowledged', async (t) => {
  const path = await temporaryFile(t)
  const writer = await openHistoryWriter({ history: path, exchange: 'orders' })
  await writer.append({ events: [event], fences: [] })
  await rm(path)
  await assert.rejects(writer.append({ events: [{ ...event, id: 'b' }], fences: [] }), {
    code: 'HISTORY_REPLACED',
  })
  await writer.close()
})

test('one file has one writer, whatever the path that names it', async (t) => {
  const path = await temporaryFile(t)
  const writer = await openHistoryWriter({ history: path, exchange: 'orders' })
  await symlink(path, `${path}.link`)
  await assert.rejects(openHistoryWriter({ history: `${path}.link`, exchange: 'orders' }), {
    code: 'HISTORY_LOCKED',
  })
  await writer.close()
})

test("a file of version 1 is brought to today's by its next writer, and read before that too", async (t) => {
  const path = await temporaryFile(t)
  const writer = await openHistoryWriter({ history: path, exchange: 'orders' })
  await writer.append({ events: [event], fences: [] })
  await writer.close()
  const database = await openSqlite(path)
  database.exec(`DROP INDEX events_subject; DROP INDEX events_type;
    DROP TABLE notes; DROP TABLE consumers; DROP TABLE pruned; DROP TABLE erasures`)
  database.pragma('user_version = 1')
  database.close()
  const reader = openHistory({ history: path })
  assert.equal((await reader.select({ filter: { types: [''] }, after: 0 })).events.length, 1)
  assert.equal(await reader.note('any'), undefined)
  assert.deepEqual(await reader.consumers(), [])
  await reader.close()
  await (await openHistoryWriter({ history: path, exchange: 'orders' })).close()
  const migrated = await openSqlite(path)
  assert.equal(migrated.pragma('user_version', { simple: true }), 2)
  assert.equal(migrated.prepare('SELECT count(*) FROM erasures').pluck().get(), 0)
  const indexes = migrated.prepare("SELECT name FROM sqlite_schema WHERE name LIKE 'events_%' ORDER BY name")
  assert.deepEqual(indexes.pluck().all(), [
    'events_identity',
    'events_subject',
    'events_type',
    'events_unidentified',
  ])
  migrated.close()
})
