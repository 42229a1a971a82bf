import assert from 'node:assert/strict'
import { test } from 'node:test'
import { act, allDone, create, eventOf, opened, sqlStorageContract } from './sql-storage.contract.ts'
import { sqlitePlace } from './sqlite-place.fixture.ts'

sqlStorageContract('sqlite', sqlitePlace)

test('sqlite: a file that others use keeps its journal mode, and one that is not there is not made', async (t) => {
  const { address, database } = await sqlitePlace(t)
  database.exec('CREATE TABLE orders (id TEXT PRIMARY KEY)')
  await allDone(await opened(t, { address }, { columns: { id: '$.id' } }), [{ id: 'a' }])
  // A connection learns of it when it next reads the file.
  assert.equal(database.prepare('SELECT count(*) FROM orders').pluck().get(), 1)
  assert.equal(database.pragma('journal_mode', { simple: true }), 'delete')
  const missing = create({ address: `${address}.missing` }, { columns: { id: '$.id' } })
  await assert.rejects(missing.open({ state: undefined }), { code: 'REPLAY_ACTION_UNAVAILABLE' })
})

test('sqlite: a table that another connection writes is waited for, or told as throttled', async (t) => {
  const { address, database } = await sqlitePlace(t)
  database.exec('CREATE TABLE orders (id TEXT PRIMARY KEY); BEGIN IMMEDIATE')
  const action = await opened(t, { address }, { columns: { id: '$.id' }, timeoutMs: 50 })
  await assert.rejects(act(action, [{ id: 'a' }]), { kind: 'throttled', code: 'SQLITE_BUSY' })
  database.exec('COMMIT')
  await allDone(action, [{ id: 'a' }])
})

test('sqlite: a table in which a conflict rolls back the transaction ends only its row', async (t) => {
  const { address, database } = await sqlitePlace(t)
  database.exec(
    'CREATE TABLE orders (id TEXT PRIMARY KEY, n INTEGER CHECK (n > 0) , UNIQUE (n) ON CONFLICT ROLLBACK)',
  )
  const action = await opened(t, { address }, { mode: 'insert', key: [], columns: { id: '$.id', n: '$.n' } })
  const outcomes = await act(action, [
    { id: 'a', n: 1 },
    { id: 'b', n: 1 },
  ])
  assert.equal(outcomes[0], 'done')
  assert.deepEqual(database.prepare('SELECT id FROM orders').pluck().all(), ['a'])
  await allDone(action, [{ id: 'c', n: 2 }])
})

test('sqlite: a constraint that is checked at the commit is found in its row', async (t) => {
  const { address, database } = await sqlitePlace(t)
  database.exec(`CREATE TABLE customers (id TEXT PRIMARY KEY);
    INSERT INTO customers VALUES ('c');
    CREATE TABLE orders (id TEXT PRIMARY KEY, customer TEXT REFERENCES customers DEFERRABLE INITIALLY DEFERRED)`)
  const action = await opened(t, { address }, { columns: { id: '$.id', customer: '$.customer' } })
  const outcomes = await act(
    action,
    ['c', 'c', 'nobody', 'c'].map((customer, at) => ({ id: String(at), customer })),
  )
  assert.deepEqual(outcomes.slice(0, 2), ['done', 'done'])
  assert.equal((outcomes[2] as { code?: string }).code, 'SQLITE_CONSTRAINT_FOREIGNKEY')
  assert.deepEqual(database.prepare('SELECT id FROM orders').pluck().all(), ['0', '1'])
})

test('sqlite: options that cannot be are refused when the action is made', async () => {
  const wrong: [options: object, says: RegExp][] = [
    [{ table: undefined }, /needs the option `table`/],
    [{ table: 'a..b' }, /names no table/],
    [{ table: 'a."b' }, /Expected `table`/],
    [{ mode: 'replace' }, /`mode` to be insert or upsert or delete/],
    [{ key: 'other' }, /key "other" has to be one of `columns`: id/],
    [{ key: ['id', 'id'] }, /each column once/],
    [{ key: [] }, /needs the option `key`/],
    [{ columns: {} }, /at least one column/],
    [{ columns: { id: '$.' } }, /mapping of "id"/],
    [{ surplus: 1 }, /has no option `surplus`/],
  ]
  for (const [options, message] of wrong) {
    assert.throws(() => create({ address: 'sqlite:x.db' }, { columns: { id: '$.id' }, ...options }), {
      name: 'TypeError',
      message,
    })
  }
  assert.throws(() => create({ address: 'sqlite:' }, {}), TypeError)
})

test('what is to be done is known without a server, and without the secrets of its address', () => {
  const secret = 'geheim'
  for (const address of [
    `postgres://user:${secret}@db.example:1/shop`,
    `mysql://user:${secret}@db.example:1/shop`,
    `sqlserver://user:${secret}@db.example:1/shop`,
  ]) {
    const action = create({ address }, { columns: { id: '$.id', total: '$.total' } })
    const write = action.describe(action.prepare(eventOf({ id: 'a', total: 2 })))
    assert.equal(write.kind, 'sql')
    assert.match(JSON.stringify(write), /total/)
    assert.equal(action.isLocal, false)
    assert.match(action.name, /^upsert \w+:\/\/db\.example:1\/shop orders$/)
    assert.ok(!JSON.stringify([write, action.name]).includes(secret))
  }
  for (const scheme of ['postgres', 'mysql', 'sqlserver']) {
    const address = `${scheme}://user:50%${secret}@localhost/shop`
    assert.throws(
      () => create({ address }, { columns: { id: '$.id' } }),
      (error: Error) => error instanceof TypeError && !error.message.includes(secret),
    )
  }
  for (const host of ['localhost', '127.0.0.1', '[::1]'])
    for (const scheme of ['postgres', 'mysql', 'mariadb', 'sqlserver'])
      assert.equal(create({ address: `${scheme}://${host}/shop` }, { columns: { id: '$.id' } }).isLocal, true)
})
