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
import { recordingPublisher } from './publisher.fixture.ts'
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

/** A sales desk with a database of its own, that sells books of entries. */
function desk(t: TestContext, options: Partial<SellOptions> = {}) {
  const database = join(temporaryFolder(t), 'sales.db')
  const publisher = recordingPublisher()
  const rejections: Rejection[] = []
  const onRejected = (rejection: Rejection) => rejections.push(rejection)
  return {
    database,
    publisher,
    rejections,
    ids: () => publisher.events.map(({ id }) => id),
    sell: (...entries: unknown[]) =>
      sell({ book: bookOf(...entries), database, publisher, onRejected, ...options }),
  }
}

test('the given book comes out as counted, and a second sale of it publishes nothing', async (t) => {
  const { database, publisher, rejections } = desk(t)
  const onRejected = (rejection: Rejection) => rejections.push(rejection)
  const first = await sell({ book: await openBook(givenBook), database, publisher, onRejected })
  const counts = { lines: 5_205, blank: 5, placed: 5_000, cancelled: 100, alreadySold: 40, rejected: 60 }
  assert.deepEqual(first, counts)
  assert.equal(publisher.events.length, 5_100)
  assert.equal(new Set(publisher.events.map(({ id }) => id)).size, 5_100)
  assert.equal(rejections.length, 60)
  assert.deepEqual(rejections.slice(0, 3), [
    { line: 22, reason: 'customer_name is empty' },
    { line: 225, reason: 'not JSON: Unexpected end of JSON input' },
    { line: 720, reason: 'customer_name is empty' },
  ])

  const second = await sell({ book: await openBook(givenBook), database, publisher })
  // The orders are already sold; their cancellations, already cancelled, are rejected.
  assert.deepEqual(second, { ...counts, placed: 0, cancelled: 0, alreadySold: 5_040, rejected: 160 })
  assert.equal(publisher.events.length, 5_100)
})

test('an order travels with all that the book has, under an id and a subject made of its number', async (t) => {
  const { sell, publisher } = desk(t)
  const sold = order('EC-1', { address: { city: 'Київ' }, options: ['tow bar'], note: 'ring twice' })
  await sell(sold, cancel('EC-1'))
  assert.deepEqual(publisher.events, [
    { type: 'order.placed', id: 'order.placed:EC-1', subject: 'EC-1', data: sold },
    { type: 'order.cancelled', id: 'order.cancelled:EC-1', subject: 'EC-1', data: { external_id: 'EC-1' } },
  ])
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

test('what was stored and not confirmed is published first at the next start, in its order', async (t) => {
  const { sell: sellAgain, database, ids } = desk(t)
  const publisher = recordingPublisher({ refuse: ({ subject }) => subject !== 'EC-2' })
  const book = bookOf(order('EC-1'), order('EC-2'), cancel('EC-1'), order('EC-3'))
  await assert.rejects(sell({ book, database, publisher }), { code: 'PUBLISH_UNCONFIRMED' })
  assert.deepEqual(
    publisher.events.map(({ id }) => id),
    ['order.placed:EC-2'],
  )
  // Even where there is nothing more to sell.
  await sellAgain()
  const owed = ['order.placed:EC-1', 'order.cancelled:EC-1', 'order.placed:EC-3']
  assert.deepEqual(ids(), owed)
  await sellAgain(order('EC-4'))
  assert.deepEqual(ids(), [...owed, 'order.placed:EC-4'])
})

test('a sale killed between storing and publishing loses no event', async (t) => {
  const folder = temporaryFolder(t)
  const database = join(folder, 'sales.db')
  const published = join(folder, 'published')
  const fixture = fileURLToPath(new URL('./killed-sale.fixture.ts', import.meta.url))
  const arguments_ = ['--import', 'tsx', fixture, givenBook, database, published, '777']
  const [code, signal] = await once(spawn(process.execPath, arguments_, { stdio: 'inherit' }), 'exit')
  assert.deepEqual({ code, signal }, { code: null, signal: 'SIGKILL' })

  const ledger = new Database(database, { readonly: true })
  const owed = ledger.prepare('SELECT count(*) FROM order_events WHERE published = 0').pluck().get()
  const marked = ledger.prepare('SELECT count(*) FROM order_events WHERE published = 1').pluck().get()
  ledger.close()
  assert.ok(Number(owed) > 0, 'nothing was left to publish: the kill came too late to show anything')

  const publisher = recordingPublisher()
  await sell({ book: await openBook(givenBook), database, publisher })
  const before = readFileSync(published, 'utf8').trimEnd().split('\n')
  assert.equal(before.length, 777)
  const after = publisher.events.map(({ id }) => id)
  assert.equal(after.length, 5_100 - Number(marked))
  assert.equal(new Set([...before, ...after]).size, 5_100)
  // Sent and not marked is sent again; nothing that follows overtakes it.
  assert.deepEqual(after.slice(0, 777 - Number(marked)), before.slice(Number(marked)))
})

test('two halves of a book sold one after the other count like the whole', async (t) => {
  const { database, publisher } = desk(t)
  const sellRange = async (range: Pick<SellOptions, 'fromLine' | 'toLine'>) =>
    sell({ book: await openBook(givenBook), database, publisher, ...range })
  const [one, two] = [await sellRange({ toLine: 2_600 }), await sellRange({ fromLine: 2_601 })]
  assert.equal(one.lines, 2_600)
  assert.equal(one.placed + two.placed, 5_000)
  assert.equal(one.rejected + two.rejected, 60)
})

test('publishes are pipelined, and never more than a bound', async (t) => {
  const { database, publisher } = desk(t)
  await sell({ book: await openBook(givenBook), database, publisher })
  assert.ok(publisher.inFlightMax >= 200, `${publisher.inFlightMax}`)
  assert.ok(publisher.inFlightMax <= 1_000, `${publisher.inFlightMax}`)
})

test('selling waits for onProgress, which sees the counts so far', async (t) => {
  const { database, publisher } = desk(t)
  let calls = 0
  const onProgress: SellOptions['onProgress'] = async ({ lines }) => {
    calls++
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(lines, calls)
  }
  const book = Readable.from(
    ['EC-1', 'EC-2', 'EC-3'].map((id) => Buffer.from(`${JSON.stringify(order(id))}\n`)),
  )
  await sell({ book, database, publisher, onProgress })
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

test('a failure of the book is thrown once what was stored is published', async (t) => {
  const { database, publisher, ids } = desk(t)
  async function* book() {
    yield Buffer.from(`${JSON.stringify(order('EC-1'))}\n`)
    throw Object.assign(new Error('the disk is gone'), { code: 'EIO' })
  }
  await assert.rejects(sell({ book: book(), database, publisher }), { code: 'EIO' })
  assert.deepEqual(ids(), ['order.placed:EC-1'])
})

test('a database that is none is refused by code, and left as it was', async (t) => {
  const database = join(temporaryFolder(t), 'sales.db')
  writeFileSync(database, 'this is no SQLite database, whatever it is called\n'.repeat(50))
  const sold = sell({ book: bookOf(), database, publisher: recordingPublisher() })
  await assert.rejects(sold, { code: 'SALES_DATABASE_UNUSABLE' })
  assert.match(readFileSync(database, 'utf8'), /^this is no SQLite database/)
  const nowhere = sell({ book: bookOf(), database: '/nowhere/sales.db', publisher: recordingPublisher() })
  await assert.rejects(nowhere, { code: 'SALES_DATABASE_UNUSABLE' })
})
