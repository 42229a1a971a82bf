import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Action } from '../action.ts'
import { action } from '../actions/opensearch.ts'
import { sourceConformance } from '../conformance/index.ts'
import { OpenSearchStub } from '../opensearch/opensearch-stub.fixture.ts'
import { places } from '../opensearch/opensearch-target.fixture.ts'
import { pluginTarget } from '../plugin-target.fixture.ts'
import { listSource } from '../replay.fixture.ts'
import { replay } from '../replay.ts'
import type { Source } from '../source.ts'
import { source } from './opensearch.ts'

const count = 60
const orders = Array.from(
  { length: count },
  (_, at) => `{"id":"o-${at}","n":${at},"big":1234567890123456789${at % 10}}`,
)

function sourceAt(address: string, options: Readonly<Record<string, unknown>> = {}): Source {
  return source.create(pluginTarget(address, { options: { sort: 'n', pageEvents: 7, ...options } })) as Source
}

async function fill(address: string, texts: readonly string[]): Promise<void> {
  const rules = [
    {
      name: 'r',
      action: action.create(pluginTarget(address, { options: { id: '$.id', refresh: 'true' } })) as Action,
    },
  ]
  const report = await replay({ run: 'r1', source: listSource(texts), rules })
  assert.equal(report.failed, 0)
}

async function readAll(from: Source, { after }: { after?: string } = {}) {
  const events = []
  for await (const page of from.read({ after, signal: new AbortController().signal }))
    events.push(...page.events)
  return events
}

for (const [name, open] of places) {
  sourceConformance(name, async (t) => {
    const { address, stub } = await open(t)
    await fill(address, orders)
    return {
      events: count,
      create: () => sourceAt(address),
      createAway: () => sourceAt(`${address}-none`),
      ...(stub && { reads: () => stub.requests.filter((line) => line === 'POST /_search').length }),
    }
  })

  test(`${name}: documents come as they were written, in the order of the sort, of one point in time`, async (t) => {
    const { address, stub } = await open(t)
    await fill(address, orders)
    const from = sourceAt(address, { sort: 'n:desc', keepAlive: '90s', query: { match_all: {} } })
    await from.open()
    const pages = from.read({ after: undefined, signal: new AbortController().signal })
    const texts = []
    for await (const { events } of pages) {
      if (texts.length === 0) await fill(address, ['{"id":"late","n":-1}'])
      texts.push(...events.map(({ text }) => text))
    }
    await from.close()
    assert.deepEqual(texts, [...orders].reverse())
    if (stub !== undefined) assert.deepEqual([[...stub.points.keys()], stub.violations], [[], []])
  })
}

test('a point in time that expires is followed by another, behind what was read', async (t) => {
  const { stub, address } = await filled(t)
  const from = sourceAt(address)
  await from.open()
  const positions = []
  for await (const { events } of from.read({ after: undefined, signal: new AbortController().signal })) {
    positions.push(...events.map(({ position }) => position))
    if (positions.length === 21) stub.points.clear()
  }
  assert.deepEqual(
    positions,
    orders.map((_, at) => at + 1),
  )
  assert.equal(
    stub.requests.filter((line) => line.endsWith('/point_in_time') && line.startsWith('POST')).length,
    2,
  )
})

test('a server that is away for a moment, or asks for less, is asked again', async (t) => {
  const { stub, address } = await filled(t)
  const from = sourceAt(address)
  await from.open()
  for (const answer of [
    'cut',
    { status: 503 },
    { status: 429, headers: { 'retry-after': '0' } },
    'cut-after',
  ] as const)
    stub.faults.push({ on: /_search$/, answer })
  stub.faults.push({ on: /point_in_time/, answer: { status: 503 } })
  assert.equal((await readAll(from)).length, count)
  await from.close()
})

test('points in time are deleted where a reading is left, and at the close', async (t) => {
  const { stub, address } = await filled(t)
  const from = sourceAt(address)
  await from.open()
  for await (const _ of from.read({ after: undefined, signal: new AbortController().signal })) break
  assert.equal(stub.points.size, 0)
  const left = from.read({ after: undefined, signal: new AbortController().signal })[Symbol.asyncIterator]()
  await left.next()
  assert.equal(stub.points.size, 1)
  await from.close()
  assert.equal(stub.points.size, 0)
})

test('a sort that does not tell documents apart is an error, never a document left out', async (t) => {
  const { stub, address } = await filled(t)
  for (const pageEvents of [7, 1]) {
    await fill(address, ['{"id":"twin","n":6}'])
    const from = sourceAt(address, { pageEvents })
    await from.open()
    await assert.rejects(readAll(from), {
      code: 'REPLAY_SOURCE_INVALID',
      message: /does not tell all documents/,
    })
    assert.equal(stub.points.size, 0)
  }
  const right = sourceAt(address, { sort: 'n,id' })
  await right.open()
  assert.equal((await readAll(right)).length, count + 1)
})

test('a part of an answer is no answer', async (t) => {
  const { stub, address } = await filled(t)
  const from = sourceAt(address)
  await from.open()
  const partial = { timed_out: true, hits: { hits: [] } }
  stub.faults.push({ on: /_search$/, answer: { status: 200, body: partial } })
  await assert.rejects(readAll(from), {
    code: 'REPLAY_SOURCE_UNAVAILABLE',
    message: /a part of its documents/,
  })
})

test('what the server does not take is told with its reason', async (t) => {
  const { stub, address } = await filled(t)
  const from = sourceAt(address)
  const body = { error: { type: 'parsing_exception', reason: 'unknown query [matsch]' } }
  stub.faults.push({ on: /_count$/, answer: { status: 400, body } })
  await assert.rejects(from.open(), { code: 'REPLAY_SOURCE_INVALID', message: /unknown query \[matsch\]/ })
})

test('a source without a sort is refused', () => {
  for (const sort of [undefined, '', [], 7]) {
    assert.throws(() => sourceAt('opensearch+http://h/a', { sort }), { name: 'TypeError' })
  }
})

async function filled(t: TestContext): Promise<{ stub: OpenSearchStub; address: string }> {
  const stub = await OpenSearchStub.start(t)
  const address = `opensearch+${stub.url}/orders`
  await fill(address, orders)
  return { stub, address }
}
