import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { attributesOf, toMessage } from '../../../events/index.ts'
import { openHistoryWriter } from '../../../history/index.ts'
import {
  region,
  type StubAnswer,
  startAwsStub,
  useStubCredentials,
} from '../../../replay/aws/aws-stub.fixture.ts'
import { startDynamo } from '../../../replay/dynamodb/dynalite.fixture.ts'
import { runCli, tempFolder } from '../run-cli.fixture.ts'

useStubCredentials()
process.env.AWS_REGION = region

const orders = [1, 2, 3, 4].map((n) => ({
  specversion: '1.0',
  id: `o-${n}`,
  source: '/shop',
  type: n % 2 === 0 ? 'order.paid' : 'order.closed',
  subject: `order-${n}`,
  data: { total: n },
}))

test('the commands of docs/replay/lambda.md invoke the function', async (t) => {
  const invocation = (request: { headers: Record<string, unknown> }) =>
    request.headers['x-amz-invocation-type']
  const stub = await startAwsStub(t, {
    service: 'lambda',
    answer: (request): StubAnswer => ({ status: invocation(request) === 'DryRun' ? 204 : 200 }),
  })
  await runPage(t, 'lambda.md', { env: { AWS_ENDPOINT_URL_LAMBDA: stub.endpoint, AWS_REGION: region } })
  assert.deepEqual(
    stub.requests.map((request) => [invocation(request), request.path.split('?')[1]]),
    [
      ['DryRun', undefined],
      ['RequestResponse', undefined],
      ['RequestResponse', undefined],
      ['DryRun', 'Qualifier=live'],
      ...orders.map(() => ['Event', 'Qualifier=live']),
    ],
  )
})

test('the commands of docs/replay/eventbridge.md put events on the bus', async (t) => {
  const put: unknown[] = []
  const stub = await startAwsStub(t, {
    service: 'events',
    answer: ({ json }) => {
      const { Entries = [] } = json as { Entries?: unknown[] }
      put.push(...Entries)
      return {
        status: 200,
        json: { FailedEntryCount: 0, Entries: Entries.map((_, n) => ({ EventId: `${n}` })) },
      }
    },
  })
  await runPage(t, 'eventbridge.md', {
    env: { AWS_ENDPOINT_URL_EVENTBRIDGE: stub.endpoint, AWS_REGION: region },
  })
  assert.equal(put.length, 2 + 4)
})

test('the commands of docs/replay/http.md send events, signed and mapped', async (t) => {
  const received: unknown[][] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    const { id, total } = JSON.parse(Buffer.concat(chunks).toString())
    const { authorization, 'webhook-signature': signature } = request.headers
    received.push([request.method, request.url, id, total, signature !== undefined, authorization])
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const own = (line: string) =>
    line.replace('https://shop.example', `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
  await runPage(t, 'http.md', { env: { WEBHOOK_SECRET: secret, API_TOKEN: 'Bearer t' }, own })
  assert.deepEqual(received, [
    ...orders.map(({ id }) => ['POST', '/hooks/orders', id, undefined, true, undefined]),
    ...orders.map(({ subject, data }) => ['PUT', '/orders', subject, data.total, false, 'Bearer t']),
  ])
})

test('the commands of docs/replay/dynamodb.md read events and write items', async (t) => {
  const dynamo = await startDynamo(t)
  const events = await dynamo.table({ partition: ['order', 'S'], sort: ['at', 'S'] })
  await dynamo.fill(
    events,
    orders.map((order, n) => ({
      order: { S: order.subject },
      at: { S: `2026-0${n + 1}-01` },
      body: { S: JSON.stringify(order) },
    })),
  )
  const table = await dynamo.table()
  const own = (line: string) =>
    line.replace('dynamodb:events', `dynamodb:${events}`).replace('dynamodb:orders', `dynamodb:${table}`)
  const printed = await runPage(t, 'dynamodb.md', {
    env: { AWS_ENDPOINT_URL_DYNAMODB: dynamo.endpoint, AWS_REGION: region },
    own,
  })
  assert.deepEqual(
    printed.map((text) => [...text.matchAll(/"id":"(o-\d)"/g)].map(([, id]) => id).sort()),
    [['o-1', 'o-2', 'o-3', 'o-4'], ['o-1'], [], []],
  )
  assert.deepEqual((await dynamo.items(table)).map(({ id }) => id!.S).sort(), ['order-2', 'order-4'])
})

/** Runs each command of a page, with names of the test's own; what they print. */
async function runPage(
  t: TestContext,
  page: string,
  { env, own = (line) => line }: { env: Record<string, string>; own?: (line: string) => string },
): Promise<string[]> {
  const cwd = tempFolder(t)
  writeFileSync(join(cwd, 'events.jsonl'), orders.map((order) => `${JSON.stringify(order)}\n`).join(''))
  const writer = await openHistoryWriter({ history: join(cwd, 'backstory-history.db'), exchange: 'orders' })
  const messages = orders.map((order) => toMessage(order, { exchange: 'orders', source: '/shop' }))
  await writer.append({
    events: messages.map((message) => ({ ...attributesOf(message), message })),
    fences: [],
  })
  await writer.close()
  const text = readFileSync(new URL(`../../../docs/replay/${page}`, import.meta.url), 'utf8')
  const [, block] = /```sh\n([\s\S]*?)```/.exec(text)!
  const printed: string[] = []
  for (const line of block!.trim().split('\n')) {
    const words = own(line)
      .match(/'[^']*'|\S+/g)!
      .slice(1)
    const { code, stdout, stderr } = await runCli(
      words.map((word) => word.replace(/^'|'$/g, '')),
      { cwd, env },
    )
    assert.equal(code, 0, `${line}\n${stdout}${stderr}`)
    printed.push(stdout)
  }
  return printed
}
