import assert from 'node:assert/strict'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { connect } from 'node:net'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { attributesOf, toMessage } from '../../events/index.ts'
import { openHistoryWriter } from '../open-history.ts'
import { getRaw, type Line, served } from './feed.fixture.ts'

const events = '/exchanges/orders/events'

async function all(lines: AsyncGenerator<Line>): Promise<{ positions: unknown[]; last: Line }> {
  const found: Line[] = []
  for await (const line of lines) found.push(line)
  const last = found.pop()!
  return { positions: found.map(({ position }) => position), last }
}

test('events come as CloudEvents in position order, and a mark says how far', async (t) => {
  const { lines, append } = await served(t, { events: 3 })
  const found: Line[] = []
  for await (const line of lines(events)) found.push(line)
  const [first, , , mark] = found
  const { specversion, id, source, type, subject, data, position } = first!
  assert.deepEqual(
    { specversion, id, source, type, subject, data, position },
    {
      specversion: '1.0',
      id: '1',
      source: '/sales',
      type: 'b',
      subject: 'EC-1',
      data: { number: 1 },
      position: 1,
    },
  )
  assert.deepEqual(mark, { through: 3, first: 1, head: 3 })
  await append(700)
  assert.deepEqual((await all(lines(`${events}?after=1&limit=2`))).positions, [2, 3])
  assert.deepEqual((await all(lines(`${events}?after=1&upTo=2`))).last, { through: 2, first: 1, head: 703 })
  assert.deepEqual(await all(lines(`${events}?after=703`)), {
    positions: [],
    last: { through: 703, first: 1, head: 703 },
  })
  const whole = await all(lines(events))
  const everyPosition = Array.from({ length: 703 }, (_, index) => index + 1)
  assert.deepEqual(whole.positions, everyPosition)
  assert.deepEqual((await all(lines(`${events}?order=newest`))).positions, everyPosition.toReversed())
})

test('of the newest of each subject come these alone, and the mark passes over the others', async (t) => {
  const { lines, url } = await served(t, { events: 30 })
  const newest = await all(lines(`${events}?latest=true&upTo=25`))
  assert.deepEqual(newest.positions, [16, 17, 18, 19, 20, 21, 22, 23, 24, 25])
  assert.deepEqual(newest.last, { through: 25, first: 1, head: 30 })
  const nothing = await all(lines(`${events}?latest=true&upTo=25&limit=15`))
  assert.deepEqual([nothing.positions, nothing.last.through], [[], 15])
  for (const other of ['order=newest', 'follow=true', 'type=a', 'subject=EC-1']) {
    const answer = await fetch(new URL(`${events}?latest=true&${other}`, url))
    const { code } = (await answer.json()) as { code: string }
    assert.deepEqual([answer.status, code], [400, 'FEED_PARAMETER_INVALID'], other)
  }
})

test('a filter that lets nothing through moves the mark all the same', async (t) => {
  const { lines } = await served(t, { events: 30 })
  assert.deepEqual(await all(lines(`${events}?type=of%20none&after=3`)), {
    positions: [],
    last: { through: 30, first: 1, head: 30 },
  })
  const chosen = await all(lines(`${events}?type=a&type=b&subject=EC-3&source=/sales`))
  assert.deepEqual(chosen.positions, [3, 13])
  const newest = await all(lines(`${events}?type=a&order=newest&limit=2`))
  assert.deepEqual(newest, { positions: [30, 27], last: { through: 27, first: 1, head: 30 } })
})

