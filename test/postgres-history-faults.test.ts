import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type HistoryError, openHistory, openHistoryWriter } from '../history/index.ts'
import {
  batch,
  database,
  event,
  execute,
  idsIn,
  made,
  retried,
  roleWithoutRights,
  shutGate,
  terminateWriter,
} from './fixtures/postgres-history.ts'
import { startProxy } from './fixtures/proxy.ts'
import { until } from './fixtures/until.ts'

const anonymous = { ...event('x'), id: undefined }

test('each thing that keeps a history in PostgreSQL from being opened has its own message, without the password', async (t) => {
  const url = new URL(await database)
  const role = await roleWithoutRights(t)
  const { password } = url
  const altered = (change: (altered: URL) => void) => {
    const copy = new URL(url)
    change(copy)
    return copy.href
  }
  const cases: [address: string, code: string, says: RegExp][] = [
    [
      altered((copy) => (copy.password = 'wrong-secret')),
      'HISTORY_FOREIGN',
      /does not let us in \(password authentication failed .*: name the right user and password/,
    ],
    [
      altered((copy) => (copy.pathname = '/of_nobody')),
      'HISTORY_FOREIGN',
      /\/of_nobody is not there \(.*does not exist\): create the database/,
    ],
    [
      altered((copy) => Object.assign(copy, role)),
      'HISTORY_FOREIGN',
      /denies what is needed \(permission denied for database .*\): GRANT it/,
    ],
    [altered((copy) => (copy.port = '1')), 'HISTORY_UNAVAILABLE', /cannot be used now \(.*ECONNREFUSED/],
    [
      altered((copy) => copy.searchParams.set('sslmode', 'verify-full')),
      'HISTORY_FOREIGN',
      /cannot be talked to in secret \(The server does not support SSL/,
    ],
    [
      altered((copy) => copy.searchParams.set('exchange', 'cars')),
      'HISTORY_FOREIGN',
      /asked for exchange cars/,
    ],
  ]
  for (const [history, code, says] of cases) {
    await assert.rejects(openHistoryWriter({ history, exchange: 'orders' }), (error: HistoryError) => {
      assert.equal(error.code, code, error.message)
      assert.match(error.message, says)
      for (const secret of [password, 'wrong-secret', role.password]) {
        assert.ok(!JSON.stringify([error.message, error.stack]).includes(secret), error.message)
      }
      return true
    })
  }
})

test('a reader needs the right to read, and is told which', async (t) => {
  const history = await made(t, 'orders')
  const role = await roleWithoutRights(t)
  const url = Object.assign(new URL(history), role).href
  await using reader = openHistory({ history: url, exchange: 'orders' })
  await assert.rejects(reader.bounds(), {
    code: 'HISTORY_FOREIGN',
    message: /permission denied for schema backstory_history_orders.*GRANT/,
  })
  await execute(`GRANT USAGE ON SCHEMA backstory_history_orders TO ${role.username}`)
  await execute(`GRANT SELECT ON ALL TABLES IN SCHEMA backstory_history_orders TO ${role.username}`)
  assert.deepEqual(await reader.bounds(), { first: 1, head: 0 })
})

test('a connection that is lost in the middle of a batch is told; tried again, it is written once', async (t) => {
  const history = await made(t, 'orders')
  const writer = await openHistoryWriter({ history, exchange: 'orders' })
  t.after(() => writer.close())
  const gate = await shutGate(t)
  const lost = { events: [event('1'), anonymous, event('2')], fences: ['f'] }
  const appended = writer.append(lost)
  appended.catch(() => {})
  await gate.reached()
  await terminateWriter()
  await assert.rejects(appended, {
    code: 'HISTORY_UNAVAILABLE',
    message: /^The connection to postgres:\/\/127\.0\.0\.1:\d+\/\w+ was lost \(/,
  })
  await gate.open()
  assert.deepEqual(await writer.append(lost), { head: 3, recorded: 3, duplicates: 0, conflicts: 0 })
  assert.deepEqual(await idsIn(history), ['1', '-', '2'])
})

test('where the answer to a commit is lost, the batch is found again, its messages without identity too', async (t) => {
  const history = await made(t, 'orders')
  const proxy = await startProxy(t, history)
  const writer = await openHistoryWriter({ history: proxy.url, exchange: 'orders' })
  t.after(() => writer.close())
  await writer.append(batch('0'))
  proxy.deafen()
  const lost = { events: [event('1'), anonymous, event('2')], fences: [] }
  const appended = writer.append(lost)
  appended.catch(() => {})
  await using reader = openHistory({ history, exchange: 'orders' })
  await until('it is committed', async () => (await reader.bounds()).head === 4)
  proxy.cut()
  await assert.rejects(appended, { code: 'HISTORY_UNAVAILABLE' })
  assert.deepEqual(await writer.append(lost), { head: 4, recorded: 3, duplicates: 0, conflicts: 0 })
  assert.deepEqual(await idsIn(history), ['0', '1', '-', '2'])
})

test('a server that still works for a lost connection is made to let go of the lock', async (t) => {
  const history = await made(t, 'orders')
  const proxy = await startProxy(t, history)
  const writer = await openHistoryWriter({ history: proxy.url, exchange: 'orders' })
  t.after(() => writer.close())
  const gate = await shutGate(t)
  const lost = batch('1')
  const appended = writer.append(lost)
  appended.catch(() => {})
  await gate.reached()
  proxy.cut()
  await assert.rejects(appended, { code: 'HISTORY_UNAVAILABLE' })
  const again = retried(() => writer.append(lost))
  again.catch(() => {})
  await gate.reached({ byAnother: true })
  await gate.open()
  assert.deepEqual(await again, { head: 1, recorded: 1, duplicates: 0, conflicts: 0 })
})

test('no reader sees a position before those below it, though a commit is held back', async (t) => {
  const history = await made(t, 'orders')
  const writer = await openHistoryWriter({ history, exchange: 'orders' })
  t.after(() => writer.close())
  await writer.append(batch('1'))
  const gate = await shutGate(t)
  const heldBack = writer.append(batch('2', '3'))
  const later = writer.append(batch('4'))
  for (const append of [heldBack, later]) append.catch(() => {})
  await gate.reached()
  // Whoever would go ahead of it cannot: neither by the lock, nor past it.
  await assert.rejects(openHistoryWriter({ history, exchange: 'orders' }), { code: 'HISTORY_LOCKED' })
  const thief = execute('UPDATE backstory_history_orders.history SET epoch = epoch + 1')
  await using reader = openHistory({ history, exchange: 'orders' })
  assert.deepEqual(await reader.bounds(), { first: 1, head: 1 })
  const seen = new Set<number>()
  const look = async () => {
    const { length } = await reader.read({ after: 0 })
    seen.add(length)
    // It throws where a position is missing.
    assert.equal((await reader.summary()).count >= length, true)
    return length
  }
  assert.equal(await look(), 1)
  await gate.open()
  await Promise.all([heldBack, thief, until('the batch is seen', async () => (await look()) >= 3)])
  assert.deepEqual(
    [...seen].filter((length) => length === 2),
    [],
    'a batch is seen whole',
  )
  await later.catch((error: HistoryError) => assert.equal(error.code, 'HISTORY_LOCKED'))
})

test('a writer whose epoch is over cannot commit, whoever has the lock', async (t) => {
  const history = await made(t, 'orders')
  const writer = await openHistoryWriter({ history, exchange: 'orders' })
  t.after(() => writer.close())
  await writer.append(batch('1'))
  await execute('UPDATE backstory_history_orders.history SET epoch = epoch + 1')
  const over = { code: 'HISTORY_LOCKED', message: /has another recorder/ }
  await assert.rejects(writer.append(batch('2')), over)
  await assert.rejects(writer.append({ ...batch('2'), fences: ['f'] }), over)
  assert.deepEqual(await idsIn(history), ['1'])
})

test('a writer whose connection was ended does not go on where another has written meanwhile', async (t) => {
  const history = await made(t, 'orders')
  const first = await openHistoryWriter({ history, exchange: 'orders' })
  t.after(() => first.close())
  await first.append(batch('1'))
  await terminateWriter()
  const second = await retried(() => openHistoryWriter({ history, exchange: 'orders' }))
  await assert.rejects(first.append(batch('2')), { code: 'HISTORY_LOCKED' })
  await second.append(batch('2'))
  await second.close()
  await assert.rejects(first.append(batch('3')), { code: 'HISTORY_LOCKED' })
  assert.deepEqual(await idsIn(history), ['1', '2'])
})

test('a history that was dropped, or has lost what was recorded, stops its writer', async (t) => {
  const history = await made(t, 'orders')
  const dropped = await openHistoryWriter({ history, exchange: 'orders' })
  await dropped.append(batch('1'))
  await execute('DROP SCHEMA backstory_history_orders CASCADE')
  await assert.rejects(dropped.append(batch('2')), { code: 'HISTORY_REPLACED' })
  await dropped.close()
  const writer = await openHistoryWriter({ history, exchange: 'orders' })
  await writer.append(batch('1'))
  // As a server that has taken over, and had not all of it.
  await execute('DELETE FROM backstory_history_orders.checkpoints')
  await terminateWriter()
  await assert.rejects(
    retried(() => writer.append(batch('2'))),
    { code: 'HISTORY_REPLACED' },
  )
  await writer.close()
})
