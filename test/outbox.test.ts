import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { Client } from 'pg'
import { openOutbox } from '../index.ts'
import { temporaryFolder } from './fixtures/exchange.ts'
import { postgresDesk, postgresPool, sqliteDatabase, sqliteDesk } from './fixtures/outbox-desk.ts'
import { testPostgres } from './fixtures/postgres.ts'
import { outboxContract } from './outbox.contract.ts'

outboxContract('SQLite', sqliteDesk)
outboxContract('PostgreSQL', postgresDesk)

const all = { after: 0, limit: 1_000, bytesMax: 1_000_000 }

test('PostgreSQL: a transaction that commits later never has a lower number, however early it added', async (t) => {
  const desk = await postgresDesk(t, { exchange: 'orders', source: '/sales' })
  const session = (await desk.rows.acquire())!
  t.after(() => session.release())
  const slow = await desk.begin()
  await slow.add({ type: 't', id: 'added first' })
  const quick = await desk.begin()
  await quick.add({ type: 't', id: 'committed first' })
  await quick.commit()
  const [first] = await session.page(all)
  assert.deepEqual([first?.sequence, first?.id], [1, 'committed first'])
  await slow.add({ type: 't', id: 'added last' })
  await slow.commit()
  const rest = await session.page({ ...all, after: 1 })
  assert.deepEqual(
    rest.map(({ sequence, id }) => `${sequence} ${id}`),
    ['2 added first', '3 added last'],
  )
})

test('PostgreSQL: a reader that follows the numbers while many commit at once misses none', async (t) => {
  const desk = await postgresDesk(t, { exchange: 'orders', source: '/sales' })
  const session = (await desk.rows.acquire())!
  t.after(() => session.release())
  const transactions = 200
  const seen: number[] = []
  const reading = (async () => {
    while (seen.length < transactions * 2)
      for (const { sequence } of await session.page({ ...all, after: seen.at(-1) ?? 0 })) seen.push(sequence)
  })()
  const commitMany = async (share: number) => {
    for (let n = 0; n < transactions / 10; n++) {
      const tx = await desk.begin()
      await tx.add({ type: 't', id: `${share}-${n}-a` })
      await tx.add({ type: 't', id: `${share}-${n}-b` })
      if (n % 5 === 4) {
        const given = await desk.begin()
        await given.add({ type: 't' })
        await given.rollback()
      }
      await tx.commit()
    }
  }
  await Promise.all(Array.from({ length: 10 }, (_, share) => commitMany(share)))
  await reading
  assert.deepEqual(
    seen,
    Array.from({ length: transactions * 2 }, (_, index) => index + 1),
  )
})

test('PostgreSQL: a pool is no transaction, and a client no database', async (t) => {
  const url = await testPostgres(t)
  const pool = postgresPool(t, url)
  const outbox = await openOutbox({ database: pool, exchange: 'orders', source: '/sales' })
  await assert.rejects(outbox.add(pool, { type: 't' }), TypeError)
  const client = new Client(url)
  assert.throws(
    () => openOutbox({ database: client as never, exchange: 'orders', source: '/sales' }),
    TypeError,
  )
})

test('PostgreSQL: whoever may only use the tables opens the outbox and adds to it', async (t) => {
  const pool = postgresPool(t, await testPostgres(t))
  await openOutbox({ database: pool, exchange: 'orders', source: '/sales' })
  const client = await pool.connect()
  await client.query(`
    CREATE ROLE seller_${process.pid};
    GRANT SELECT, INSERT, UPDATE, DELETE ON backstory_outbox, backstory_outbox_counter TO seller_${process.pid};
    SET ROLE seller_${process.pid}`)
  const single = { totalCount: 1, connect: async () => client, query: client.query.bind(client) }
  const outbox = await openOutbox({ database: single, exchange: 'orders', source: '/sales' })
  await client.query('BEGIN')
  await outbox.add(client, { type: 't' })
  await client.query('COMMIT')
  assert.equal((await outbox.rows.head()).sequence, 1)
  await client.query(`RESET ROLE; DROP OWNED BY seller_${process.pid}; DROP ROLE seller_${process.pid}`)
  client.release()
})

test('SQLite: what is no connection of better-sqlite3 is a TypeError', async (t) => {
  const database = sqliteDatabase(t, join(await temporaryFolder(t), 'sales.db'))
  const outbox = openOutbox({ database, exchange: 'orders', source: '/sales' })
  assert.throws(() => outbox.add({} as never, { type: 't' }), TypeError)
  for (const wrong of [undefined, {}, 'sales.db'])
    assert.throws(
      () => openOutbox({ database: wrong as never, exchange: 'orders', source: '/sales' }),
      TypeError,
    )
  database.exec('BEGIN')
  assert.throws(() => openOutbox({ database, exchange: 'returns', source: '/sales' }), /before a transaction/)
})

test('SQLite: an application that reads integers as BigInt has the same outbox', async (t) => {
  const database = sqliteDatabase(t, join(await temporaryFolder(t), 'sales.db'))
  database.defaultSafeIntegers()
  const outbox = openOutbox({ database, exchange: 'orders', source: '/sales' })
  database.transaction(() => outbox.add(database, { type: 't' }))()
  const session = (await outbox.rows.acquire())!
  t.after(() => session.release())
  assert.deepEqual(
    (await session.page(all)).map(({ sequence }) => sequence),
    [1],
  )
  assert.deepEqual((await outbox.rows.head()).first, 1)
})

test('SQLite: a savepoint that is rolled back takes its events and their numbers along', async (t) => {
  const database = sqliteDatabase(t, join(await temporaryFolder(t), 'sales.db'))
  const outbox = openOutbox({ database, exchange: 'orders', source: '/sales' })
  const add = (id: string) => outbox.add(database, { type: 't', id })
  database.transaction(() => {
    add('a')
    assert.throws(
      database.transaction(() => {
        add('taken back')
        throw new Error('no')
      }),
    )
    add('b')
  })()
  const session = (await outbox.rows.acquire())!
  t.after(() => session.release())
  assert.deepEqual(
    (await session.page(all)).map(({ sequence, id }) => `${sequence} ${id}`),
    ['1 a', '2 b'],
  )
})
