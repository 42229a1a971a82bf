import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import { migrate } from 'drizzle-orm/better-sqlite3/migrator'
import type { OrderPlaced } from './events.ts'
import { reconcile } from './reconcile.ts'
import { openBook } from './sales/book.ts'
import { openLedger } from './sales/ledger.ts'
import { sell } from './sales/sales.ts'

const givenBook = fileURLToPath(new URL('./orders.jsonl', import.meta.url))

const hostileLines = [
  Buffer.from('{"external_id": "EC-B", "cancel": false}'),
  Buffer.from('{"external_id": "EC-A", "cancel": true}'),
  Buffer.from('{"external_id": 7, "cancel": true}'),
  Buffer.from('{"external_id": "EC-BIG", "note": 1e999}'),
  Buffer.from(`{"external_id": "${'x'.repeat(201)}", "cancel": true}`),
  Buffer.from([0x7b, 0xff, 0x7d]),
  Buffer.from(`{"external_id": "${'x'.repeat(1_048_576)}"}`),
  Buffer.from('\t'),
  Buffer.from('true'),
]

function order(externalId: string, more: object = {}): string {
  const required = { name: 'Edison One', price: 1, order_date: '2028-02-29', delivery_date: '2028-02-29' }
  return JSON.stringify({ external_id: externalId, ...required, customer_name: 'Ada', ...more })
}

interface Sold {
  /** Path of the book that was sold; the given one by default. */
  book?: string
}

/** The two consumers' databases after a book was sold: what a toolkit without fault leaves behind. */
async function sold(t: TestContext, { book = givenBook }: Sold = {}) {
  const folder = temporaryFolder(t)
  const open = (name: string) => {
    const database = new Database(join(folder, `${name}.db`))
    t.after(() => database.close())
    database.pragma('journal_mode = WAL')
    const migrationsFolder = fileURLToPath(new URL(`./${name}/migrations`, import.meta.url))
    migrate(drizzle(database), { migrationsFolder })
    return database
  }
  const production = open('production')
  const shipping = open('shipping')
  const standing = new Map<string, OrderPlaced>()
  const ledger = openLedger(join(folder, 'sales.db'), { exchange: 'orders' })
  const counts = await sell({
    book: await openBook(book),
    ledger: {
      ...ledger,
      enter(order, content) {
        ledger.enter(order, content)
        standing.set(order.external_id, order)
      },
      cancel(externalId) {
        ledger.cancel(externalId)
        standing.delete(externalId)
      },
    },
  })
  ledger.close()
  const json = (value: unknown) => (value == null ? null : JSON.stringify(value))
  const addCar = production.prepare('INSERT INTO cars VALUES (?, ?, ?, ?)')
  production.transaction(() => {
    for (const [id, { name, options, delivery_date }] of standing) {
      addCar.run(id, name, json(options ?? []), delivery_date)
    }
  })()
  const addDelivery = shipping.prepare('INSERT INTO deliveries VALUES (?, ?, ?, ?, ?)')
  shipping.transaction(() => {
    for (const [id, { name, customer_name, address, delivery_date }] of standing) {
      addDelivery.run(id, name, customer_name, json(address), delivery_date)
    }
  })()
  const check = () =>
    reconcile({ book, production: join(folder, 'production.db'), shipping: join(folder, 'shipping.db') })
  return { folder, book, counts, production, shipping, check }
}

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'edison-reconcile-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

/** The first lines of the given book: small, for the tests that break something. */
function smallBook(t: TestContext): Sold {
  const book = join(temporaryFolder(t), 'book.jsonl')
  writeFileSync(book, readFileSync(givenBook, 'utf8').split('\n').slice(0, 300).join('\n'))
  return { book }
}

test('the given book and two faithful consumers agree, while their databases are open', async (t) => {
  const { check, counts } = await sold(t)
  assert.deepEqual(check(), { ok: true, orders: counts, rows: 4_900, differenceCount: 0, differences: [] })
})

