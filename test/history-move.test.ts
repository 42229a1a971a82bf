import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import {
  auditHistory,
  copyHistory,
  exportHistory,
  importHistory,
  openHistoryKeeper,
  verifyHistory,
} from '../history/index.ts'
import {
  hostile,
  openReader,
  order,
  orders,
  record,
  transferFolder,
} from '../history/transfer/transfer.fixture.ts'
import { testPostgres } from './fixtures/postgres.ts'

const database = testPostgres({ after })

async function assertSame(t: TestContext, one: string, other: string): Promise<void> {
  const [a, b] = [openReader(t, one), openReader(t, other)]
  for (const [mine, theirs] of [
    [a, b],
    [b, a],
  ] as const) {
    const { clean, different } = await verifyHistory(mine, { against: theirs })
    assert.deepEqual(different, { count: 0, listed: [] })
    assert.ok(clean)
  }
  assert.deepEqual(await b.summary(), await a.summary())
  assert.deepEqual(await auditHistory(b), await auditHistory(a))
}

test('a history copied from SQLite to PostgreSQL and back is the same, byte for byte', async (t) => {
  const { path } = transferFolder(t)
  const [first, postgres, second] = [path('first.db'), await database, path('second.db')]
  const messages = [...orders(600), ...hostile, order(3, { sequence: 601 }), order(4, { sequence: 602 })]
  await record(first, [...messages, ...orders(200, { from: 603 })])
  const reader = openReader(t, first)
  await using keeper = await openHistoryKeeper({ history: first })
  await keeper.erase({ subject: 'EC-7', reason: 'asked to', by: 'me' })
  await keeper.prune({ type: 'order.paid', keepEvents: 300, force: true })
  const controller = new AbortController()
  const onProgress = () => controller.abort(new Error('interrupted'))
  const interrupted = copyHistory(reader, { to: postgres, signal: controller.signal, onProgress })
  await interrupted.catch((error: Error) => assert.equal(error.message, 'interrupted'))
  await record(first, orders(300, { from: 803 }))
  await copyHistory(reader, { to: postgres })
  await assertSame(t, first, postgres)
  assert.equal((await copyHistory(reader, { to: postgres })).copied, 0)
  await copyHistory(openReader(t, postgres), { to: second })
  for (const history of [postgres, second]) {
    const erasures = await openReader(t, history).erasures({ after: 0 })
    assert.deepEqual(erasures, await reader.erasures({ after: 0 }))
  }
  await assertSame(t, first, second)
  // And by way of files: an export of either is the same.
  const [fromSqlite, fromPostgres] = [path('sqlite'), path('postgres')]
  const { parts } = await exportHistory(reader, { to: fromSqlite, partEvents: 300 })
  const exported = await exportHistory(openReader(t, postgres), { to: fromPostgres, partEvents: 300 })
  assert.deepEqual(exported.parts, parts)
  const again = await importHistory({ from: fromSqlite, history: postgres })
  assert.equal(again.present, again.head)
  await record(first, [order(5_000)])
  await exportHistory(reader, { to: path('more'), after: again.head })
  const { imported, head } = await importHistory({ from: path('more'), history: postgres })
  assert.deepEqual([imported, head], [1, again.head + 1])
  await using postgresKeeper = await openHistoryKeeper({ history: postgres })
  const next = await postgresKeeper.erase({ subject: 'EC-8', reason: 'asked to', by: 'me' })
  assert.equal(next?.number, 2, 'numbers go on behind those that came along')
})