test('a pattern picks what is answered, and the mark tells how far was looked; what is none gets a 400 with its place', async (t) => {
  const { lines, url, append } = await served(t, { events: 30 })
  const asked = (pattern: unknown, more = '') =>
    `/exchanges/orders/events?pattern=${encodeURIComponent(JSON.stringify(pattern))}${more}`
  const answered = async (path: string) => {
    const found: Line[] = []
    for await (const line of lines(path)) found.push(line)
    return [found.slice(0, -1).map(({ id }) => id), found.at(-1)!.through]
  }
  const even = { type: ['a'], data: { number: [{ numeric: ['>', 12] }] } }
  assert.deepEqual(await answered(asked(even)), [['15', '18', '21', '24', '27', '30'], 30])
  assert.deepEqual(await answered(asked(even, '&limit=2')), [['15', '18'], 18])
  assert.deepEqual(await answered(asked(even, '&limit=2&order=newest')), [['30', '27'], 27])
  assert.deepEqual(await answered(asked(even, '&subject=EC-1&upTo=29')), [['21'], 29])
  assert.deepEqual(await answered(asked({ type: ['z'] })), [[], 30])
  const following = lines(asked({ data: { number: [31, 33] } }, '&follow=true'))
  assert.equal((await following.next()).value!.through, 30)
  await append(3)
  assert.deepEqual([(await following.next()).value!.id, (await following.next()).value!.id], ['31', '33'])
  await following.return(undefined)
  for (const [pattern, detail] of [
    ['{"data":{"price":[{"numeric":["~",1]}]}}', /^pattern: data\.price\[0\]\.numeric/],
    ['{', /^pattern: /],
    [JSON.stringify({ type: ['x'.repeat(5_000)] }), /longer than 4096 characters/],
  ] as const) {
    const response = await fetch(`${url}/exchanges/orders/events?pattern=${encodeURIComponent(pattern)}`)
    const problem = (await response.json()) as { code: string; detail: string }
    assert.deepEqual([response.status, problem.code], [400, 'FEED_PARAMETER_INVALID'])
    assert.match(problem.detail, detail)
  }
})

test('an event that is nested too deep for a pattern is answered, for its reader to judge, and ends no answer', async (t) => {
  const { lines, writer, append } = await served(t, { events: 1 })
  const data = JSON.parse(`{"number":${'['.repeat(1_200)}1${']'.repeat(1_200)}}`) as object
  const message = toMessage({ type: 'a', id: 'deep', data }, { exchange: 'orders', source: '/sales' })
  await writer.append({ events: [{ ...attributesOf(message), message }], fences: [] })
  await append(2)
  const pattern = encodeURIComponent(JSON.stringify({ data: { number: [3] } }))
  assert.deepEqual(await all(lines(`${events}?pattern=${pattern}`)), {
    positions: [2, 4],
    last: { through: 4, first: 1, head: 4 },
  })
})

test('a page of a long search ends early, and the next one goes on from its mark', async (t) => {
  const { lines, append } = await served(t, { events: 500 })
  await append(500)
  let found = 0
  for (let after = 0; after < 1_000; ) {
    const { positions, last } = await all(lines(`${events}?type=a&page=true&after=${after}&limit=50`))
    assert.ok(positions.length <= 50)
    found += positions.length
    after = last.through as number
  }
  assert.equal(found, 333)
})

test('what is followed comes as it is recorded, after a mark at each end, blank lines between', async (t) => {
  const { url, append } = await served(t, { events: 2, limits: { keepAliveMs: 50 } })
  const abort = new AbortController()
  const response = await fetch(`${url}${events}?follow=true&after=1`, { signal: abort.signal })
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  const until = async (pattern: RegExp) => {
    while (!pattern.test(text)) text += (await reader.read()).value
    text = text.replace(pattern, '')
  }
  await until(/"position":2\b[^\n]*\n\{"through":2,"first":1,"head":2\}\n/)
  await until(/\n\n/)
  await append(1)
  await until(/"position":3\b[^\n]*\n\{"through":3,"first":1,"head":3\}\n/)
  abort.abort()
  await reader.closed.catch(() => {})
})

