import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RowDataPacket } from 'mysql2/promise'
import { act, allDone, opened, sqlStorageContract } from '../replay/actions/sql/sql-storage.contract.ts'
import { mariadbConnection, newDatabase, ownMariadb, testMariadb } from './fixtures/mariadb.ts'
import { mariadbPlace, mariadbPlaceAt } from './fixtures/mariadb-place.ts'
import { sqlFaultsContract } from './sql-faults.contract.ts'

sqlStorageContract('mariadb', mariadbPlace)

sqlFaultsContract('mariadb', {
  password: 'MYSQL_PWD',
  openPlace: mariadbPlace,
  async openServer(t) {
    const server = await ownMariadb(t)
    const url = await newDatabase(server.url)
    const openPlace = async () => await mariadbPlaceAt(t, url)
    return {
      place: await openPlace(),
      placeAgain: openPlace,
      kill: () => server.kill(),
      start: () => server.start(),
    }
  },
})

test('mariadb: an upsert into a table without a unique index of its key is refused: it would add rows', async (t) => {
  const place = await mariadbPlace(t)
  const shape = { columns: { id: 'text', total: 'integer' } } as const
  await place.makeTable('orders', shape)
  const action = await opened(t, place, { columns: { id: '$.id', total: '$.total' } })
  const [outcome] = await act(action, [{ id: 'a', total: 1 }])
  assert.equal((outcome as { code?: string }).code, 'REPLAY_KEY_NOT_UNIQUE')
  assert.deepEqual(await place.read('orders', shape), [])
  await place.run({ statement: 'ALTER TABLE orders ADD UNIQUE (id(5))', parameters: [] })
  assert.notEqual((await act(action, [{ id: 'a', total: 1 }]))[0], 'done')
  await place.run({ statement: 'ALTER TABLE orders ADD UNIQUE (id)', parameters: [] })
  await allDone(action, [{ id: 'a', total: 1 }])
})

test('mariadb: a text is no number to a key of numbers, and a number no beginning of a text', async (t) => {
  const place = await mariadbPlace(t)
  for (const kind of ['integer', 'text'] as const) {
    const shape = { columns: { id: kind }, key: ['id'] }
    await place.makeTable(kind, shape)
    const insert = await opened(t, place, { table: kind, mode: 'insert', columns: { id: '$.id' } })
    const kept = kind === 'integer' ? [0, 5] : ['5 apples', '05']
    await allDone(
      insert,
      kept.map((id) => ({ id })),
    )
    const action = await opened(t, place, { table: kind, mode: 'delete', columns: { id: '$.id' } })
    if (kind === 'text') await allDone(action, [{ id: 5 }, { id: true }])
    else assert.equal(((await act(action, [{ id: 'apples' }]))[0] as { code?: string }).code, '1292')
    assert.equal((await place.read(kind, shape)).length, 2)
  }
})

test('mariadb: a row longer than a packet is refused alone, and the connection stays', async (t) => {
  const place = await mariadbPlace(t)
  await place.run({ statement: 'CREATE TABLE orders (id int PRIMARY KEY, note longtext)', parameters: [] })
  const action = await opened(t, place, { columns: { id: '$.id', note: '$.note' } })
  const outcomes = await act(action, [
    { id: 1, note: 'x' },
    { id: 2, note: 'x'.repeat(2 ** 24) },
    { id: 3, note: 'x' },
  ])
  assert.equal(outcomes[0], 'done')
  assert.equal((outcomes[1] as { code?: string }).code, '1153')
  await allDone(action, [{ id: 3, note: 'x'.repeat(2 ** 23) }])
})

test('mariadb: a value that does not fit is refused, and times are in UTC, whatever the server’s settings', async (t) => {
  const server = await ownMariadb(t)
  const place = await mariadbPlaceAt(t, await newDatabase(server.url))
  const connection = await mariadbConnection(t, place.address)
  await connection.query("SET GLOBAL sql_mode = '', GLOBAL time_zone = '+05:00'")
  await connection.query('CREATE TABLE orders (id varchar(3) PRIMARY KEY, at timestamp NULL)')
  const columns = { id: '$.id', at: { path: '$.at', type: 'timestamp' } }
  const action = await opened(t, place, { columns })
  const outcomes = await act(action, [{ id: 'a', at: '1970-01-01T00:01:00Z' }, { id: 'long' }])
  assert.equal(outcomes[0], 'done')
  assert.equal((outcomes[1] as { code?: string }).code, '1406')
  const [rows] = await connection.query<RowDataPacket[]>('SELECT id, unix_timestamp(at) AS at FROM orders')
  assert.deepEqual(
    rows.map(({ id, at }) => [id, Number(at)]),
    [['a', 60]],
  )
})

test('mariadb: it is reached by its socket, or by mariadb:// as by mysql://', async (t) => {
  const database = new URL(await testMariadb(t))
  const place = await mariadbPlaceAt(t, database.href)
  const connection = await mariadbConnection(t, database.href)
  const [[row]] = await connection.query<RowDataPacket[]>('SELECT @@socket AS path')
  await place.makeTable('orders', { columns: { id: 'text' }, key: ['id'] })
  const rest = `://${database.username}:${database.password}@`
  const socket = `mysql${rest}localhost${database.pathname}?socket=${encodeURIComponent(row!.path)}`
  for (const address of [socket, `mariadb${rest}${database.host}${database.pathname}`]) {
    const action = await opened(t, { address }, { columns: { id: '$.id' } })
    assert.equal(action.isLocal, true)
    await allDone(action, [{ id: address.slice(0, 7) }])
  }
  await assert.rejects(
    opened(t, { address: `${await testMariadb(t)}?tls=true` }, { columns: { id: '$.id' } }),
    {
      code: 'REPLAY_ACTION_UNAVAILABLE',
    },
  )
})
