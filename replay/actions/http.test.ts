import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Action, ActionFailure } from '../action.ts'
import { actionConformance } from '../conformance/action-conformance.ts'
import { actionOf, eventOf, type Given, never } from '../plugin.fixture.ts'
import { listSource } from '../replay.fixture.ts'
import { replay } from '../replay.ts'
import { RunFolder } from '../run/run-folder.ts'
import { action as http } from './http.ts'

const order = {
  specversion: '1.0',
  id: 'o-1',
  source: 'shop',
  type: 'placed',
  subject: 's1',
  data: { total: 1 },
}

test('each event is posted as it stands in its source, in order, over one connection', async (t) => {
  const { action, received, connections } = await setup(t)
  const texts = [1, 2, 3, 4].map((n) => `{ "id": "o-${n}", "source":"shop", "n": 1000000000000000000${n} }`)
  const report = await replay({ run: 'run-7', source: listSource(texts), rules: [{ name: 'r', action }] })
  assert.deepEqual([report.rules[0]!.acted, report.failed], [4, 0])
  assert.deepEqual(
    received.map(({ body }) => body),
    texts,
  )
  for (const { method, url, headers, body } of received) {
    assert.deepEqual([method, url], ['POST', '/events?tenant=7'])
    assert.equal(headers['content-type'], 'application/json')
    assert.equal(headers['content-length'], String(Buffer.byteLength(body)))
    assert.equal(headers['backstory-replay'], 'run-7')
  }
  // One that looks whether the server is there, and one for all of them.
  assert.equal(connections(), 2)
})

test('an event has one key at every try and in every run, another event another', async (t) => {
  const { action, received } = await setup(t, {}, (_, response, n) => {
    response.writeHead(n === 0 ? 503 : 204).end()
  })
  const twice = [{ n: 1 }, { n: 1 }]
  const source = () => listSource([order, { ...order, source: 'other' }, ...twice])
  await replay({ run: 'a', source: source(), rules: [{ name: 'r', action }] })
  await replay({ run: 'b', source: source(), rules: [{ name: 'r', action }] })
  const keys = received.map(({ headers }) => headers['idempotency-key'])
  const first = keys.slice(0, 5)
  assert.equal(first[0], first[1])
  assert.equal(new Set(first).size, 4)
  assert.deepEqual(keys.slice(5), first.slice(1))
})

test('a signature is made anew for each try, and holds for what arrives', async (t) => {
  const secret = `whsec_${Buffer.from('a secret of thirty-two bytes, ok').toString('base64')}`
  const given = { options: { secretSetting: 'WEBHOOK_SECRET' }, settings: { WEBHOOK_SECRET: secret } }
  const { action, received } = await setup(t, given, (_, response, n) => {
    response.writeHead(n === 0 ? 500 : 200).end()
  })
  const source = listSource([{ ...order, note: 'über' }])
  await replay({ run: 'a', source, rules: [{ name: 'r', action }] })
  assert.equal(received.length, 2)
  for (const { headers, body } of received) {
    const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature } = headers
    assert.equal(id, headers['idempotency-key'])
    assert.ok(Math.abs(Number(timestamp) - Date.now() / 1_000) < 30)
    const expected = createHmac('sha256', Buffer.from(secret.slice('whsec_'.length), 'base64'))
    assert.equal(signature, `v1,${expected.update(`${id}.${timestamp}.${body}`).digest('base64')}`)
  }
})

test('a body may be mapped, a method chosen, headers given', async (t) => {
  const { action, received } = await setup(t, {
    options: {
      method: 'PUT',
      body: { id: '$.id', total: '$.data.total', text: 'order {$.id}', none: '$.nothing' },
      headers: { 'Content-Type': 'application/merge-patch+json', 'X-Team': 'sales' },
      headerSettings: { Authorization: 'API_TOKEN' },
    },
    settings: { API_TOKEN: 'Bearer s3cret' },
  })
  assert.equal(action.isIdempotent, true)
  await action.open({ state: undefined })
  await act(action, JSON.stringify(order).replace('"total":1', '"total":12345678901234567890.5'))
  const { method, headers, body } = received[0]!
  assert.equal(method, 'PUT')
  assert.equal(body, '{"id":"o-1","total":12345678901234567890.5,"text":"order o-1","none":null}')
  assert.deepEqual(
    [headers['content-type'], headers['x-team'], headers.authorization],
    ['application/merge-patch+json', 'sales', 'Bearer s3cret'],
  )
})

