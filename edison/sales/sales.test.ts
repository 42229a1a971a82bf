import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { openBook } from './book.ts'
import { openLedger } from './ledger.ts'
import { type Rejection, type SellOptions, sell } from './sales.ts'

const givenBook = fileURLToPath(new URL('../orders.jsonl', import.meta.url))

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'edison-sales-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

function bookOf(...entries: unknown[]): Readable {
  return Readable.from([Buffer.from(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''))])
}

function order(externalId: string, more: object = {}) {
  return {
    external_id: externalId,
    name: 'Edison One',
    price: 25_000,
    order_date: '2026-01-02',
    delivery_date: '2026-03-04',
    customer_name: 'Ada',
    ...more,
  }
}

const cancel = (externalId: string) => ({ external_id: externalId, cancel: true })

interface Announced {
  readonly sequence: number
  readonly id: string
  readonly type: string
  readonly subject: string
  readonly data: unknown
}

/** What the outbox of a database holds, in its order: nobody relays here. */
function announcedIn(path: string): Announced[] {
  const database = new Database(path, { readonly: true })
  const rows = database.prepare('SELECT * FROM backstory_outbox ORDER BY sequence').all()
  database.close()
  return (rows as { sequence: number; id: string; properties: string; body: Buffer }[]).map((row) => {
    const { type, headers } = JSON.parse(row.properties)
    const data = JSON.parse(row.body.toString())
    return { sequence: row.sequence, id: row.id, type, subject: headers['ce-subject'], data }
  })
}

/** A sales desk with a database of its own, that sells books of entries. */
function desk(t: TestContext, options: Partial<SellOptions> = {}) {
  const database = join(temporaryFolder(t), 'sales.db')
  const ledger = openLedger(database, { exchange: 'orders' })
  t.after(() => ledger.close())
  const rejections: Rejection[] = []
  const onRejected = (rejection: Rejection) => rejections.push(rejection)
  return {
    ledger,
    rejections,
    announced: () => announcedIn(database),
    ids: () => announcedIn(database).map(({ id }) => id),
    sell: (...entries: unknown[]) => sell({ book: bookOf(...entries), ledger, onRejected, ...options }),
  }
}

test('the given book comes out as counted, and a second sale of it announces nothing', async (t) => {
  const { ledger, rejections, announced } = desk(t)
  const onRejected = (rejection: Rejection) => rejections.push(rejection)
  const first = await sell({ book: await openBook(givenBook), ledger, onRejected })
  const counts = { lines: 5_205, blank: 5, placed: 5_000, cancelled: 100, alreadySold: 40, rejected: 60 }
  assert.deepEqual(first, counts)
  const events = announced()
  assert.equal(new Set(events.map(({ id }) => id)).size, 5_100)
  assert.deepEqual(
    events.map(({ sequence }) => sequence),
    Array.from({ length: 5_100 }, (_, index) => index + 1),
  )
  assert.equal(rejections.length, 60)
  assert.deepEqual(rejections.slice(0, 3), [
    { line: 22, reason: 'customer_name is empty' },
    { line: 225, reason: 'not JSON: Unexpected end of JSON input' },
    { line: 720, reason: 'customer_name is empty' },
  ])

  const second = await sell({ book: await openBook(givenBook), ledger })
  // The orders are already sold; their cancellations, already cancelled, are rejected.
  assert.deepEqual(second, { ...counts, placed: 0, cancelled: 0, alreadySold: 5_040, rejected: 160 })
  assert.equal(announced().length, 5_100)
})

test('an order travels with all that the book has, under an id and a subject made of its number', async (t) => {
  const { sell, announced } = desk(t)
  const sold = order('EC-1', { address: { city: 'Київ' }, options: ['tow bar'], note: 'ring twice' })
  await sell(sold, cancel('EC-1'))
  assert.deepEqual(
    announced().map(({ sequence, ...event }) => event),
    [
      { type: 'order.placed', id: 'order.placed:EC-1', subject: 'EC-1', data: sold },
      { type: 'order.cancelled', id: 'order.cancelled:EC-1', subject: 'EC-1', data: { external_id: 'EC-1' } },
    ],
  )
})

test('a repeat is sold once, also after its cancellation; what contradicts the ledger is rejected', async (t) => {
  const { sell, ids, rejections } = desk(t)
  const counts = await sell(
    cancel('EC-1'),
    order('EC-1', { options: ['a'], address: 'Oslo' }),
    order('EC-1', { address: 'Oslo', options: ['a'] }),
    order('EC-1', { address: 'Bergen', price: 1 }),
    cancel('EC-1'),
    cancel('EC-1'),
    order('EC-1', { options: ['a'], address: 'Oslo' }),
  )
  assert.deepEqual(counts, { lines: 7, blank: 0, placed: 1, cancelled: 1, alreadySold: 2, rejected: 3 })
  assert.deepEqual(ids(), ['order.placed:EC-1', 'order.cancelled:EC-1'])
  assert.deepEqual(rejections, [
    { line: 1, reason: 'cancels EC-1, which was never sold' },
    { line: 4, reason: 'EC-1 is already sold with another address, options, price' },
    { line: 6, reason: 'cancels EC-1, which is already cancelled' },
  ])
})

test('a reason quotes the book without its control characters', async (t) => {
  const { sell, rejections } = desk(t)
  await sell(cancel('\u{1b}[2J\u{9b}31m'))
  assert.equal(rejections[0]?.reason, 'cancels \u{fffd}[2J\u{fffd}31m, which was never sold')
})

