import assert from 'node:assert/strict'
import { chmodSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Logger } from '../../events/index.ts'
import { openHistory } from '../open-history.ts'
import { type Line, served } from './feed.fixture.ts'
import { serveFeed } from './feed.ts'

const shipping = 'shipping-0123456789-0123456789-0123'
const billing = 'billing~0123456789_0123456789.0123+/=='
const head = '/exchanges/orders/head'

async function tokenFile(t: TestContext, text: string, { mode = 0o600 } = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'backstory-tokens-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'tokens')
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

const as = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

test('who has a token reads, and nobody else, however near it is', async (t) => {
  const text = `# readers\n\nshipping:${shipping}\r\nbilling ${billing}\n`
  const { url, json } = await served(t, { events: 1, tokenFile: await tokenFile(t, text) })
  assert.deepEqual(await json(head, as(shipping)), { first: 1, head: 1 })
  assert.deepEqual(await json(head, as(billing)), { first: 1, head: 1 })
  assert.deepEqual(await json(head, { headers: { authorization: `bearer   ${billing}` } }), {
    first: 1,
    head: 1,
  })
  const wrong = [
    shipping.slice(0, -1),
    `${shipping}4`,
    shipping.toUpperCase(),
    `${shipping.slice(0, -1)}4`,
    'shipping',
    `shipping:${shipping}`,
  ]
  for (const token of wrong) {
    assert.equal(
      ((await json(head, as(token))) as Line).code,
      /^[\w.~+/=-]+$/.test(token) ? 'FEED_TOKEN_UNKNOWN' : 'FEED_TOKEN_MISSING',
      token,
    )
  }
  for (const authorization of ['', 'Bearer', `Basic ${btoa(`shipping:${shipping}`)}`, shipping]) {
    const response = await fetch(url + head, { headers: { authorization } })
    assert.equal(response.status, 401, authorization)
    assert.match(response.headers.get('www-authenticate')!, /^Bearer /)
  }
  for (const path of [
    `${head}?token=${shipping}`,
    '/exchanges',
    '/metrics',
    '/exchanges/orders/events',
    '/exchanges/unknown',
  ]) {
    assert.equal((await fetch(url + path)).status, 401, path)
  }
  for (const path of ['/livez', '/readyz', '/openapi.json'])
    assert.equal((await fetch(url + path)).status, 200, path)
})

test('a reader names its token apart from the address, and no message has it', async (t) => {
  const file = await tokenFile(t, `shipping:${shipping}`)
  const { feed, url } = await served(t, { events: 1, tokenFile: file })
  const history = `${url}/exchanges/orders`
  await using reader = openHistory({ history, token: shipping })
  assert.deepEqual(await reader.bounds(), { first: 1, head: 1 })
  await using denied = openHistory({ history, token: billing })
  const error = await denied.bounds().catch((thrown: Error) => thrown)
  assert.equal((error as { code?: string }).code, 'HISTORY_DENIED')
  assert.ok(!String(error).includes(billing))
  await feed.close()
  const away = await reader.bounds().catch((thrown: Error) => thrown)
  assert.equal((away as { code?: string }).code, 'HISTORY_UNAVAILABLE')
  assert.ok(!String(away).includes(shipping) && String(away).includes(url))
  assert.throws(() => openHistory({ history: history.replace('//', `//shipping:${shipping}@`) }), {
    name: 'TypeError',
    message: /^(?!.*shipping-)/,
  })
  assert.throws(() => openHistory({ history: `${history}?token=${shipping}` }), TypeError)
})

test('the file is read again: who is taken out of it reads no more, what streams ends', async (t) => {
  const path = await tokenFile(t, `shipping:${shipping}\nbilling:${billing}\n`)
  const logged: [string, string][] = []
  const logger = logging(logged)
  const { lines, json } = await served(t, { events: 1, tokenFile: path, logger, limits: { keepAliveMs: 50 } })
  const followed = lines('/exchanges/orders/events?follow=true', as(shipping))
  const others = lines('/exchanges/orders/events?follow=true', as(billing))
  await followed.next()
  await others.next()
  writeFileSync(path, `billing:${billing}\n`)
  // Ends with its mark, not with an error.
  let last: Line = {}
  for await (const line of followed) last = line
  assert.equal(last.through, 1)
  assert.equal(((await json(head, as(shipping))) as Line).code, 'FEED_TOKEN_UNKNOWN')
  assert.deepEqual(await json(head, as(billing)), { first: 1, head: 1 })
  writeFileSync(path, 'billing:short\n')
  while (!logged.some(([event]) => event === 'feed.tokens-refused'))
    await new Promise((resolve) => setTimeout(resolve, 20))
  assert.deepEqual(await json(head, as(billing)), { first: 1, head: 1 }, 'a wrong file changes nothing')
  rmSync(path)
  symlinkSync(path, path)
  while (logged.filter(([event]) => event === 'feed.tokens-refused').length < 2)
    await new Promise((resolve) => setTimeout(resolve, 20))
  assert.deepEqual(await json(head, as(billing)), { first: 1, head: 1 }, 'nor does one that is out of reach')
  await others.return(undefined)
  const text = JSON.stringify(logged)
  assert.match(text, /feed\.denied/)
  for (const token of [shipping, billing, 'short']) assert.ok(!text.includes(token), 'no token is logged')
})

test('a token file that is wrong is refused, by line and without showing it', async (t) => {
  const { path: history } = await served(t)
  const cases: [text: string, expected: RegExp, mode?: number][] = [
    ['', /has no token/],
    ['# nobody\n', /has no token/],
    [`shipping:${shipping}\nbilling\n`, /line 2 of/],
    [`\nshipping:${shipping.slice(0, 31)}`, /line 2 of .*less than 32/],
    [`shipping:${shipping}\nshipping:${billing}`, /line 2 of .*name or the token/],
    [`shipping:${shipping}\nbilling:${shipping}`, /line 2 of .*name or the token/],
    [`shipping:${shipping}\n`, /chmod 600/, 0o604],
  ]
  for (const [text, expected, mode] of cases) {
    const file = await tokenFile(t, text, { mode })
    await assert.rejects(serveFeed({ histories: [history], port: 0, tokenFile: file }), (error: Error) => {
      assert.equal((error as { code?: string }).code, 'HISTORY_TOKENS_INVALID')
      assert.match(error.message, expected)
      assert.ok(!error.message.includes('0123456789'))
      return true
    })
  }
  await assert.rejects(serveFeed({ histories: [history], port: 0, tokenFile: '/nowhere' }), {
    code: 'HISTORY_TOKENS_INVALID',
  })
})

test('beyond this machine it takes tokens and TLS, or it does not start', async (t) => {
  const { path } = await served(t)
  const file = await tokenFile(t, `shipping:${shipping}`)
  const serve = async (options: Partial<Parameters<typeof serveFeed>[0]>) => {
    await using feed = await serveFeed({ histories: [path], port: 0, ...options })
    return feed.url
  }
  const exposed = { code: 'HISTORY_FEED_EXPOSED' }
  await assert.rejects(serve({ host: '0.0.0.0' }), { ...exposed, message: /a token file and TLS/ })
  await assert.rejects(serve({ host: '::', tokenFile: file }), { ...exposed, message: /needs TLS/ })
  await assert.rejects(serve({ host: '0.0.0.0', behindTlsProxy: true }), {
    ...exposed,
    message: /needs a token file;/,
  })
  await assert.rejects(serve({ behindTlsProxy: true }), exposed)
  assert.match(
    await serve({ host: '0.0.0.0', behindTlsProxy: true, tokenFile: file }),
    /^http:\/\/0\.0\.0\.0:/,
  )
  assert.match(await serve({ host: '127.0.0.2' }), /^http:\/\/127\.0\.0\.2:/)
})

function logging(logged: [string, string][]): Logger {
  const log = (event: string, fields?: object) => void logged.push([event, JSON.stringify(fields)])
  return { debug: log, info: log, warn: log, error: log }
}
