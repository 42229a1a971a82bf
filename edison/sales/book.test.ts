import assert from 'node:assert/strict'
import { PassThrough, Readable } from 'node:stream'
import { test } from 'node:test'
import { type BookLine, openBook, type ReadBookOptions, readBook } from './book.ts'
import { SalesError } from './errors.ts'

async function read(book: string | Buffer, options?: ReadBookOptions): Promise<BookLine[]> {
  const lines: BookLine[] = []
  for await (const page of readBook(Readable.from([Buffer.from(book)]), options)) lines.push(...page)
  return lines
}

test('each line is an entry, blank or rejected, with its number', async () => {
  const book = Buffer.concat([
    Buffer.from('\u{feff}{"a":1}\r\n \t\n{"a":\n'),
    Buffer.from([0x22, 0xc3, 0x28, 0x22, 0x0a]),
    Buffer.from('[1]\nnull'),
  ])
  assert.deepEqual(await read(book), [
    { line: 1, kind: 'entry', entry: { a: 1 } },
    { line: 2, kind: 'blank' },
    { line: 3, kind: 'rejected', reason: 'not JSON: Unexpected end of JSON input' },
    { line: 4, kind: 'rejected', reason: 'not UTF-8' },
    { line: 5, kind: 'entry', entry: [1] },
    { line: 6, kind: 'entry', entry: null },
  ])
})

test('a line beyond the limit is rejected, and reading goes on', async () => {
  assert.deepEqual(await read(`1\n"${'x'.repeat(1_024 * 1_024)}"\n2`), [
    { line: 1, kind: 'entry', entry: 1 },
    { line: 2, kind: 'rejected', reason: 'longer than 1048576 bytes' },
    { line: 3, kind: 'entry', entry: 2 },
  ])
})

test('a range of lines keeps the numbers of the whole book', async () => {
  const lines = async (options: ReadBookOptions) =>
    (await read('1\n\n3\n4\n5', { pageSize: 2, ...options })).map(({ line }) => line)
  assert.deepEqual(await lines({ fromLine: 2, toLine: 4 }), [2, 3, 4])
  assert.deepEqual(await lines({ fromLine: 5 }), [5])
  assert.deepEqual(await lines({ toLine: 1 }), [1])
  assert.deepEqual(await lines({ fromLine: 9 }), [])
})

test('pages are never larger than asked', async () => {
  const sizes: number[] = []
  for await (const page of readBook(Readable.from([Buffer.from('1\n'.repeat(7))]), { pageSize: 3 })) {
    sizes.push(page.length)
  }
  assert.deepEqual(sizes, [3, 3, 1])
})

test('a line from a pipe comes out while the pipe is open, and the last one asked for ends the reading', async () => {
  const pipe = new PassThrough()
  const pages = readBook(pipe, { toLine: 2 })
  pipe.write('1\n2')
  assert.deepEqual((await pages.next()).value, [{ line: 1, kind: 'entry', entry: 1 }])
  pipe.write('3\n')
  assert.deepEqual((await pages.next()).value, [{ line: 2, kind: 'entry', entry: 23 }])
  assert.equal((await pages.next()).done, true)
})

test('a missing book and a folder are told apart by code', async () => {
  await assert.rejects(openBook('/nowhere/orders.jsonl'), (error: SalesError) => {
    assert.ok(error instanceof SalesError)
    assert.equal(error.code, 'BOOK_NOT_FOUND')
    assert.match(error.message, /\/nowhere\/orders\.jsonl/)
    return true
  })
  await assert.rejects(openBook('/tmp'), { code: 'BOOK_UNREADABLE' })
})

test('a book that is opened and not read to the end is closed', async () => {
  const book = await openBook(new URL(import.meta.url).pathname)
  const closed = new Promise((resolve) => book.on('close', resolve))
  for await (const page of readBook(book, { toLine: 1 })) assert.equal(page.length, 1)
  await closed
})
