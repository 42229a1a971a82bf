import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { Action } from '../action.ts'
import { actionConformance } from '../conformance/index.ts'
import { OpenSearchStub } from '../opensearch/opensearch-stub.fixture.ts'
import { places, type Target } from '../opensearch/opensearch-target.fixture.ts'
import { pluginTarget } from '../plugin-target.fixture.ts'
import { listSource } from '../replay.fixture.ts'
import { replay } from '../replay.ts'
import { action } from './opensearch.ts'

type Options = Readonly<Record<string, unknown>>

const id = { id: '$.id' }
const orders = [1, 2, 3, 4].map((n) => ({ id: `o-${n}`, subject: `k${n}`, n }))
const byId = Object.fromEntries(orders.map((order) => [order.id, order]))

function actionAt(address: string, options: Options = {}, settings: Readonly<Record<string, string>> = {}) {
  return action.create(pluginTarget(address, { options, setting: (name) => settings[name] })) as Action
}

async function run(address: string, events: readonly unknown[], options: Options) {
  const rules = [{ name: 'r', action: actionAt(address, options) }]
  const report = await replay({ run: 'r1', source: listSource(events), rules })
  const [{ acted, skipped, failed }] = report.rules as [(typeof report.rules)[0]]
  const causes = report.causes.map(({ kind, code, message }) => ({ kind, code, message }))
  return { counts: [acted, skipped, failed], causes }
}

for (const [name, open] of places) {
  const promise = (title: string, check: (target: Target) => Promise<void>) =>
    test(`${name}: ${title}`, async (t) => {
      const target = await open(t)
      await check(target)
      assert.deepEqual(target.stub?.violations ?? [], [])
    })

  promise('index replaces the document of an _id', async ({ address, documents }) => {
    assert.deepEqual((await run(address, orders, id)).counts, [4, 0, 0])
    assert.deepEqual(await documents(), byId)
    const changed = { ...orders[1]!, n: 20 }
    await run(address, [changed], id)
    assert.deepEqual(await documents(), { ...byId, 'o-2': changed })
  })

  promise(
    'without a mapping the document is the event, and the _id that of its source and id',
    async ({ address, documents }) => {
      await run(address, [...orders, ...orders], {})
      const found = await documents()
      assert.deepEqual(
        Object.values(found)
          .map((one) => (one as { id: string }).id)
          .sort(),
        ['o-1', 'o-2', 'o-3', 'o-4'],
      )
      assert.ok(Object.keys(found).every((key) => /^[\w-]{43}$/.test(key)))
    },
  )

  promise('a mapping makes the document', async ({ address, documents }) => {
    await run(address, ['{\n "id": "a",\n "n": 1\n}'], {
      id: 'doc-{$.id}',
      columns: { count: '$.n', all: { path: '$', type: 'json' } },
    })
    assert.deepEqual(await documents(), { 'doc-a': { count: 1, all: { id: 'a', n: 1 } } })
  })

  promise('create leaves what is there, and tells of it if asked', async ({ address, documents }) => {
    await run(address, orders.slice(0, 2), { ...id, operation: 'create' })
    const changed = orders.map((order) => ({ ...order, n: 9 }))
    const skipped = await run(address, changed.slice(0, 3), { ...id, operation: 'create' })
    assert.deepEqual(skipped.counts, [1, 2, 0])
    const refused = await run(address, changed.slice(2), { ...id, operation: 'create', exists: 'refuse' })
    assert.deepEqual(refused.counts, [1, 0, 1])
    assert.equal(refused.causes[0]!.code, 'version_conflict_engine_exception')
    assert.deepEqual(
      Object.values(await documents()).map((one) => (one as { n: number }).n),
      [1, 2, 9, 9],
    )
  })

  promise(
    'update changes some fields; what is missing is refused, or made',
    async ({ address, documents }) => {
      await run(address, orders.slice(0, 1), id)
      const columns = { paid: true, total: '$.n' }
      const { counts, causes } = await run(address, orders.slice(0, 2), {
        ...id,
        operation: 'update',
        columns,
      })
      assert.deepEqual(
        [counts, causes[0]!.kind, causes[0]!.code],
        [[1, 0, 1], 'refused', 'document_missing_exception'],
      )
      await run(address, orders.slice(1, 2), { ...id, operation: 'update', columns, upsert: true })
      assert.deepEqual(await documents(), {
        'o-1': { ...orders[0], paid: true, total: 1 },
        'o-2': { paid: true, total: 2 },
      })
    },
  )

  promise(
    'delete takes documents away; one that is missing is nothing to do',
    async ({ address, documents }) => {
      await run(address, orders, id)
      const { counts } = await run(address, [orders[0], { id: 'o-9', subject: 'x' }], {
        ...id,
        operation: 'delete',
      })
      assert.deepEqual(counts, [1, 1, 0])
      assert.deepEqual(Object.keys(await documents()), ['o-2', 'o-3', 'o-4'])
    },
  )

  promise('with versions an older event never replaces a newer one', async ({ address, documents }) => {
    const options = { id: '$.subject', version: '$.n' }
    const events = [5, 3, 7, 7, 6].map((n) => ({ id: `o-${n}`, subject: 'k', n }))
    assert.deepEqual((await run(address, events, options)).counts, [2, 3, 0])
    assert.deepEqual(await documents(), { k: { id: 'o-7', subject: 'k', n: 7 } })
    await run(address, [{ subject: 'k', n: 9 }], { ...options, operation: 'delete' })
    assert.deepEqual((await run(address, events, options)).counts, [0, 5, 0])
    assert.deepEqual(await documents(), {})
    const refused = await run(address, [{ subject: 'a', n: -1 }, { subject: 'b' }], options)
    assert.deepEqual([refused.counts[2], refused.causes[0]!.code], [2, 'REPLAY_EVENT_REFUSED'])
  })

  promise(
    'a document that does not fit is refused by its type and reason, the others are written',
    async ({ address, documents }) => {
      const { counts, causes } = await run(address, [orders[0], { id: 'bad', n: 'abc' }, orders[1]], id)
      assert.deepEqual([counts, causes[0]!.kind], [[2, 0, 1], 'refused'])
      assert.match(causes[0]!.code, /parsing_exception$/)
      assert.match(causes[0]!.message, /\[n\]/)
      assert.deepEqual(Object.keys(await documents()), ['o-1', 'o-2'])
    },
  )
}