test('what a server says is told apart: slow down, away, refused', async (t) => {
  const soon = new Date(Date.now() + 5_000).toUTCString()
  const answers: [
    status: number,
    headers: Record<string, string>,
    kind: string,
    retryAfterMs?: number | 'soon',
  ][] = [
    [429, {}, 'throttled'],
    [429, { 'retry-after': '2' }, 'throttled', 2_000],
    [503, { 'retry-after': soon }, 'throttled', 'soon'],
    [503, {}, 'unavailable'],
    [500, {}, 'unavailable'],
    [408, {}, 'unavailable'],
    [400, {}, 'refused'],
    [410, {}, 'refused'],
    [422, {}, 'refused'],
    [302, { location: 'https://example.com/elsewhere?token=abc' }, 'refused'],
    [304, {}, 'refused'],
  ]
  const { action, received } = await setup(t, {}, (_, response, n) => {
    const [status, headers] = answers[n]!
    response.writeHead(status, headers).end(status === 304 ? undefined : 'because\nof this')
  })
  await action.open({ state: undefined })
  for (const [status, headers, kind, retryAfterMs] of answers) {
    const failure = await failureOf(action)
    assert.deepEqual([failure.kind, failure.code], [kind, String(status)])
    if (retryAfterMs === 'soon') assert.ok(failure.retryAfterMs! > 3_000 && failure.retryAfterMs! <= 5_000)
    else assert.equal(failure.retryAfterMs, retryAfterMs)
    if (headers.location) assert.match(failure.message, /example\.com\/elsewhere\?token=…, and redirects/)
    else if (status !== 304) assert.match(failure.message, /because of this/)
  }
  assert.equal(received.length, answers.length, 'no redirect was followed')
})

test('a connection that is cut, or never answers, is a server that is away', async (t) => {
  const cuts: ((response: ServerResponse, socket: Socket) => void)[] = [
    (_, socket) => socket.destroy(),
    (_, socket) => socket.resetAndDestroy(),
    () => {},
    (_, socket) => socket.end('HTTP/1.1 nonsense\r\n\r\n'),
  ]
  const { action } = await setup(t, { options: { timeoutMs: 200 } }, ({ socket }, response, n) => {
    cuts[n]!(response, socket)
  })
  await action.open({ state: undefined })
  const codes = []
  for (const _ of cuts) {
    const { kind, code } = await failureOf(action)
    assert.equal(kind, 'unavailable')
    codes.push(code)
  }
  assert.deepEqual(codes.slice(0, 3), ['ECONNRESET', 'ECONNRESET', 'ETIMEDOUT'])
})

test('a good status counts, whatever becomes of the rest of the answer', async (t) => {
  const rests: ((response: ServerResponse) => void)[] = [
    (response) => response.socket!.destroy(),
    () => {},
    (response) => response.end('fine'),
  ]
  const { action } = await setup(t, { options: { timeoutMs: 200 } }, (_, response, n) => {
    response.writeHead(200)
    response.write('accepted', () => rests[n]!(response))
  })
  await action.open({ state: undefined })
  for (const _ of rests) await act(action, order)
})

test('of an answer without an end only the beginning is read', async (t) => {
  let bytes = 0
  const { action } = await setup(t, {}, (_, response, n) => {
    if (n > 0) return void response.end()
    response.writeHead(400)
    const fill = () => {
      // Some MiB may lie in the buffers of the system.
      while (bytes < 64 * 1024 * 1024 && !response.destroyed) {
        bytes += 65_536
        if (!response.write('x'.repeat(65_536))) return
      }
      response.end()
    }
    response.on('drain', fill)
    fill()
  })
  await action.open({ state: undefined })
  const { message } = await failureOf(action)
  assert.ok(message.length < 500)
  await act(action, order)
  assert.ok(bytes < 32 * 1024 * 1024, `${bytes} bytes were taken`)
})