test('who follows a history that is replaced is told, and gets nothing of the other one', async (t) => {
  const { lines, path } = await served(t, { events: 3, limits: { keepAliveMs: 50 } })
  const followed = lines(`${events}?follow=true&after=2`)
  assert.equal((await followed.next()).value?.position, 3)
  assert.equal((await followed.next()).value?.through, 3)
  for (const file of ['', '-wal', '-shm', '-writer']) rmSync(path + file, { force: true })
  await (await openHistoryWriter({ history: path, exchange: 'orders' })).close()
  const { last } = await all(followed)
  assert.equal((last.problem as Line).code, 'HISTORY_REPLACED')
})

test('gzip gives the same as none, while it is followed too', async (t) => {
  const { url, append } = await served(t, { events: 1_200 })
  // fetch would decode it.
  const plain = await (await fetch(url + events, { headers: { 'accept-encoding': 'identity' } })).text()
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.write(`GET ${events} HTTP/1.0\r\naccept-encoding: br, gzip;q=0.5\r\n\r\n`)
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  const answer = Buffer.concat(chunks)
  const bodyAt = answer.indexOf('\r\n\r\n') + 4
  assert.match(answer.toString('latin1', 0, bodyAt), /content-encoding: gzip/i)
  assert.equal(gunzipSync(answer.subarray(bodyAt)).toString(), plain)
  assert.ok(answer.length < plain.length / 4)

  const followed = await fetch(`${url}${events}?follow=true&after=1200`, {
    headers: { 'accept-encoding': 'gzip' },
  })
  const reader = followed.body!.pipeThrough(new TextDecoderStream()).getReader()
  await append(1)
  for (let text = ''; !text.includes('"position":1201'); ) text += (await reader.read()).value
  await reader.cancel()
})

test('an answer ends in the midst where the history does, and says why', async (t) => {
  const { lines, append, path } = await served(t, { events: 600 })
  await append(600)
  const { openSqlite } = await import('../sqlite/sqlite.ts')
  const database = await openSqlite(path)
  database.prepare('DELETE FROM events WHERE position = 900').run()
  database.close()
  const { positions, last } = await all(lines(events))
  assert.equal(positions.at(-1), positions.length)
  const { code, detail } = last.problem as { code: string; detail: string }
  assert.equal(code, 'HISTORY_CORRUPT')
  assert.match(detail, /no event at position 900\b/)
})

test('a reader that hangs up ends its stream and nothing else; closing ends the others with a mark', async (t) => {
  const { feed, url, lines, append } = await served(t, { events: 50 })
  const abort = new AbortController()
  await fetch(`${url}${events}?follow=true`, { signal: abort.signal })
  const followed = lines(`${events}?follow=true&after=50`)
  assert.deepEqual((await followed.next()).value, { through: 50, first: 1, head: 50 })
  assert.equal(feed.status.streams, 2)
  abort.abort()
  while (feed.status.streams > 1) await new Promise(setImmediate)
  await append(1)
  assert.equal(((await followed.next()).value as Line).position, 51)
  const closed = feed.close()
  const rest = await all(followed)
  assert.deepEqual(rest.last, { through: 51, first: 1, head: 51 })
  await closed
  assert.deepEqual([feed.status.streams, feed.status.connections], [0, 0])
  await feed.close()
})

test('closing cuts whoever does not take the rest', async (t) => {
  const { feed, url, append } = await served(t)
  for (let batch = 0; batch < 40; batch++) await append(1_000)
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.on('error', () => {})
  socket.write(`GET ${events} HTTP/1.1\r\nhost: localhost\r\n\r\n`)
  await once(socket, 'readable')
  const gone = once(socket, 'close')
  await feed.close({ drainMs: 20 })
  socket.resume()
  await gone
  assert.equal(feed.status.connections, 0)
})

test('a reader that takes nothing is cut, and is counted', async (t) => {
  const { feed, url, append } = await served(t, { limits: { stalledTimeoutMs: 200 } })
  for (let batch = 0; batch < 40; batch++) await append(1_000)
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.on('error', () => {})
  socket.write(`GET ${events} HTTP/1.1\r\nhost: localhost\r\n\r\n`)
  await once(socket, 'readable')
  while (feed.status.stalled === 0) await new Promise((resolve) => setTimeout(resolve, 20))
  while (feed.status.connections > 0) await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(feed.status.streams, 0)
  socket.destroy()
})

