import assert from 'node:assert/strict'
import dgram from 'node:dgram'
import dns from 'node:dns'
import { createServer } from 'node:http'
import { type AddressInfo, Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { action as dynamodb } from './actions/dynamodb.ts'
import { action as eventbridge } from './actions/eventbridge.ts'
import { action as http } from './actions/http.ts'
import { action as lambda } from './actions/lambda.ts'
import { useStubCredentials } from './aws/aws-stub.fixture.ts'
import { actionOf } from './plugin.fixture.ts'
import { listSource } from './replay.fixture.ts'
import { replay } from './replay.ts'

useStubCredentials()

const settleMs = 100

type Case = readonly [
  name: string,
  plugin: Parameters<typeof actionOf>[0],
  address: (endpoint: string) => string,
]

const cases: readonly Case[] = [
  ['lambda', lambda, () => 'lambda:orders'],
  ['eventbridge', eventbridge, () => 'eventbridge:orders'],
  ['http', http, (endpoint) => `${endpoint}/hook`],
  ['dynamodb', dynamodb, () => 'dynamodb:orders'],
]

const orders = [1, 2, 3, 4].map((n) => ({
  specversion: '1.0',
  id: `o-${n}`,
  source: 'shop',
  type: 'placed',
  subject: `s-${n}`,
  data: { n },
}))

for (const [name, plugin, address] of cases) {
  test(`a dry run of ${name} opens no socket and asks for no name, and shows what would be sent`, async (t) => {
    const { endpoint, touched } = await watched(t)
    const options = name === 'http' ? {} : { endpoint, region: 'eu-central-1' }
    const run = async (dryRun: boolean) => {
      const action = actionOf(plugin, address(endpoint), { options })
      return await replay({
        run: 'r',
        source: listSource(orders),
        rules: [{ name: 'r', action }],
        dryRun,
        retries: { unavailable: 0 },
      })
    }
    // The watch does see a real one, which has also loaded whatever takes time to load.
    await run(false).catch(() => {})
    assert.ok(touched.includes('connect') && touched.includes('request'), String(touched))
    await sleep(settleMs)
    touched.length = 0
    const planned = await run(true)
    // It is for something that must not happen: nothing could be waited for.
    await sleep(settleMs)
    assert.equal(touched.join(), '')
    assert.deepEqual([planned.rules[0]!.acted, planned.failed], [4, 0])
    const samples = JSON.stringify(planned.rules[0]!.samples)
    for (const n of [1, 2, 3]) assert.match(samples, new RegExp(`s-${n}`))
  })
}

/** A server, and all that goes out of this process, or comes to that server. */
async function watched(t: TestContext): Promise<{ endpoint: string; touched: string[] }> {
  const touched: string[] = []
  const watch = (of: object, name: string, told: string) => {
    const methods = of as Record<string, (...args: unknown[]) => unknown>
    const original = methods[name]!
    t.mock.method(methods, name, function (this: unknown, ...args: unknown[]) {
      touched.push(told)
      return original.apply(this, args)
    })
  }
  watch(Socket.prototype, 'connect', 'connect')
  watch(dgram.Socket.prototype, 'send', 'send')
  for (const name of ['lookup', 'resolve', 'resolve4', 'resolve6'] as const) watch(dns, name, 'name')
  watch(dns.promises, 'lookup', 'name')
  const server = createServer((_, response) => {
    touched.push('request')
    response.writeHead(500).end()
  })
  server.on('connection', () => touched.push('connection'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, touched }
}