for (const [name, open] of places) {
  actionConformance(name, async (t) => {
    const { address, documents } = await open(t)
    return {
      events: orders,
      refused: { id: 'bad', subject: 'x', n: 'abc' },
      effects: documents,
      create: () => actionAt(address, id),
    }
  })
}

const secret = 'Pa:ss w0rd!'

actionConformance('a stub with a password', async (t) => {
  const authorization = `Basic ${Buffer.from(`replayer:${secret}`).toString('base64')}`
  const stub = await OpenSearchStub.start(t, { authorization })
  const options = { ...id, user: 'replayer', passwordSetting: 'OPENSEARCH_PASSWORD' }
  const settings = { OPENSEARCH_PASSWORD: secret }
  return {
    events: orders,
    refused: { id: 'bad', subject: 'x', n: 'abc' },
    secrets: [secret, authorization.slice('Basic '.length)],
    effects: () => stub.documents('orders'),
    create: () => actionAt(`opensearch+${stub.url}/orders`, options, settings),
    createAway: () => actionAt('opensearch+http://127.0.0.1:1/orders', options, settings),
  }
})

test('what the server says of a document for a moment is tried again, alone', async (t) => {
  const { stub, address } = await started(t)
  stub.itemFaults.set('o-2', [
    { status: 429, type: 'es_rejected_execution_exception', reason: 'queue is full' },
  ])
  stub.itemFaults.set('o-3', [{ status: 503, type: 'unavailable_shards_exception', reason: 'no primary' }])
  assert.deepEqual((await run(address, orders, id)).counts, [4, 0, 0])
  assert.deepEqual(stub.documents('orders'), byId)
  assert.equal(stub.bodies.at(-1)!.split('\n').length - 1, 4)
})

const moments = [
  [
    '429',
    {
      status: 429,
      headers: { 'retry-after': '0' },
      body: { error: { type: 'circuit_breaking_exception', reason: 'full' } },
    },
  ],
  ['503', { status: 503, body: 'down' }],
  ['401', { status: 401 }],
  ['an answer that is cut short', { status: 200, body: '{"errors":false,"items":[' }],
  [
    'an answer of fewer documents',
    { status: 200, body: { errors: false, items: [{ index: { status: 200 } }] } },
  ],
  ['a redirect', { status: 302, headers: { location: 'http://127.0.0.1:1/' } }],
  ['a cut before', 'cut'],
  ['a cut behind', 'cut-after'],
] as const

for (const [what, answer] of moments) {
  test(`a request that gets ${what} is sent again, and its documents are there once`, async (t) => {
    const { stub, address } = await started(t)
    stub.faults.push({ on: /_bulk/, answer })
    assert.deepEqual((await run(address, orders, id)).counts, [4, 0, 0])
    assert.deepEqual(stub.documents('orders'), byId)
    assert.deepEqual(stub.violations, [])
  })
}

