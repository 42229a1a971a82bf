/** The management API's client, before servers that do what RabbitMQ's does not. */
import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { BrokerError } from './errors.ts'
import { ManagementApi } from './management.ts'

async function serve(t: TestContext, listener: RequestListener): Promise<number> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

function apiOf(port: number, { timeoutMs }: { timeoutMs?: number } = {}): ManagementApi {
  return new ManagementApi(`http://user:hunter%202@127.0.0.1:${port}/`, { virtualHost: '/', timeoutMs })
}

function fails(code: string, what: RegExp) {
  return (error: unknown) =>
    error instanceof BrokerError &&
    error.code === code &&
    what.test(error.message) &&
    !/hunter/.test(`${error.message}${String(error.cause)}`)
}

test('user and password go to the host that was named, decoded', async (t) => {
  let seen: string | undefined
  const port = await serve(t, (request, response) => {
    seen = `${request.headers.authorization} ${request.url}`
    response.end('{}')
  })
  await apiOf(port).queue('orders/a b')
  assert.equal(seen, `Basic ${btoa('user:hunter 2')} /api/queues/%2F/orders%2Fa%20b`)
})

test('a redirect is not followed: the password goes nowhere else', async (t) => {
  let asked = 0
  const elsewhere = await serve(t, (_request, response) => {
    asked += 1
    response.end('{}')
  })
  const port = await serve(t, (_request, response) => {
    response.writeHead(302, { location: `http://127.0.0.1:${elsewhere}/` }).end()
  })
  await assert.rejects(apiOf(port).queue('orders'), fails('BROKER_MANAGEMENT_INVALID', /302/))
  assert.equal(asked, 0)
})

test('an answer that never ends is cut off before it fills the memory', async (t) => {
  let written = 0
  const port = await serve(t, (_request, response) => {
    const chunk = Buffer.alloc(1_024 * 1_024, 0x20)
    const more = () => {
      for (let hasRoom = true; hasRoom && !response.destroyed; written += chunk.length)
        hasRoom = response.write(chunk)
    }
    response.on('drain', more)
    more()
  })
  await assert.rejects(
    apiOf(port).destinations('orders'),
    fails('BROKER_MANAGEMENT_INVALID', /more than 4194304 bytes/),
  )
  assert.ok(written < 64 * 1_024 * 1_024, `${written}`)
})

test('a server that does not answer, or stops in the middle, is given up', async (t) => {
  const startedAt = performance.now()
  const silent = await serve(t, () => {})
  await assert.rejects(
    apiOf(silent, { timeoutMs: 50 }).queue('orders'),
    fails('BROKER_UNREACHABLE', /within 50 ms/),
  )
  const halting = await serve(t, (_request, response) => void response.write('{'))
  await assert.rejects(
    apiOf(halting, { timeoutMs: 50 }).queue('orders'),
    fails('BROKER_UNREACHABLE', /within 50 ms/),
  )
  assert.ok(performance.now() - startedAt < 4_000, 'not at the default of 5 s')
})

test('what is no management API is told apart from one that refuses', async (t) => {
  const other = await serve(t, (_request, response) => response.end('<html>'))
  await assert.rejects(apiOf(other).queue('orders'), fails('BROKER_MANAGEMENT_INVALID', /no JSON/))
  const broken = await serve(t, (_request, response) => response.writeHead(500).end())
  await assert.rejects(apiOf(broken).queue('orders'), fails('BROKER_MANAGEMENT_INVALID', /500/))
  const refusing = await serve(t, (_request, response) => response.writeHead(401).end())
  await assert.rejects(apiOf(refusing).queue('orders'), fails('BROKER_ACCESS_REFUSED', /401/))
  assert.equal(await apiOf(refusing).policy('all'), undefined, 'policies ask for more rights')
  assert.throws(
    () => new ManagementApi('amqp://user:hunter2@host', { virtualHost: '/' }),
    (error) => error instanceof TypeError && !/hunter/.test(error.message),
  )
})