test('the auditor and sales judge every kind of line alike', async (t) => {
  const book = join(temporaryFolder(t), 'book.jsonl')
  const orders = [
    order('EC-A', { options: { b: 1, a: [null, 'Zoë 🚗'] }, address: 'Oslo' }),
    order('EC-A', { address: 'Oslo', options: { a: [null, 'Zoë 🚗'], b: 1 } }),
    order('EC-A', { options: { b: 2, a: [null, 'Zoë 🚗'] }, address: 'Oslo' }),
    order('EC-B'),
    order('EC-B', { note: undefined }),
    order('EC-C', { order_date: '2027-02-29' }),
    order('EC-C', { delivery_date: '2028-02-28' }),
    order('EC-C', { customer_name: '\u{2003}' }),
    order('EC-C', { price: '1' }),
    order('EC-C', { note: '\u{d83d}' }),
    order('EC-C', { note: '['.repeat(70) }),
    order('EC-C').replace('"price":1', `"price":1,"note":${'['.repeat(70)}${']'.repeat(70)}`),
  ].map((line) => Buffer.from(line))
  const lines = [...orders, ...hostileLines, orders[0]!].flatMap((line) => [line, Buffer.from('\r\n')])
  writeFileSync(book, Buffer.concat([Buffer.from('\u{feff}'), ...lines, Buffer.from(order('EC-LAST'))]))
  const { check, counts } = await sold(t, { book })
  const result = check()
  assert.deepEqual(counts, { lines: 23, blank: 1, placed: 4, cancelled: 1, alreadySold: 3, rejected: 14 })
  assert.deepEqual(result, { ok: true, orders: counts, rows: 3, differenceCount: 0, differences: [] })
})

test('a missing row is told', async (t) => {
  const { production, check } = await sold(t, smallBook(t))
  production.exec("DELETE FROM cars WHERE external_id = 'EC-07-000001'")
  const { ok, differences } = check()
  assert.equal(ok, false)
  assert.deepEqual(differences, ['production lacks EC-07-000001'])
})

test('a row too many is told: a car that was never sold, or one that was cancelled', async (t) => {
  const { shipping, check } = await sold(t, smallBook(t))
  for (const id of ['EC-X', 'EC-07-000049']) {
    shipping.prepare("INSERT INTO deliveries VALUES (?, 'Edison One', 'Ada', NULL, '2026-01-01')").run(id)
  }
  const { ok, differences } = check()
  assert.equal(ok, false)
  assert.deepEqual(differences, [
    'shipping has EC-X, which it should not have',
    'shipping has EC-07-000049, which it should not have',
  ])
})

test('a changed row is told, column by column', async (t) => {
  const { production, shipping, check } = await sold(t, smallBook(t))
  production.exec(`UPDATE cars SET options = '["sails"]', model = 'Boat' WHERE external_id = 'EC-07-000001'`)
  shipping.exec(`UPDATE deliveries SET address = '{"city":"Rome"}' WHERE external_id = 'EC-07-000002'`)
  const { ok, differences } = check()
  assert.equal(ok, false)
  assert.deepEqual(differences, [
    'production\'s EC-07-000001 has model "Boat", the book "Edison Van"',
    'production\'s EC-07-000001 has options ["sails"], the book ["fast charger","heat pump"]',
    'shipping\'s EC-07-000002 has address {"city":"Rome"}, the book {"city":"Torino","country":"IT"}',
  ])
})

test('the first 20 differences are told and all are counted', async (t) => {
  const { production, check } = await sold(t, smallBook(t))
  production.exec('DELETE FROM cars')
  const { differenceCount, differences, rows } = check()
  assert.ok(rows > 200)
  assert.equal(differenceCount, rows)
  assert.equal(differences.length, 20)
})

test('a database that is missing or empty is a difference, not a crash', async (t) => {
  const { folder, book, shipping } = await sold(t, smallBook(t))
  shipping.exec('DROP TABLE deliveries')
  const { ok, differences } = reconcile({
    book,
    production: join(folder, 'nowhere.db'),
    shipping: join(folder, 'shipping.db'),
  })
  assert.equal(ok, false)
  assert.equal(differences.length, 2)
  assert.match(differences[0]!, /^production's database .*nowhere\.db cannot be read: unable to open/)
  assert.match(differences[1]!, /^shipping's database .* no such table: deliveries$/)
})