test('bodies are as long as allowed at most; a document that is longer is refused', async (t) => {
  const { stub, address } = await started(t)
  const events = Array.from({ length: 50 }, (_, at) => ({
    id: `o-${at}`,
    subject: `k${at}`,
    pad: 'ü'.repeat(100),
  }))
  const { counts, causes } = await run(address, [...events, { id: 'big', pad: 'x'.repeat(2_000) }], {
    ...id,
    bodyBytesMax: 2_000,
  })
  assert.deepEqual([counts, causes[0]!.code], [[50, 0, 1], 'REPLAY_EVENT_REFUSED'])
  const longest = Math.max(...stub.bodies.map((body) => Buffer.byteLength(body)))
  assert.ok(longest <= 2_000 && longest > 1_500, `${longest}`)
})

test('where something on the way takes less, it is sent in halves', async (t) => {
  const stub = await OpenSearchStub.start(t, { bodyBytesMax: 300 })
  const events = Array.from({ length: 16 }, (_, at) => ({ id: `o-${at}`, subject: `k${at}` }))
  const big = { id: 'big', pad: 'x'.repeat(400) }
  const { counts, causes } = await run(`opensearch+${stub.url}/orders`, [...events, big], id)
  assert.deepEqual([counts, causes[0]!.code], [[16, 0, 1], 'HTTP 413'])
})

test('a password that is not accepted is told before anything is sent', async (t) => {
  const stub = await OpenSearchStub.start(t, { authorization: 'ApiKey abc' })
  const address = `elasticsearch+${stub.url}/orders`
  await assert.rejects(run(address, orders, id), { code: 'REPLAY_ACTION_INVALID', message: /HTTP 401/ })
  assert.deepEqual(stub.requests, ['HEAD /orders'])
  const settings = { ELASTIC_KEY: 'abc' }
  const rules = [{ name: 'r', action: actionAt(address, { apiKeySetting: 'ELASTIC_KEY' }, settings) }]
  const report = await replay({ run: 'r1', source: listSource(orders), rules })
  assert.equal(report.failed, 0)
})

test('a password that the server says back is in no message', async (t) => {
  const server = createServer(({ headers, method }, response) => {
    const error = { type: 'proxy', reason: `who is ${headers.authorization}` }
    // The first looks whether the index is there.
    response
      .writeHead(method === 'HEAD' ? 200 : 400)
      .end(method === 'HEAD' ? undefined : JSON.stringify({ error }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const { causes } = await run(`opensearch+http://u:hunter2@127.0.0.1:${port}/orders`, orders, id)
  assert.match(causes[0]!.message, /who is \*\*\*$/)
})

test('a dry run sends nothing, and shows the request', async (t) => {
  const { stub, address } = await started(t)
  const rules = [{ name: 'r', action: actionAt(address, { ...id, version: '$.n', refresh: 'wait_for' }) }]
  const report = await replay({ run: 'r1', source: listSource(orders), rules, dryRun: true })
  assert.deepEqual(stub.requests, [])
  assert.deepEqual(report.rules[0]!.samples[0]!.write, {
    kind: 'request',
    method: 'POST',
    url: `${stub.url}/orders/_bulk?filter_path=errors%2Citems.*.status%2Citems.*.error.type%2Citems.*.error.reason%2Citems.*.error.caused_by.reason&refresh=wait_for`,
    headers: { 'content-type': 'application/x-ndjson' },
    body: '{"index":{"_id":"o-1","version":1,"version_type":"external"}}\n{"id":"o-1","subject":"k1","n":1}\n',
  })
})

test('events that are no documents are refused', async (t) => {
  const { address } = await started(t)
  const { counts } = await run(address, ['[1]', '7', { n: 1 }, { id: 'x'.repeat(600) }], id)
  assert.deepEqual(counts, [0, 0, 4])
})

test('addresses and options that cannot be are refused', () => {
  for (const [address, options, message] of [
    ['opensearch+http://h:9200', {}, /index/],
    ['opensearch+http://h:9200/a?b=1', {}, /more than/],
    ['opensearch+http://h:9200/a*', {}, /more than one index/],
    ['opensearch+http://h:9200/a', { operation: 'create', version: '$.n' }, /version/],
    ['opensearch+http://h:9200/a', { operation: 'delete', columns: { a: 1 } }, /columns/],
    ['opensearch+http://h:9200/a', { user: 'u', passwordSetting: 'NONE' }, /NONE is not there/],
    ['opensearch+http://h:9200/a', { mapping: {} }, /no option/],
  ] as const) {
    assert.throws(() => actionAt(address, options), { name: 'TypeError', message }, address)
  }
  assert.equal(actionAt('opensearch+https://u:geheim@h:9200/p/a').name, 'opensearch+https://h:9200/p/a')
  assert.equal(actionAt('opensearch+https://h:9200/a').isLocal, false)
})

async function started(t: TestContext): Promise<{ stub: OpenSearchStub; address: string }> {
  const stub = await OpenSearchStub.start(t)
  return { stub, address: `opensearch+${stub.url}/orders` }
}
