/** Whatever is sent to a feed, it answers with a problem or hangs up, and goes on serving. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { getRaw, type Line, type Served, sendRaw, served } from './feed.fixture.ts'

const limits = { headersTimeoutMs: 300, requestTimeoutMs: 600, headerBytesMax: 8_192, bodyBytesMax: 10_000 }

function hostile(title: string, run: (feed: Served, t: TestContext) => Promise<void>): void {
  test(title, async (t) => {
    const feed = await served(t, { events: 3, limits })
    await run(feed, t)
    assert.deepEqual(await feed.json('/exchanges/orders/head'), { first: 1, head: 3 }, 'it serves on')
    assert.equal(feed.feed.status.streams, 0)
  })
}

const get = (path: string, headers = '') =>
  `GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n${headers}\r\n`

const malformed: readonly (readonly [what: string, sent: string, status: number, code: string])[] = [
  [
    'no HTTP at all',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n',
    400,
    'FEED_REQUEST_MALFORMED',
  ],
  ['another version of it', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'FEED_REQUEST_MALFORMED'],
  [
    'headers that are too long',
    get('/exchanges', `x: ${'y'.repeat(10_000)}\r\n`),
    431,
    'FEED_HEADERS_TOO_LARGE',
  ],
  ['an address that is too long', get(`/exchanges/${'x'.repeat(10_000)}`), 431, 'FEED_HEADERS_TOO_LARGE'],
  ['a NUL in a header', get('/exchanges', 'x: a\0b\r\n'), 400, 'FEED_REQUEST_MALFORMED'],
  ['a header without a name', get('/exchanges', ': b\r\n'), 400, 'FEED_REQUEST_MALFORMED'],
  [
    'a length and chunks at once',
    get('/exchanges', 'content-length: 5\r\ntransfer-encoding: chunked\r\n'),
    400,
    'FEED_REQUEST_MALFORMED',
  ],
  [
    'chunks that are none',
    `POST /exchanges/orders/positions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n`,
    400,
    'FEED_REQUEST_MALFORMED',
  ],
  [
    'a body that is said to be too long',
    'POST /exchanges/orders/positions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999999\r\n\r\n{',
    413,
    'FEED_BODY_TOO_LARGE',
  ],
  [
    'a body that turns out too long',
    `POST /exchanges/orders/positions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n3000\r\n${'x'.repeat(0x3000)}\r\n`,
    413,
    'FEED_BODY_TOO_LARGE',
  ],
  ['a broken escape in the path', get('/exchanges/%zz'), 400, 'FEED_REQUEST_MALFORMED'],
  ['an escape that is no UTF-8', get('/exchanges/%ff%fe'), 400, 'FEED_REQUEST_MALFORMED'],
  ['a broken escape in the query', get('/exchanges/orders/events?type=%e4'), 400, 'FEED_REQUEST_MALFORMED'],
  ['a way out of the tree', get('/exchanges/../../etc/passwd'), 404, 'FEED_PATH_UNKNOWN'],
  ['the same, in disguise', get('/exchanges/..%2f..%2fetc%2fpasswd'), 404, 'FEED_EXCHANGE_UNKNOWN'],
  ['a way into objects', get('/exchanges/__proto__'), 404, 'FEED_EXCHANGE_UNKNOWN'],
  ['a position below 0', get('/exchanges/orders/events?after=-1'), 400, 'FEED_PARAMETER_INVALID'],
  [
    'a position beyond all numbers',
    get('/exchanges/orders/events?after=1e99'),
    400,
    'FEED_PARAMETER_INVALID',
  ],
  [
    'a position that loses digits',
    get('/exchanges/orders/events?after=9007199254740993'),
    400,
    'FEED_PARAMETER_INVALID',
  ],
  ['a position that is none', get('/exchanges/orders/events/0x10'), 400, 'FEED_PARAMETER_INVALID'],
  [
    'SQL for a subject',
    get('/exchanges/orders/events?limit=1;DROP%20TABLE%20events'),
    400,
    'FEED_PARAMETER_INVALID',
  ],
  ['a parameter twice', get('/exchanges/orders/events?after=1&after=2'), 400, 'FEED_PARAMETER_INVALID'],
  ['a parameter that is unknown', get('/exchanges/orders/events?__proto__=1'), 400, 'FEED_PARAMETER_INVALID'],
  [
    'too many choices',
    get(`/exchanges/orders/events?${'type=a&'.repeat(101)}`),
    400,
    'FEED_PARAMETER_INVALID',
  ],
  ['a page that is too long', get('/exchanges/orders/identities?limit=10001'), 400, 'FEED_PARAMETER_INVALID'],
  [
    'a method that writes',
    'DELETE /exchanges/orders HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n',
    405,
    'FEED_METHOD_UNKNOWN',
  ],
  [
    'a request to all of it',
    'OPTIONS * HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n',
    404,
    'FEED_PATH_UNKNOWN',
  ],
  [
    'another host by name',
    'GET /exchanges HTTP/1.1\r\nhost: evil.example:80\r\nconnection: close\r\n\r\n',
    403,
    'FEED_HOST_UNKNOWN',
  ],
]

hostile('what is malformed is answered with a problem that says what is wrong', async ({ url }, t) => {
  for (const [what, sent, status, code] of malformed) {
    await t.test(`${what}: ${status}, ${code}`, async () => {
      const answer = await sendRaw(url, Buffer.from(sent, 'latin1'))
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `))
      assert.match(answer, /content-type: application\/problem\+json/i)
      const body = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4)) as Line
      assert.equal(body.code, code)
      assert.doesNotMatch(answer, /\bat .*\.ts|node:internal|\/tmp\//, 'nothing of the inside')
    })
  }
})

hostile('JSON that is no list of identities is refused', async ({ json }) => {
  const bodies = ['', '[', 'null', '[]', '{"identities":{}}', '{"identities":[{"source":1,"id":"a"}]}', '"x"']
  for (const body of bodies) {
    const { code } = (await json('/exchanges/orders/positions', { method: 'POST', body })) as Line
    assert.equal(code, 'FEED_REQUEST_MALFORMED', body)
  }
})

hostile('headers that never end, and a body that never comes, are cut', async ({ url }) => {
  const [headers, body] = await Promise.all([
    sendRaw(url, 'GET /exchanges HTTP/1.1\r\nhost: localhost\r\nx-slow: '),
    sendRaw(
      url,
      'POST /exchanges/orders/positions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\n{',
    ),
  ])
  for (const answer of [headers, body]) assert.match(answer, /^HTTP\/1\.1 408 [\s\S]*FEED_REQUEST_TIMEOUT/)
})

hostile('HTTP/1.0 has its answer, whole, and the end of the connection', async ({ url }) => {
  const answer = await sendRaw(url, 'GET /exchanges/orders/events HTTP/1.0\r\n\r\n')
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/)
  assert.match(answer, /\n\{"through":3,"first":1,"head":3\}\n$/)
})

hostile('a whole URL as its target, as proxies send it, is understood', async ({ url }) => {
  assert.equal(await getRaw(url, 'http://localhost/exchanges/orders'), 200)
  assert.equal(await getRaw(url, '//orders'), 404)
  assert.equal(await getRaw(url, '/exchanges/orders?'), 200)
})

test('connections beyond the limit are closed, and those before go on', async (t) => {
  const feed = await served(t, { events: 3, limits: { connectionsMax: 2 } })
  const { hostname, port } = new URL(feed.url)
  const idle = [connect(Number(port), hostname), connect(Number(port), hostname)]
  await Promise.all(idle.map((socket) => new Promise((resolve) => socket.once('connect', resolve))))
  assert.equal(await sendRaw(feed.url, get('/exchanges')), '')
  for (const socket of idle) socket.destroy()
  while (feed.feed.status.connections > 0) await new Promise(setImmediate)
  assert.deepEqual(await feed.json('/exchanges/orders/head'), { first: 1, head: 3 })
})

hostile('of random bytes and broken requests none ends it', async ({ url }) => {
  const broken = fc
    .tuple(
      fc.constantFrom('GET', 'POST', 'HEAD', 'get', 'CONNECT', ''),
      fc.webPath(),
      fc.webQueryParameters(),
      fc.constantFrom('HTTP/1.1', 'HTTP/1.0', 'HTTP/9', ''),
      fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 }),
    )
    .map(([method, path, query, version, headers]) => {
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
      return Buffer.from(
        `${method} /exchanges${path}?${query} ${version}\r\nhost: localhost\r\nconnection: close\r\n${lines.join('')}\r\n`,
      )
    })
  const noise = fc.uint8Array({ minLength: 1, maxLength: 200 }).map((bytes) => Buffer.from(bytes))
  await fc.assert(
    fc.asyncProperty(fc.oneof(broken, noise), async (bytes) => {
      const answer = await sendRaw(url, bytes, { end: true })
      assert.match(answer, /^(HTTP\/1\.1 [2-5]\d\d |$)/)
      assert.doesNotMatch(answer, /FEED_FAILED/)
    }),
    { numRuns: 25 },
  )
})