test('a kept connection that the server has closed meanwhile costs no try', async (t) => {
  const { action, received, sockets } = await setup(t, {}, ({ socket }, response, n) => {
    // The second request of a connection finds it closed, as by a server's own timeout at that moment.
    if (n === 1) socket.destroy()
    else response.end()
  })
  await action.open({ state: undefined })
  await act(action, order)
  await act(action, { ...order, id: 'o-2' })
  assert.equal(received.length, 3)
  assert.ok(sockets.size > 0)
})

test('throttled events wait as long as the server asks, and arrive', async (t) => {
  const at: number[] = []
  const { action } = await setup(t, {}, (_, response, n) => {
    at.push(performance.now())
    if (n === 0) response.writeHead(429, { 'retry-after': '1' })
    response.end()
  })
  const report = await replay({ run: 'a', source: listSource([order]), rules: [{ name: 'r', action }] })
  assert.equal(report.rules[0]!.acted, 1)
  assert.ok(at[1]! - at[0]! >= 995, `${at[1]! - at[0]!} ms`)
})

test('no secret is in a name, a sample or a message', async (t) => {
  const secret = `whsec_${Buffer.alloc(32, 3).toString('base64')}`
  const { action } = await setup(
    t,
    {
      options: {
        secretSetting: 'S',
        headerSettings: { 'X-Api': 'T' },
        headers: { Authorization: 'Basic aGk6aG8=' },
      },
      settings: { S: secret, T: 'tok-123' },
    },
    ({ headers }, response) => {
      response.writeHead(400).end(`You sent ${JSON.stringify(headers)}`)
    },
    (port) => `http://user:pa55@127.0.0.1:${port}/services/T00000000B00000000XXXXXXXX/hook?key=k3y`,
  )
  await action.open({ state: undefined })
  const { message } = await failureOf(action)
  const shown = [action.name, JSON.stringify(action.describe(action.prepare(eventOf(order)))), message].join(
    '\n',
  )
  for (const hidden of [secret, 'tok-123', 'aGk6aG8=', 'pa55', 'k3y', 'T00000000B'])
    assert.ok(!shown.includes(hidden), `${hidden} in ${shown}`)
  assert.match(action.name, /^http:\/\/127\.0\.0\.1:\d+\/services\/…\/hook\?key=…$/)
})

test('a server that says back what it was sent tells no secret, in whatever form', async (t) => {
  const headers = { Authorization: 'Bearer tok "456"', Cookie: 'c00kie' }
  const { action } = await setup(
    t,
    { options: { headers } },
    ({ url = '', headers }, response) => {
      const { authorization = '', cookie } = headers
      const [, token] = authorization.split('Bearer ')
      const { searchParams } = new URL(url, 'http://x')
      const echo = [url, decodeURIComponent(url), authorization, token, { token, cookie }, [...searchParams]]
      response
        .writeHead(401)
        .end(echo.map((one) => (typeof one === 'string' ? one : JSON.stringify(one))).join('\n'))
    },
    (port) => `http://127.0.0.1:${port}/hooks/T00000000B00000000XXXXXXXX?key=k3y%2Fa&s%C3%A9cret`,
  )
  const { report, failures } = await failed(t, action)
  for (const hidden of ['456', 'c00kie', 'k3y', 'T00000000B', 'secret', 'sécret'])
    assert.ok(!(report + failures).includes(hidden), `${hidden} in ${report}${failures}`)
  assert.match(report, /status 401: \/hooks\/\*\*\*\?/)
})