test('an order and its event stand or fall together, also where the sale is killed', async (t) => {
  const database = join(temporaryFolder(t), 'sales.db')
  const fixture = fileURLToPath(new URL('./killed-sale.fixture.ts', import.meta.url))
  const arguments_ = [...process.execArgv, fixture, givenBook, database, '777']
  const [code, signal] = await once(spawn(process.execPath, arguments_, { stdio: 'inherit' }), 'exit')
  assert.deepEqual({ code, signal }, { code: null, signal: 'SIGKILL' })

  const ledger = openLedger(database, { exchange: 'orders' })
  t.after(() => ledger.close())
  const orders = new Database(database, { readonly: true })
  t.after(() => orders.close())
  const expected = () =>
    orders
      .prepare(`
        SELECT 'order.placed:' || external_id FROM orders
        UNION ALL SELECT 'order.cancelled:' || external_id FROM orders WHERE cancelled ORDER BY 1`)
      .pluck()
      .all()
  const ids = () => announcedIn(database).map(({ id }) => id)
  assert.deepEqual(ids().sort(), expected())
  // The page at work when it died is gone as a whole.
  assert.ok(ids().length > 0 && ids().length < 777)
  await sell({ book: await openBook(givenBook), ledger })
  assert.equal(ids().length, 5_100)
  assert.deepEqual(ids().sort(), expected())
})

test('a page whose transaction fails leaves neither orders nor events', async (t) => {
  const { ledger, sell, ids } = desk(t)
  const failing = (line: string) => {
    throw new Error(`no ${line}`)
  }
  assert.throws(() =>
    ledger.transaction(() => {
      ledger.enter(order('EC-1') as never, '{}')
      failing('commit')
    }),
  )
  assert.equal(ledger.find('EC-1'), undefined)
  assert.deepEqual(ids(), [])
  assert.throws(() => ledger.enter(order('EC-2') as never, '{}'), { code: 'PUBLISH_OUTSIDE_TRANSACTION' })
  await sell(order('EC-1'))
  assert.deepEqual(ids(), ['order.placed:EC-1'])
})

test('a database of an earlier version is taken over once all its events are published', async (t) => {
  const path = join(temporaryFolder(t), 'sales.db')
  const old = new Database(path)
  old.exec(readFileSync(new URL('./migrations/0000_orders.sql', import.meta.url), 'utf8'))
  old.exec(`
    CREATE TABLE __drizzle_migrations (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at numeric);
    INSERT INTO __drizzle_migrations (hash, created_at) VALUES ('old', 1795223923123);
    INSERT INTO orders VALUES ('EC-1', 'Edison One', 1, '2026-01-02', '2026-03-04', 'Ada', '{}', 0);
    INSERT INTO order_events (type, external_id, published) VALUES ('order.placed', 'EC-1', 0)`)
  assert.throws(() => openLedger(path, { exchange: 'orders' }), {
    code: 'SALES_DATABASE_UNUSABLE',
    message: /finish the sale with the version/,
  })
  old.exec('UPDATE order_events SET published = 1')
  old.close()
  const ledger = openLedger(path, { exchange: 'orders' })
  t.after(() => ledger.close())
  assert.equal(ledger.find('EC-1')?.cancelled, false)
})

test('two halves of a book sold one after the other count like the whole', async (t) => {
  const { ledger } = desk(t)
  const sellRange = async (range: Pick<SellOptions, 'fromLine' | 'toLine'>) =>
    sell({ book: await openBook(givenBook), ledger, ...range })
  const [one, two] = [await sellRange({ toLine: 2_600 }), await sellRange({ fromLine: 2_601 })]
  assert.equal(one.lines, 2_600)
  assert.equal(one.placed + two.placed, 5_000)
  assert.equal(one.rejected + two.rejected, 60)
})

test('selling waits for onProgress, which sees the counts so far', async (t) => {
  const { ledger } = desk(t)
  let calls = 0
  const onProgress: SellOptions['onProgress'] = async ({ lines }) => {
    calls++
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(lines, calls)
  }
  const book = Readable.from(
    ['EC-1', 'EC-2', 'EC-3'].map((id) => Buffer.from(`${JSON.stringify(order(id))}\n`)),
  )
  await sell({ book, ledger, onProgress })
  assert.equal(calls, 3)
})

test('a rate spreads the events over time', async (t) => {
  const atRate = desk(t, { rate: 100 })
  const startedAt = performance.now()
  await atRate.sell(...Array.from({ length: 20 }, (_, index) => order(`EC-${index}`)))
  const elapsedMs = performance.now() - startedAt
  assert.ok(elapsedMs >= 195, `20 events at 100 a second took ${elapsedMs} ms`)
  await assert.rejects(desk(t, { rate: 0 }).sell(), TypeError)
})

test('a failure of the book is thrown, and what was stored stays sold', async (t) => {
  const { ledger, ids } = desk(t)
  async function* book() {
    yield Buffer.from(`${JSON.stringify(order('EC-1'))}\n`)
    throw Object.assign(new Error('the disk is gone'), { code: 'EIO' })
  }
  await assert.rejects(sell({ book: book(), ledger }), { code: 'EIO' })
  assert.deepEqual(ids(), ['order.placed:EC-1'])
})

test('a database that is none is refused by code, and left as it was', async (t) => {
  const database = join(temporaryFolder(t), 'sales.db')
  writeFileSync(database, 'this is no SQLite database, whatever it is called\n'.repeat(50))
  const open = (path: string) => () => openLedger(path, { exchange: 'orders' })
  assert.throws(open(database), { code: 'SALES_DATABASE_UNUSABLE' })
  assert.match(readFileSync(database, 'utf8'), /^this is no SQLite database/)
  assert.throws(open('/nowhere/sales.db'), { code: 'SALES_DATABASE_UNUSABLE' })
})
