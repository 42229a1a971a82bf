import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import mssql from 'mssql'
import { act, allDone, create, opened, type SqlPlace, sqlStorageContract } from './sql-storage.contract.ts'
import { createTable, selectAll } from './sql-tables.fixture.ts'
import { SqlServerStub } from './sqlserver-stub.fixture.ts'

const address = process.env.BACKSTORY_TEST_SQLSERVER
const columns = { id: '$.id', total: '$.total' }

sqlStorageContract('sqlserver', async (t) =>
  address === undefined ? stubPlace().place : await realPlace(t, address),
)

test('sqlserver: an error that says nothing of the row is told as what helps, and nothing of it stays', async (t) => {
  const errors: [at: 'request' | 'commit', error: object, kind: string, code: string][] = [
    ['request', { number: 1205, code: 'EREQUEST' }, 'done', ''],
    ['request', { number: 9002, code: 'EREQUEST' }, 'unavailable', '9002'],
    ['request', { number: 50_000, class: 20, code: 'EREQUEST' }, 'unavailable', '50000'],
    ['request', { code: 'ETIMEOUT' }, 'unavailable', 'ETIMEOUT'],
    ['commit', { code: 'ESOCKET' }, 'unavailable', 'ESOCKET'],
  ]
  for (const [at, error, kind, code] of errors) {
    const { stub, place } = stubPlace()
    await place.makeTable('orders', { columns: { id: 'text', total: 'integer' }, key: ['id'] })
    const action = await opened(t, place, { columns })
    stub.next = { at, error }
    if (kind === 'done') await allDone(action, [{ id: 'a', total: 1 }])
    else await assert.rejects(act(action, [{ id: 'a', total: 1 }]), { kind, code })
    assert.equal(stub.calls.begin, stub.calls.commit + stub.calls.rollback)
    await allDone(action, [{ id: 'a', total: 1 }])
    assert.equal(stub.calls.connect, kind === 'done' ? 1 : 2)
  }
})

test('sqlserver: an insert whose commit was not answered is skipped when it is done again', async (t) => {
  const { stub, place } = stubPlace()
  await place.makeTable('orders', { columns: { id: 'text', total: 'integer' }, key: ['id'] })
  const action = await opened(t, place, { columns, mode: 'insert' })
  stub.next = { at: 'commit', error: { code: 'ESOCKET' } }
  await assert.rejects(act(action, [{ id: 'a', total: 1 }]), { kind: 'unavailable' })
  assert.deepEqual(await act(action, [{ id: 'a', total: 1 }]), ['skipped'])
})

test('sqlserver: it connects as the address says, and its errors hold no password', async () => {
  const stub = new SqlServerStub()
  const secret = 'geheim'
  const named = {
    address: `sqlserver://sa:${secret}@db.example:14330/shop?trustServerCertificate=true&encrypt=false`,
    drivers: { sqlServer: async () => stub.driver },
  }
  const action = create(named, { columns, timeoutMs: 1_234 })
  stub.next = { at: 'connect', error: { code: 'ELOGIN' } }
  await assert.rejects(action.open({ state: undefined }), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'REPLAY_ACTION_UNAVAILABLE')
    return !error.message.includes(secret)
  })
  const { options, pool, ...config } = stub.config!
  assert.deepEqual(config, {
    server: 'db.example',
    port: 14_330,
    user: 'sa',
    password: secret,
    database: 'shop',
    connectionTimeout: 5_000,
    requestTimeout: 1_234,
  })
  assert.deepEqual(options, { appName: 'backstory replay', encrypt: false, trustServerCertificate: true })
  assert.deepEqual(pool, { max: 1, min: 0 })
  await action.close()
  for (const wrong of ['sqlserver://h/d?surplus=1', 'sqlserver://h/d?encrypt=maybe', 'sqlserver://h:x/d'])
    assert.throws(() => create({ address: wrong }, { columns }), TypeError)
})

test('sqlserver: the package itself has what is used of it, and a server that is away is unavailable', async () => {
  const action = create({ address: 'sqlserver://sa:geheim@127.0.0.1:1/shop' }, { columns })
  await assert.rejects(action.open({ state: undefined }), { code: 'REPLAY_ACTION_UNAVAILABLE' })
  await action.close()
})

