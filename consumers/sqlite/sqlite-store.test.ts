import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openHistoryWriter, type SqliteDatabase } from '../../history/index.ts'
import { storeContract } from '../store.contract.ts'
import { initialState } from '../store.ts'
import { openSqliteStore } from './sqlite-store.ts'
import { readSqliteStore } from './sqlite-store-reader.ts'

async function temporaryFile(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'backstory-store-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return join(folder, 'store.db')
}

storeContract('sqlite file', async (t) => {
  const path = await temporaryFile(t)
  const prepare = (database: SqliteDatabase) => {
    database.exec('CREATE TABLE IF NOT EXISTS notes (text TEXT)')
    return database
  }
  return {
    open: () => openSqliteStore<unknown>({ path, consumer: 'shipping', exchange: 'orders', prepare }),
    write: (tx, text) => (tx as SqliteDatabase).prepare('INSERT INTO notes VALUES (?)').run(text),
    count: (tx) => (tx as SqliteDatabase).prepare('SELECT count(*) FROM notes').pluck().get() as number,
  }
})

test('only one consumer of a name runs on a file', async (t) => {
  const path = await temporaryFile(t)
  const store = await openSqliteStore({ path, consumer: 'shipping', exchange: 'orders' })
  t.after(() => store.close())
  await assert.rejects(openSqliteStore({ path, consumer: 'shipping', exchange: 'orders' }), {
    name: 'ConsumerError',
    code: 'CONSUMER_LOCKED',
  })
})

test('two consumers share a file, and another process reads both while they run', async (t) => {
  const path = await temporaryFile(t)
  const shipping = await openSqliteStore({ path, consumer: 'shipping', exchange: 'orders' })
  const billing = await openSqliteStore({ path, consumer: 'billing', exchange: 'orders' })
  await shipping.transaction(async (transaction) => {
    await transaction.add([{ source: '/a', id: '1' }])
    await transaction.save({ ...initialState, cursor: 3 })
  })
  await billing.transaction((transaction) => transaction.save({ ...initialState, cursor: 5 }))
  const stored = await readSqliteStore(path)
  assert.deepEqual(
    stored.map(({ name, state, waiting }) => [name, state.cursor, waiting.length]),
    [
      ['billing', 5, 0],
      ['shipping', 3, 1],
    ],
  )
  await shipping.close()
  await billing.close()
})

test('a file that is no store, or that of another exchange, is refused by name', async (t) => {
  const path = await temporaryFile(t)
  await writeFile(path, 'words, words, words'.repeat(50))
  await assert.rejects(openSqliteStore({ path, consumer: 'shipping', exchange: 'orders' }), {
    code: 'CONSUMER_STORE_FOREIGN',
  })
  await assert.rejects(readSqliteStore(path), { code: 'CONSUMER_STORE_FOREIGN' })
  await assert.rejects(readSqliteStore(`${path}-missing`), { code: 'CONSUMER_STORE_UNAVAILABLE' })

  const other = await temporaryFile(t)
  const store = await openSqliteStore({ path: other, consumer: 'shipping', exchange: 'orders' })
  await store.transaction((transaction) => transaction.save(initialState))
  await store.close()
  await assert.rejects(
    openSqliteStore({ path: other, consumer: 'shipping', exchange: 'cars' }),
    /of exchange orders, not of cars/,
  )
})

test('a history is no store: a consumer does not write into it', async (t) => {
  const path = await temporaryFile(t)
  await (await openHistoryWriter({ history: path, exchange: 'orders' })).close()
  await assert.rejects(openSqliteStore({ path, consumer: 'shipping', exchange: 'orders' }), {
    code: 'CONSUMER_STORE_FOREIGN',
    message: /is a history/,
  })
})