test('nor the user and password of its address, in base64 neither', async (t) => {
  const { action } = await setup(
    t,
    {},
    ({ headers: { authorization = '' } }, response) => {
      const plain = Buffer.from(authorization.slice('Basic '.length), 'base64').toString()
      response.writeHead(403).end(`${authorization} ${plain} ${plain.split(':')[1]}`)
    },
    (port) => `http://user:pa55%2Fw@127.0.0.1:${port}/`,
  )
  const { report, failures } = await failed(t, action)
  assert.match(report, /status 403: (Basic )?\*\*\* \*\*\* \*\*\*"/)
  assert.doesNotMatch(failures, /pa55|dXNlcjpw/)
})

test('a server that is not there is an error before the first event', async (t) => {
  const { action, stop } = await setup(t)
  await stop()
  await assert.rejects(action.open({ state: undefined }), { code: 'REPLAY_ACTION_UNAVAILABLE' })
})

test('a URL of this machine is local; what cannot be is refused', () => {
  const isLocal = (url: string) => actionOf(http, url).isLocal
  assert.deepEqual(
    [
      'http://127.0.0.1/',
      'http://localhost:8080/x',
      'https://[::1]/',
      'https://example.com/',
      'http://10.0.0.1/',
    ].map(isLocal),
    [true, true, true, false, false],
  )
  const made = (options: Given['options']) => () => actionOf(http, 'http://127.0.0.1/', { options })
  for (const wrong of [
    { method: 'GET' },
    { headers: { 'bad name': 'x' } },
    { headers: { name: 'a\nb' } },
    { headers: { 'Idempotency-Key': 'mine' } },
    { headers: { name: 7 } },
    { headerSettings: { name: 'NOT_THERE' } },
    { secretSetting: 'NOT_THERE' },
    { body: {} },
    { timeoutMs: 'soon' },
    { colour: 'red' },
  ])
    assert.throws(made(wrong), TypeError, JSON.stringify(wrong))
})

actionConformance('http', async (t) => {
  const secret = `whsec_${Buffer.alloc(32, 9).toString('base64')}`
  const given = {
    options: { secretSetting: 'S', headerSettings: { authorization: 'T' } },
    settings: { S: secret, T: 'Bearer tok-456' },
  }
  const { received, url } = await setup(t, given, (request, response) => {
    const isBad = received.at(-1)!.body.includes('bad')
    response.writeHead(isBad ? 422 : 200).end(`You said ${request.headers.authorization}`)
  })
  return {
    create: () => actionOf(http, url, given),
    createAway: () => actionOf(http, 'http://127.0.0.1:9/', given),
    events: [1, 2, 3].map((n) => ({ ...order, id: `o-${n}`, subject: `s-${n}` })),
    refused: { ...order, data: 'bad' },
    effects: () => received.map(({ body, headers }) => [headers['idempotency-key'], body]),
    secrets: [secret, 'tok-456'],
  }
})

interface Received {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** An action on a server that gives each request, counted from 0, to `answer`. */
async function setup(
  t: TestContext,
  given: Given = {},
  answer: (request: IncomingMessage, response: ServerResponse, n: number) => void = (_, response) =>
    response.end(),
  urlOf = (port: number) => `http://127.0.0.1:${port}/events?tenant=7`,
) {
  const received: Received[] = []
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method, url, headers } = request
      received.push({ method: method!, url: url!, headers, body: Buffer.concat(chunks).toString() })
      answer(request, response, received.length - 1)
    })
  })
  server.on('connection', (socket) => {
    connections += 1
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const stop = async () => {
    server.closeAllConnections()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }
  const url = urlOf((server.address() as AddressInfo).port)
  const action = actionOf(http, url, given)
  t.after(async () => {
    await action.close()
    await stop()
  })
  return { action, url, received, sockets, connections: () => connections, stop }
}

/** What is left of a run whose one event fails. */
async function failed(t: TestContext, action: Action): Promise<{ report: string; failures: string }> {
  const path = mkdtempSync(join(tmpdir(), 'backstory-http-'))
  t.after(() => rmSync(path, { recursive: true }))
  const folder = await RunFolder.open(path)
  const source = listSource([order])
  const report = await replay({ run: 'a', source, rules: [{ name: 'r', action }], checkpoints: { folder } })
  await folder.close()
  return { report: JSON.stringify(report), failures: readFileSync(folder.failuresOf(1), 'utf8') }
}

async function act(action: Action, event: unknown): Promise<void> {
  await action.act([action.prepare(eventOf(event))], { signal: never })
}

async function failureOf(action: Action): Promise<ActionFailure> {
  return await act(action, order).then(
    () => assert.fail('it did not fail'),
    (error: ActionFailure) => error,
  )
}
