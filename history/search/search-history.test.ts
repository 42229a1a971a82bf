import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { compilePattern, type Properties, silentLogger } from '../../events/index.ts'
import type { HistoryReader } from '../reader.ts'
import { openSqliteHistory } from '../sqlite/sqlite-reader.ts'
import { openSqliteWriter } from '../sqlite/sqlite-writer.ts'
import type { NewEvent } from '../writer.ts'
import { parseCondition } from './condition.ts'
import { type SearchOptions, searchHistory } from './search-history.ts'

async function historyOf(
  t: TestContext,
  bodies: readonly (string | Buffer)[],
  properties: Properties = {},
): Promise<HistoryReader> {
  const folder = await mkdtemp(join(tmpdir(), 'backstory-search-'))
  const path = join(folder, 'history.db')
  const writer = await openSqliteWriter({ path, exchange: 'orders' })
  const events = bodies.map((body, index): NewEvent => {
    const message = { exchange: 'orders', routingKey: '', properties, body: Buffer.from(body as string) }
    return {
      id: `${index}`,
      source: '/s',
      type: index % 2 === 0 ? 'even' : 'odd',
      subject: undefined,
      message,
    }
  })
  await writer.append({ events, fences: [] })
  await writer.close()
  const reader = openSqliteHistory({ path })
  t.after(async () => {
    await reader.close()
    await rm(folder, { recursive: true, force: true })
  })
  return reader
}

async function positions(reader: HistoryReader, options: SearchOptions): Promise<number[]> {
  const found: number[] = []
  for await (const { events } of searchHistory(reader, options)) {
    found.push(...events.map(({ position }) => position))
  }
  return found
}

test('a text is found in the body as it was published, in any case where that is asked for', async (t) => {
  const latin1 = Buffer.from('Stra\xdfe 7', 'latin1')
  const reader = await historyOf(t, ['{"city":"Köln"}', 'a+b (c) [d]', latin1, '', '{"city":"KÖLN"}'])
  const find = (texts: string[], ignoreCase = false) => positions(reader, { texts, ignoreCase })
  assert.deepEqual(await find(['Köln']), [1])
  assert.deepEqual(await find(['köln'], true), [1, 5])
  assert.deepEqual(await find(['A+B (C) [D]'], true), [2], 'it is no pattern')
  assert.deepEqual(await find(['a.b'], true), [])
  assert.deepEqual(await find(['traße']), [3], 'no UTF-8')
  assert.deepEqual(await find(['city', 'Köln']), [1], 'all of them')
})

test('conditions are on what parses as JSON, and all of them must hold', async (t) => {
  const bodies = ['{"n":1,"m":1}', '{"n":1,"m":2}', 'n=1', '{"n":', Buffer.from([0xff]), ' [{"n":1}]']
  const reader = await historyOf(t, bodies)
  const find = (...texts: string[]) => positions(reader, { where: texts.map(parseCondition) })
  assert.deepEqual(await find('$.n=1'), [1, 2])
  assert.deepEqual(await find('$.n=1', '$.m>1'), [2])
  assert.deepEqual(await find('$[*].n=1'), [6])
  assert.deepEqual(await find('$.n!=1'), [3, 4, 5, 6])
})

test('a search that was ended by its limit goes on behind what it told, in either direction', async (t) => {
  const reader = await historyOf(
    t,
    Array.from({ length: 1_300 }, (_, index) => `{"n":${index + 1}}`),
  )
  for (const newestFirst of [false, true]) {
    const found: number[] = []
    let range = { after: 7, upTo: 1_290 }
    for (let isMore = true; isMore; ) {
      isMore = false
      const where = [parseCondition('$.n>600')]
      const options = { ...range, where, filter: { types: ['odd'] }, limit: 99, newestFirst }
      for await (const { events, through } of searchHistory(reader, options)) {
        found.push(...events.map(({ position }) => position))
        isMore ||= events.length > 0
        range = newestFirst ? { ...range, upTo: through - 1 } : { ...range, after: through }
      }
    }
    const expected = Array.from({ length: 1_290 - 600 }, (_, index) => index + 601).filter((n) => n % 2 === 0)
    assert.deepEqual(found, newestFirst ? expected.toReversed() : expected)
  }
})

test('a search ends between two pages where its signal says so', async (t) => {
  const reader = await historyOf(t, ['a', 'b'])
  const signal = AbortSignal.abort(new Error('enough'))
  await assert.rejects(positions(reader, { signal }), /enough/)
})

test('an event that is nested too deep for a pattern is told and left out, and the search goes on', async (t) => {
  const deep = `{"a":${'['.repeat(1_200)}1${']'.repeat(1_200)}}`
  const reader = await historyOf(t, ['{"a":1}', deep, '{"a":1}'], {
    contentType: 'application/json',
  })
  const told: unknown[] = []
  const warn = (event: string, fields?: object) => void told.push({ event, ...fields })
  const logger = { ...silentLogger, warn }
  const pattern = compilePattern({ data: { a: [1] } })
  assert.deepEqual(await positions(reader, { pattern, logger }), [1, 3])
  const error = "An event's arrays are nested deeper than 1000"
  assert.deepEqual(told, [{ event: 'search.unjudged', position: 2, error }])
})