function stubPlace(): { stub: SqlServerStub; place: SqlPlace } {
  const stub = new SqlServerStub()
  const drivers = { sqlServer: async () => stub.driver }
  const place: SqlPlace = {
    address: 'sqlserver://sa@127.0.0.1/shop',
    drivers,
    codes,
    async makeTable(name, shape) {
      stub.tables.set(name, { shape, rows: [] })
    },
    async read(name, shape) {
      const [first] = Object.keys(shape.columns)
      const rows = stub.tables.get(name)!.rows.map((row) => Object.fromEntries(row))
      const isNumber = shape.columns[first!] === 'integer'
      return rows.sort((a, b) =>
        isNumber ? Number(a[first!]) - Number(b[first!]) : a[first!]! < b[first!]! ? -1 : 1,
      )
    },
    async run({ statement, parameters }) {
      const { ConnectionPool, Transaction, Request, NVarChar } = stub.driver
      const pool = new ConnectionPool({ server: 'x' })
      await pool.connect()
      const transaction = new Transaction(pool)
      await transaction.begin()
      const request = new Request(transaction)
      for (const [at, value] of parameters.entries()) request.input(`p${at}`, NVarChar(4_000), value)
      await request.query(statement)
      await transaction.commit()
    },
  }
  return { stub, place }
}

const codes = {
  duplicateKey: '2627',
  duplicate: '2627',
  noTable: '208',
  noColumn: '207',
  isNull: '515',
  check: '547',
  wrongType: '8114',
  tooLong: '2628',
}

const words = {
  quote: (name: string) => `[${name.replaceAll(']', ']]')}]`,
  types: {
    text: 'nvarchar(100) COLLATE Latin1_General_100_BIN2',
    integer: 'bigint',
    number: 'float',
    decimal: 'decimal(20, 4)',
    boolean: 'bit',
    timestamp: 'datetime2(6)',
    date: 'date',
    json: 'nvarchar(max)',
    bytes: 'varbinary(100)',
  },
}

/** In a database of its own on the server that the environment names, as a user who may make some. */
async function realPlace(t: TestContext, server: string): Promise<SqlPlace> {
  const url = new URL(server)
  const config = (database: string | undefined) => ({
    server: url.hostname,
    port: Number(url.port || 1433),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    ...(database !== undefined && { database }),
    options: { trustServerCertificate: true },
  })
  const name = `backstory_test_${randomBytes(8).toString('hex')}`
  const master = await new mssql.ConnectionPool(config(undefined)).connect()
  await master.query(`CREATE DATABASE ${name}`)
  const pool = await new mssql.ConnectionPool(config(name)).connect()
  t.after(async () => {
    await pool.close()
    await master.query(
      `ALTER DATABASE ${name} SET SINGLE_USER WITH ROLLBACK IMMEDIATE; DROP DATABASE ${name}`,
    )
    await master.close()
  })
  url.pathname = `/${name}`
  url.search = '?trustServerCertificate=true'
  return {
    address: url.href,
    codes,
    async makeTable(table, shape) {
      await pool.query(createTable(table, shape, words))
    },
    async read(table, shape) {
      const { recordset } = await pool.query<Record<string, string | null>>(
        selectAll(table, shape, { quote: words.quote, asText }),
      )
      return [...recordset]
    },
    async run({ statement, parameters }) {
      const request = pool.request()
      for (const [at, value] of parameters.entries()) request.input(`p${at}`, value)
      await request.query(statement)
    },
  }
}

function asText(column: string, kind: string): string {
  if (kind === 'bytes') return `LOWER(CONVERT(varchar(max), ${column}, 2))`
  if (kind === 'boolean') return `CASE ${column} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END`
  if (kind === 'timestamp') return `CONVERT(varchar(30), ${column}, 126) + 'Z'`
  if (kind === 'date') return `CONVERT(varchar(10), ${column}, 23)`
  return `CONVERT(nvarchar(max), ${column})`
}
