import assert from 'node:assert/strict'
import { Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { HandlerFailure } from '../consumers/handler-failure.ts'
import { readStore } from '../consumers/open-store.ts'
import { openPostgresStore } from '../consumers/postgres/postgres-store.ts'
import { storeContract } from '../consumers/store.contract.ts'
import { type ConsumerStore, initialState } from '../consumers/store.ts'
import { MessageEvent, toMessage } from '../events/index.ts'
import { openPostgres, type PostgresClient, sendQuery } from '../history/index.ts'
import { ownPostgres, testPostgres } from './fixtures/postgres.ts'
import { startProgram } from './fixtures/program.ts'
import { until } from './fixtures/until.ts'

const shipping = { consumer: 'shipping', exchange: 'orders' }
const never = new AbortController().signal
const leaseMs = 600
const message = toMessage({ type: 'order.placed', data: {} }, { exchange: 'orders', source: '/sales' })
const event = new MessageEvent({ source: '/sales', id: '1', type: 'order.placed', subject: 's' }, message)

storeContract('postgres', async (t) => {
  const url = await testPostgres(t)
  return {
    open: () => openHeld<unknown>(t, { url, prepare: withNotes }),
    write: (tx, text) => write(tx as PostgresClient, text),
    count: async (tx) => (await notes(tx as PostgresClient)).length,
  }
})

test('a second instance stands by, and has the store as soon as the first one closes', async (t) => {
  const url = await testPostgres(t)
  const first = await openHeld(t, { url })
  const second = await openPostgresStore({ ...shipping, url })
  t.after(() => second.close())
  let isHeld = false
  const acquired = second.acquire(never).then(() => {
    isHeld = true
  })
  await first.transaction((transaction) => transaction.save({ ...initialState, cursor: 3 }))
  // The standby has looked by now: it asks for the lease with its first statement.
  await until('the standby asks', () => hasConnections(url, 'backstory lease of shipping', 2))
  assert.equal(isHeld, false)
  const closedAt = performance.now()
  await first.close()
  await acquired
  assert.ok(performance.now() - closedAt < 2_000, 'it did not wait for the lease to run out')
  assert.equal((await second.state()).cursor, 3)
})

test('a standby that is told to stop does, and leaves the holder alone', async (t) => {
  const url = await testPostgres(t)
  const first = await openHeld(t, { url })
  const second = await openPostgresStore({ ...shipping, url })
  const stop = new AbortController()
  const acquiring = second.acquire(stop.signal)
  stop.abort()
  await acquiring
  await second.close()
  await first.transaction((transaction) => transaction.save(initialState))
})

test('a holder that is frozen loses the store with its open transaction, and is refused when it wakes up', async (t) => {
  const url = await testPostgres(t)
  const client = await openNotes(t, url)
  const frozen = startProgram<{ done: number; at: string; code?: string }>(t, 'store-holder', {
    url,
    leaseMs,
    owner: 'frozen',
  })
  await frozen.until('is in a transaction', ({ done, at }) => done === 0 && at === 'in transaction')
  frozen.tell('commit')
  await frozen.until('is in the next', ({ done, at }) => done === 1 && at === 'in transaction')
  frozen.signal('SIGSTOP')
  const next = await openHeld(t, { url, leaseMs })
  await next.transaction(async ({ tx }) => write(tx, 'next 0'))
  assert.deepEqual(await notes(client), ['frozen 0', 'next 0'])
  frozen.signal('SIGCONT')
  frozen.tell('commit')
  const { code } = await frozen.until('is refused', ({ code }) => code === 'CONSUMER_SUPERSEDED')
  assert.equal(code, 'CONSUMER_SUPERSEDED')
  await next.transaction(async ({ tx }) => write(tx, 'next 1'))
  assert.deepEqual(await notes(client), ['frozen 0', 'next 0', 'next 1'])
})

test('a holder that is killed is followed when its lease has run out', async (t) => {
  const url = await testPostgres(t)
  const client = await openNotes(t, url)
  const killed = startProgram<{ at: string }>(t, 'store-holder', { url, leaseMs, owner: 'killed' })
  await killed.until('is in a transaction', ({ at }) => at === 'in transaction')
  await killed.kill()
  const killedAt = performance.now()
  const next = await openHeld(t, { url, leaseMs })
  assert.ok(performance.now() - killedAt < leaseMs * 5)
  await next.transaction(async ({ tx }) => write(tx, 'next'))
  assert.deepEqual(await notes(client), ['next'])
})

test('a transaction longer than the lease goes on while its process lives', async (t) => {
  const url = await testPostgres(t)
  const first = await openHeld(t, { url, leaseMs })
  const second = await openPostgresStore({ ...shipping, url, leaseMs })
  t.after(() => second.close())
  const stop = new AbortController()
  const acquiring = second.acquire(stop.signal)
  await first.transaction(async (transaction) => {
    await transaction.tx.query('SELECT pg_sleep($1)', [(leaseMs * 3) / 1_000])
    await transaction.save({ ...initialState, cursor: 9 })
  })
  stop.abort()
  await acquiring
  assert.equal((await first.state()).cursor, 9)
})

test('another hand that sets the marks is noticed before anything is written', async (t) => {
  const url = await testPostgres(t)
  const client = await openNotes(t, url)
  const store = await openHeld(t, { url })
  await client.query('UPDATE backstory_consumers SET cursor = 5, generation = generation + 1')
  const attempt = () => store.transaction(async ({ tx }) => write(tx, 'late'))
  await assert.rejects(attempt(), { code: 'CONSUMER_SUPERSEDED' })
  await assert.rejects(attempt(), { code: 'CONSUMER_SUPERSEDED' })
  await store.acquire(never)
  assert.equal((await store.state()).cursor, 5)
  await attempt()
  assert.deepEqual(await notes(client), ['late'])
})

test('a server that is killed in mid-transaction makes the store unavailable, not a handler fail', async (t) => {
  const server = await ownPostgres(t)
  const store = await openHeld(t, { url: server.url, prepare: withNotes })
  const dies = store.transaction(async ({ tx }) => {
    await write(tx, 'lost')
    await server.kill()
    await write(tx, 'never')
  })
  await assert.rejects(dies, { code: 'CONSUMER_STORE_UNAVAILABLE' })
  await assert.rejects(store.state(), { code: 'CONSUMER_STORE_UNAVAILABLE' })
  await server.start()
  const after = await store.transaction(async ({ tx }) => {
    await write(tx, 'kept')
    return await notes(tx)
  })
  assert.deepEqual(after, ['kept'], 'on a connection that was prepared anew')
})

test('a commit whose answer was lost is not tried again: the marks are read anew', async (t) => {
  const server = await ownPostgres(t)
  const store = await openHeld(t, { url: server.url, prepare: withNotes })
  const client = await openPostgres(server.url, { name: 'test' })
  const waits = (name: string) => async () => {
    const query = `SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = $1`
    return (await client.query(query, [name])).rowCount === 1
  }
  const probe = await openPostgres(server.url, { name: 'probe' })
  await probe.query('CREATE TABLE probe (number int)')
  // With a standby server that never answers, a commit is on the disk here and does not return.
  await client.query(`ALTER SYSTEM SET synchronous_standby_names = 'nobody'`)
  await client.query('SELECT pg_reload_conf()')
  const probing = (async () => {
    while (true) await probe.query('INSERT INTO probe VALUES (1)')
  })()
  probing.catch(() => {})
  await until('commits wait', waits('probe'))
  const commits = store.transaction(async (transaction) => {
    await write(transaction.tx, 'once')
    await transaction.save({ ...initialState, cursor: 1 })
  })
  const refused = assert.rejects(commits, { code: 'CONSUMER_SUPERSEDED' })
  await until('the commit waits', waits('backstory consumer shipping'))
  // Not reloaded: for the next start only. It waits for nobody itself.
  await client.query(`SET synchronous_commit = 'local'`)
  await client.query('ALTER SYSTEM RESET synchronous_standby_names')
  await server.kill()
  await refused
  await server.start()
  await assert.rejects(
    store.transaction((transaction) => transaction.save(initialState)),
    { code: 'CONSUMER_SUPERSEDED' },
    'what the consumer knows is old',
  )
  await store.acquire(never)
  assert.equal((await store.state()).cursor, 1)
  assert.deepEqual(await store.transaction(async ({ tx }) => notes(tx)), ['once'])
})

test('a constraint that fails at the commit refuses it, and nothing was written', async (t) => {
  const url = await testPostgres(t)
  const store = await openHeld(t, {
    url,
    prepare: async (database) => {
      await database.query('CREATE TABLE notes (text text UNIQUE DEFERRABLE INITIALLY DEFERRED)')
      return database
    },
  })
  const twice = store.transaction(async (transaction) => {
    await write(transaction.tx, 'same')
    await write(transaction.tx, 'same')
    await transaction.save({ ...initialState, cursor: 2 })
  })
  await assert.rejects(twice, { code: 'CONSUMER_COMMIT_REFUSED', message: /duplicate key/ })
  assert.deepEqual(await store.state(), initialState)
  assert.deepEqual(await store.transaction(async ({ tx }) => notes(tx)), [])
})

test('a handler that goes on after a failed statement does not commit half of its work', async (t) => {
  const url = await testPostgres(t)
  const store = await openHeld(t, { url, prepare: withNotes })
  const attempt = (save: boolean) =>
    store.transaction(async (transaction) => {
      await write(transaction.tx, 'one')
      await transaction.tx.query('SELECT 1 / 0').catch(() => {})
      if (save) await transaction.save({ ...initialState, cursor: 2 })
    })
  for (const save of [true, false])
    await assert.rejects(attempt(save), { code: 'CONSUMER_COMMIT_REFUSED', message: /the handler went on/ })
  assert.deepEqual(await store.transaction(async ({ tx }) => notes(tx)), [])
  await store.transaction(async ({ tx }) => {
    await write(tx, 'one')
    await tx.query('SAVEPOINT attempt')
    await tx.query('SELECT 1 / 0').catch(() => tx.query('ROLLBACK TO attempt'))
  })
  assert.deepEqual(await store.transaction(async ({ tx }) => notes(tx)), ['one'])
})

test('a statement that is sent and not waited for commits with the rest, or says why nothing does', async (t) => {
  const store = await openHeld(t, { url: await testPostgres(t), prepare: withNotes })
  const send = (tx: PostgresClient, values: unknown[]) =>
    sendQuery(tx, { text: 'INSERT INTO notes VALUES ($1)', values })
  await store.transaction(async (transaction) => {
    for (const text of ['one', 'two']) send(transaction.tx, [text])
    await transaction.save({ ...initialState, cursor: 2 })
  })
  const fails = store.transaction(async (transaction) => {
    send(transaction.tx, ['three'])
    sendQuery(transaction.tx, { text: 'INSERT INTO nowhere VALUES (1)' })
    await transaction.save({ ...initialState, cursor: 4 })
  })
  await assert.rejects(fails, {
    code: 'CONSUMER_COMMIT_REFUSED',
    message: /relation "nowhere" does not exist/,
  })
  // Whoever waits for an answer behind it meets a transaction that is broken already.
  const meets = store.transaction(async ({ tx, parking }) => {
    sendQuery(tx, { text: 'INSERT INTO nowhere VALUES (1)' })
    await parking.counts()
  })
  await assert.rejects(meets, { code: 'CONSUMER_COMMIT_REFUSED', message: /"nowhere" does not exist/ })
  const meetsInHandler = store.transaction(async ({ tx }) => {
    sendQuery(tx, { text: 'INSERT INTO nowhere VALUES (1)' })
    await write(tx, 'three').catch((error: unknown) => {
      throw new HandlerFailure(error, 1, event)
    })
  })
  await assert.rejects(meetsInHandler, { code: 'CONSUMER_COMMIT_REFUSED', message: /"nowhere"/ })
  assert.deepEqual(await store.transaction(async ({ tx }) => notes(tx)), ['one', 'two'])
  assert.equal((await store.state()).cursor, 2)
})

test('what is sent in one turn shares system calls, and does not all wait for the end of the turn', async (t) => {
  const store = await openHeld(t, { url: await testPostgres(t), prepare: withNotes })
  await store.transaction(async ({ tx }) => {
    const { mock } = t.mock.method(Socket.prototype as unknown as { _writev(): void }, '_writev')
    for (let number = 0; number < 1_000; number++) {
      sendQuery(tx, { name: 'note', text: 'INSERT INTO notes VALUES ($1)', values: [`note ${number}`] })
    }
    const calls = mock.callCount()
    mock.restore()
    assert.ok(calls > 1 && calls < 50, String(calls))
    const { rows } = await tx.query("SELECT FROM pg_prepared_statements WHERE name = 'note'")
    assert.equal(rows.length, 1)
  })
  assert.equal((await store.transaction(async ({ tx }) => notes(tx))).length, 1_000)
})

test('a statement is sent on no other connection than the one that the store has made', () => {
  const send = () => sendQuery({} as PostgresClient, { text: 'SELECT 1' })
  assert.throws(send, { name: 'TypeError', message: /the connection that `prepare` was given/ })
})

test('a handler that ends the transaction itself is told so', async (t) => {
  const store = await openHeld(t, { url: await testPostgres(t), prepare: withNotes })
  const ends = store.transaction(async ({ tx }) => tx.query('COMMIT'))
  await assert.rejects(ends, { code: 'CONSUMER_COMMIT_REFUSED', message: /SAVEPOINT/ })
})

test('identities and subjects of any length and any characters are kept and told apart', async (t) => {
  const store = await openHeld(t, { url: await testPostgres(t) })
  // Longer than an entry of an index, and not to be compressed into one.
  const characters = Array.from({ length: 4_000 }, (_, n) =>
    String.fromCodePoint(0x4e00 + ((n * 7_919) % 20_000)),
  )
  const long = characters.join('')
  const identities = [
    { source: 'a', id: 'x\0y' },
    { source: 'a', id: 'x' },
    { source: '\u0001"x\\u0000y"', id: '{,"\\}' },
    { source: long, id: long },
    { source: long, id: `${long}.` },
  ]
  await store.transaction((transaction) => transaction.add(identities))
  assert.deepEqual(await store.waiting(), identities)
  const marks = (others: typeof identities) => store.transaction((transaction) => transaction.marks(others))
  assert.deepEqual(
    await marks(identities),
    identities.map(() => 'waiting'),
  )
  assert.deepEqual(await marks([{ source: 'a', id: 'x\u0001y' }]), [undefined])

  const subjects = ['s\0', 's', long]
  const events = subjects.map(
    (subject) => new MessageEvent({ ...identities[0]!, type: 'x\0', subject }, message),
  )
  const parked = { part: 'apply', reason: 'failed', position: 1, error: undefined, attempts: 1 } as const
  await store.transaction(async ({ parking, reactions }) => {
    await parking.park(events.map((event) => ({ ...parked, event, parkedAt: 1, dueAt: 1 })))
    await reactions.add(events.map((event) => ({ event, position: undefined })))
  })
  const { due, held, reacting } = await store.transaction(async ({ parking, reactions }) => ({
    due: await parking.due('apply', { now: 1, limit: 10 }),
    held: await parking.held('apply', [...subjects, `${long}.`, 's\u0001']),
    reacting: await reactions.first(10),
  }))
  assert.deepEqual([...held].sort(), [...subjects].sort())
  for (const found of [due, reacting])
    assert.deepEqual(
      found.map(({ subject, id, type, message }) => ({ subject, id, type, message })),
      subjects.map((subject) => ({ subject, id: 'x\0y', type: 'x\0', message })),
    )
})

test('a statement with too few values is the handler’s mistake, and not a server that is away', async (t) => {
  const store = await openHeld(t, { url: await testPostgres(t), prepare: withNotes })
  const mistaken = store.transaction(async ({ tx }) => {
    const statement = { name: 'note', text: 'INSERT INTO notes VALUES ($1)' }
    await tx.query({ ...statement, values: ['one'] })
    await tx.query({ ...statement, values: [] })
  })
  await assert.rejects(mistaken, { code: '08P01' })
})

test('a commit is on the disk even where the database waives that', async (t) => {
  const url = await testPostgres(t)
  const client = await openNotes(t, url)
  await client.query(`ALTER DATABASE ${new URL(url).pathname.slice(1)} SET synchronous_commit = off`)
  const store = await openHeld(t, { url })
  const { rows } = await store.transaction(({ tx }) => tx.query('SHOW synchronous_commit'))
  assert.deepEqual(rows, [{ synchronous_commit: 'on' }])
})

test('several instances that open an empty database at once all find their tables', async (t) => {
  const url = await testPostgres(t)
  const names = ['a', 'b', 'c', 'd', 'e', 'f']
  const stores = await Promise.all(
    names.map((consumer) => openPostgresStore({ url, consumer, exchange: 'orders' })),
  )
  await Promise.all(stores.map((store) => store.acquire(never)))
  await Promise.all(stores.map((store) => store.close()))
  assert.deepEqual(
    (await readStore(url)).map(({ name, state }) => [name, state]),
    names.map((name) => [name, initialState]),
  )
})

test('a database that holds no consumer, or one of another exchange, is refused by name and without password', async (t) => {
  const url = await testPostgres(t)
  const { password, pathname } = new URL(url)
  const refusal = (message: RegExp) => (error: Error & { code?: string }) => {
    assert.equal(error.code, 'CONSUMER_STORE_FOREIGN')
    assert.match(error.message, message)
    return !error.message.includes(password)
  }
  await assert.rejects(readStore(url), refusal(/holds no consumer/))
  await openHeld(t, { url })
  await assert.rejects(
    openPostgresStore({ url, consumer: 'shipping', exchange: 'cars' }),
    refusal(/of exchange orders, not of cars/),
  )
  const missing = url.replace(pathname, '/nowhere')
  await assert.rejects(openPostgresStore({ ...shipping, url: missing }), refusal(/nowhere.*does not exist/))
  await assert.rejects(openPostgresStore({ ...shipping, url: 'postgres://127.0.0.1:1/x' }), {
    code: 'CONSUMER_STORE_UNAVAILABLE',
  })
})

test('a user without the right to make tables runs a consumer where they are there', async (t) => {
  const url = await testPostgres(t)
  await (await openHeld(t, { url })).close()
  const client = await openNotes(t, url)
  const role = `limited_${process.pid}_${Date.now()}`
  await client.query(`CREATE ROLE ${role} LOGIN PASSWORD 'x'`)
  await client.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${role}`)
  const limited = new URL(url)
  limited.username = role
  limited.password = 'x'
  const store = await openHeld(t, { url: limited.href })
  await store.transaction(async ({ tx }) => write(tx, 'one'))
  await store.close()
  assert.deepEqual(await notes(client), ['one'])
  await client.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
})

/** A store in hand, closed after the test. */
async function openHeld<Tx = PostgresClient>(
  t: TestContext,
  options: { url: string; leaseMs?: number; prepare?: (database: PostgresClient) => Promise<Tx> },
): Promise<ConsumerStore<Tx>> {
  const store = await openPostgresStore<Tx>({ ...shipping, ...options })
  t.after(() => store.close())
  await store.acquire(never)
  return store
}

async function withNotes(database: PostgresClient): Promise<PostgresClient> {
  await database.query('CREATE TABLE IF NOT EXISTS notes (text text)')
  return database
}

/** A connection of the test's own, to a database that has the table. */
async function openNotes(t: TestContext, url: string): Promise<PostgresClient> {
  const client = await openPostgres(url, { name: 'test' })
  t.after(() => client.end())
  return await withNotes(client)
}

async function write(tx: PostgresClient, text: string): Promise<void> {
  await tx.query('INSERT INTO notes VALUES ($1)', [text])
}

async function notes(client: PostgresClient): Promise<string[]> {
  const { rows } = await client.query<{ text: string }>('SELECT text FROM notes ORDER BY text')
  return rows.map(({ text }) => text)
}

async function hasConnections(url: string, name: string, count: number): Promise<boolean> {
  const client = await openPostgres(url, { name: 'test' })
  const { rowCount } = await client.query('SELECT FROM pg_stat_activity WHERE application_name = $1', [name])
  await client.end()
  return rowCount === count
}
