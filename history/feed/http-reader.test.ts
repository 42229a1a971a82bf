/** A history that is read through a feed keeps every promise of one that is read where it is. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { attributesOf, toMessage } from '../../events/index.ts'
import { auditHistory } from '../audit/history-audit.ts'
import { historyContract } from '../history.contract.ts'
import { openHistory, openHistoryWriter } from '../open-history.ts'
import { openSqlite } from '../sqlite/sqlite.ts'
import { served } from './feed.fixture.ts'
import { serveFeed } from './feed.ts'
import { columnsLine } from './row-blocks.ts'

historyContract('through a feed', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'backstory-feed-'))
  const path = join(folder, 'history.db')
  const feed = await serveFeed({ histories: [path], port: 0 })
  t.after(async () => {
    await feed.close({ drainMs: 0 })
    await rm(folder, { recursive: true, force: true })
  })
  return {
    openWriter: () => openHistoryWriter({ history: path, exchange: 'orders' }),
    openReader: () => openHistory({ history: `${feed.url}/exchanges/orders` }),
    async removeByHand(position) {
      const database = await openSqlite(path)
      database.prepare('DELETE FROM events WHERE position = ?').run(position)
      database.close()
    },
  }
})

test('an audit through a feed finds what one of the file finds', async (t) => {
  const { url, writer, path } = await served(t)
  const batch = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, index) => sequenced(from + index))
  await writer.append({ events: batch(1, 1_200), fences: [] })
  await writer.append({ events: batch(1_250, 3_000), fences: [] })
  await writer.append({ events: [sequenced(4_000), sequenced(3_500), sequenced(17)], fences: [] })
  const database = await openSqlite(path)
  database.exec('DELETE FROM events WHERE position BETWEEN 700 AND 720')
  database.close()
  await using direct = openHistory({ history: path })
  await using through = openHistory({ history: url })
  const found = await auditHistory(through)
  assert.deepEqual(found, await auditHistory(direct))
  assert.equal(found.clean, false)
})

test('an address that is none, or of something else, is told by name', async (t) => {
  const { url, folder, path } = await served(t, { events: 1 })
  const code = async (history: string, options: { exchange?: string } = {}) => {
    await using reader = openHistory({ history, ...options })
    const error = await reader.bounds().catch((thrown: Error) => thrown)
    assert.ok(String(error).includes(new URL(history).host), String(error))
    return (error as { code?: string }).code
  }
  assert.equal(await code('http://127.0.0.1:1/exchanges/orders'), 'HISTORY_UNAVAILABLE')
  assert.equal(await code(`${url}/exchanges/invoices`), 'HISTORY_FOREIGN')
  assert.equal(await code(url, { exchange: 'invoices' }), 'HISTORY_FOREIGN')
  assert.equal(await code(`${url}/somewhere/exchanges/orders`), 'HISTORY_TOO_NEW')
  assert.throws(() => openHistory({ history: `${url}/exchanges/orders`, exchange: 'invoices' }), {
    code: 'HISTORY_FOREIGN',
  })
  for (const history of ['http://', `${url}?a=b`, `${url}#a`])
    assert.throws(() => openHistory({ history }), TypeError)

  const other = join(folder, 'invoices.db')
  await (await openHistoryWriter({ history: other, exchange: 'invoices' })).close()
  await using two = await serveFeed({ histories: [path, other], port: 0 })
  assert.equal(await code(two.url), 'HISTORY_AMBIGUOUS')
  await using none = await serveFeed({ histories: [join(folder, 'none.db')], port: 0 })
  assert.equal(await code(none.url), 'HISTORY_NOT_FOUND')
  await assert.rejects(openHistoryWriter({ history: url, exchange: 'orders' }), TypeError)
})

test('whatever else answers in place of a feed is no empty history', async (t) => {
  let answer: (response: ServerResponse) => void = () => {}
  const server = createServer((_request, response) => answer(response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  await using reader = openHistory({ history: `http://127.0.0.1:${port}/exchanges/orders` })
  const codeOf = async (
    respond: (response: ServerResponse) => void,
    ask: () => Promise<unknown> = () => reader.read({ after: 0 }),
  ) => {
    answer = respond
    const error = await ask().catch((thrown: Error) => thrown)
    return (error as { code?: string } | undefined)?.code
  }
  const ok = (body: string) => (response: ServerResponse) => response.end(body)
  const status = (code: number) => (response: ServerResponse) => response.writeHead(code).end('<html>')
  assert.equal(await codeOf(ok('<html>\n')), 'HISTORY_FOREIGN')
  assert.equal(await codeOf(ok('')), 'HISTORY_UNAVAILABLE')
  assert.equal(await codeOf(ok('{"columns":["position"]}\n{"through":0}\n')), 'HISTORY_TOO_NEW')
  assert.equal(await codeOf(ok(columnsLine)), 'HISTORY_UNAVAILABLE', 'cut off before its mark')
  const row = (bodyBytes: unknown) =>
    ok(`${columnsLine}{"rows":[[1,0,0,"s","i","t",null,null,null,"","{}",${bodyBytes},1]]}\n`)
  assert.equal(await codeOf(ok(columnsLine), () => reader.at(1)), 'HISTORY_UNAVAILABLE')
  assert.equal(await codeOf(row(5_000), () => reader.at(1)), 'HISTORY_UNAVAILABLE', 'half a body')
  assert.equal(await codeOf(ok(`${columnsLine}{"rows":[[1,`)), 'HISTORY_UNAVAILABLE', 'half a row')
  for (const bytes of [-5, '"x"'])
    assert.equal(await codeOf(row(bytes), () => reader.at(1)), 'HISTORY_FOREIGN', `a body of ${bytes} bytes`)
  const asks = [
    () => reader.read({ after: 0 }),
    () => reader.at(1),
    () => reader.exchange(),
    () => reader.bounds(),
    () => reader.summary(),
    () => reader.fence('f'),
    () => reader.note('n'),
    () => reader.identities({ after: 0 }),
    () => reader.erasures({ after: 0 }),
    () => reader.consumers(),
    () => reader.pruned({ after: 0 }),
    () => reader.positionsOf([{ source: '/s', id: '1' }]),
  ]
  for (const body of ['null', '[]', '1', '{"items":1,"rows":1,"head":"1","positions":{}}', '{"rows":[1]}'])
    for (const ask of asks)
      assert.match(
        String(await codeOf(ok(body), ask)),
        /^HISTORY_(FOREIGN|UNAVAILABLE)$/,
        `${body} for ${ask}`,
      )
  const short = () =>
    reader.positionsOf([
      { source: '/s', id: '1' },
      { source: '/s', id: '2' },
    ])
  assert.equal(await codeOf(ok('{"positions":[1]}'), short), 'HISTORY_UNAVAILABLE')
  const endless = (response: ServerResponse) =>
    response.writeHead(200, { 'content-length': 2 ** 31 }).write('{')
  assert.equal(await codeOf(endless), 'HISTORY_UNAVAILABLE', 'more than would fit')
  const cut = (response: ServerResponse) => response.write(columnsLine, () => response.destroy())
  assert.equal(await codeOf(cut), 'HISTORY_UNAVAILABLE')
  assert.equal(await codeOf((response) => response.destroy()), 'HISTORY_UNAVAILABLE')
  for (const code of [500, 502, 503, 429]) assert.equal(await codeOf(status(code)), 'HISTORY_UNAVAILABLE')
  for (const code of [404, 400, 301]) assert.equal(await codeOf(status(code)), 'HISTORY_FOREIGN')
  for (const code of [401, 403]) assert.equal(await codeOf(status(code)), 'HISTORY_DENIED')
})

test('a connection that the feed has closed meanwhile is no error', async (t) => {
  const { feed, url, append } = await served(t, { events: 1, limits: { idleTimeoutMs: 1 } })
  await using reader = openHistory({ history: url, exchange: 'orders' })
  for (let round = 0; round < 20; round++) {
    await append(1)
    assert.equal((await reader.bounds()).head, round + 2)
    while (round % 2 === 0 && feed.status.connections > 0) await new Promise(setImmediate)
  }
})

test('a feed of a feed is a feed', async (t) => {
  const { url, append } = await served(t, { events: 3 })
  await using second = await serveFeed({ histories: [url], port: 0 })
  await using reader = openHistory({ history: second.url })
  await append(1)
  assert.deepEqual(await reader.bounds(), { first: 1, head: 4 })
  const [event] = await reader.read({ after: 3 })
  assert.deepEqual([event!.data, event!.message.exchange], [{ number: 4 }, 'orders'])
})

function sequenced(number: number) {
  const input = { type: 'placed', id: `n${number}`, data: { number } }
  const message = toMessage(input, { exchange: 'orders', source: '/sales' })
  const sequence = `0lx3f9k2ab7qz.${String(number).padStart(16, '0')}`
  const headers = { ...message.properties.headers, 'ce-sequence': sequence }
  return { ...attributesOf(message), message: { ...message, properties: { ...message.properties, headers } } }
}