test('more streams than allowed are refused until one ends', async (t) => {
  const { feed, lines, json } = await served(t, { events: 1, limits: { streamsMax: 1 } })
  const followed = lines(`${events}?follow=true`)
  await followed.next()
  assert.equal(((await json(events)) as Line).code, 'FEED_BUSY')
  assert.deepEqual(
    await json('/exchanges/orders/head'),
    { first: 1, head: 1 },
    'what is no stream is answered',
  )
  await followed.return(undefined)
  while (feed.status.streams > 0) await new Promise(setImmediate)
  assert.equal((await all(lines(events))).last.through, 1)
})

test('a fence is waited for in the feed', async (t) => {
  const { writer, json } = await served(t, { events: 2 })
  const path = '/exchanges/orders/fences/a%2Fb%20%C3%BC'
  assert.equal(((await json(path)) as Line).code, 'FEED_FENCE_UNKNOWN')
  const waited = json(`${path}?wait=60`)
  await writer.append({ events: [], fences: ['a/b ü'] })
  assert.deepEqual(await waited, { id: 'a/b ü', position: 2 })
})

test('several histories are served side by side, one that is not there yet too', async (t) => {
  const { folder, url, json, path } = await served(t, { events: 1 })
  const { serveFeed } = await import('./feed.ts')
  const { openHistoryWriter } = await import('../open-history.ts')
  const later = `${folder}/later.db`
  const feed = await serveFeed({ histories: [path, later], port: 0 })
  t.after(() => feed.close())
  const get = async (target: string) => (await (await fetch(feed.url + target)).json()) as Line
  const there = { exchanges: [{ exchange: 'orders', first: 1, head: 1 }] }
  assert.deepEqual(await get('/exchanges'), there)
  assert.equal((await get('/exchanges/invoices')).code, 'HISTORY_NOT_FOUND')
  assert.equal((await fetch(`${feed.url}/readyz`)).status, 503)
  await (await openHistoryWriter({ history: later, exchange: 'invoices' })).close()
  assert.equal((await get('/exchanges/invoices')).head, 0)
  assert.equal((await get('/exchanges/nothing')).code, 'FEED_EXCHANGE_UNKNOWN')
  assert.equal((await fetch(`${feed.url}/readyz`)).status, 200)
  assert.deepEqual(await json('/exchanges'), there, 'the other feed has the one it was given')
  assert.equal(await getRaw(url, '/exchanges/../../etc/passwd'), 404)
})

test('metrics tell what was answered, sent and is connected', async (t) => {
  const { lines, text } = await served(t, { events: 5 })
  await all(lines(events))
  await text('/nowhere')
  const page = await text('/metrics')
  for (const line of [
    'backstory_feed_events_total 5',
    'backstory_feed_answers_total{status="200"} 1',
    'backstory_feed_answers_total{status="404"} 1',
    'backstory_feed_head_position{exchange="orders"} 5',
  ]) {
    assert.ok(page.split('\n').includes(line), `${line} is missing in\n${page}`)
  }
})

test('what it cannot do is a TypeError or an error that says what to do', async (t) => {
  const { serveFeed } = await import('./feed.ts')
  const { path, url } = await served(t)
  const port = Number(new URL(url).port)
  await assert.rejects(serveFeed({ histories: [path], port }), { code: 'HISTORY_FEED_UNAVAILABLE' })
  await assert.rejects(serveFeed({ histories: [path], port: 70_000 }), TypeError)
  await assert.rejects(serveFeed({ histories: [], port: 0 }), TypeError)
  await assert.rejects(serveFeed({ histories: [path], port: 0, limits: { streamsMax: 0 } }), TypeError)
})
