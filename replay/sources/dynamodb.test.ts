import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { DeleteItemCommand } from '@aws-sdk/client-dynamodb'
import { sourceConformance } from '../conformance/source-conformance.ts'
import type { Item } from '../dynamodb/attribute-value.ts'
import { region, startDynamo, type TestDynamo } from '../dynamodb/dynalite.fixture.ts'
import { type Given, never, sourceOf } from '../plugin.fixture.ts'
import type { ReplayEvent } from '../replay-event.ts'
import type { Source } from '../source.ts'
import { source as dynamodb } from './dynamodb.ts'

test('a scan gives each item once, in one segment or in several, and counts them from 1', async (t) => {
  const dynamo = await startDynamo(t)
  const table = await dynamo.table()
  await dynamo.fill(table, itemsOf(100))
  for (const options of [{}, { segments: 3, pageItems: 20 }, { segments: 16 }]) {
    const { events } = await readAll(sourceAt(dynamo, table, options))
    assert.deepEqual(
      events.map(({ position }) => position),
      events.map((_, at) => at + 1),
    )
    assert.equal(new Set(events.map(({ attributes }) => attributes.id)).size, 100)
  }
})

test('behind any token it gives the rest in the same order, also where the item of it is gone', async (t) => {
  const dynamo = await startDynamo(t)
  const table = await dynamo.table({ partition: ['p', 'S'], sort: ['n', 'N'] })
  const items = itemsOf(120).map((item, n) => ({ ...item, p: { S: `p-${n % 5}` } }))
  await dynamo.fill(table, items)
  const all = { pageItems: 25 }
  for (const options of [
    all,
    { ...all, segments: 5 },
    { ...all, key: ['p-2', 'p-0', 'p-1', 'p-4', 'p-3'] },
  ]) {
    const { events } = await readAll(sourceAt(dynamo, table, options))
    const ids = events.map(idOf)
    assert.equal(new Set(ids).size, 120)
    for (const at of [0, 24, 57, 119]) {
      const rest = (await readAll(sourceAt(dynamo, table, options), events[at]!.token)).events
      assert.deepEqual(rest.map(idOf), ids.slice(at + 1))
      assert.deepEqual(
        rest.map(({ position }) => position),
        rest.map((_, n) => at + 2 + n),
      )
    }
  }
  const { events } = await readAll(sourceAt(dynamo, table, all))
  const { p, n } = events[57]!.json as { p: string; n: number }
  await dynamo.client.send(
    new DeleteItemCommand({ TableName: table, Key: { p: { S: p }, n: { N: `${n}` } } }),
  )
  const rest = (await readAll(sourceAt(dynamo, table, all), events[57]!.token)).events
  assert.deepEqual(rest.map(idOf), events.slice(58).map(idOf))
})

test('partitions are read one after the other, in the order of their sort key, also of an index', async (t) => {
  const dynamo = await startDynamo(t)
  const table = await dynamo.table({
    partition: ['id', 'S'],
    global: { name: 'by-order', partition: 'order', sort: 'at' },
    types: { order: 'S', at: 'N' },
  })
  const at = (n: number) => (n * 7) % 20
  const items = Array.from({ length: 40 }, (_, n) => ({
    id: { S: `e-${n}` },
    order: { S: n % 2 === 0 ? 'even' : 'odd' },
    at: { N: String(at(n)) },
  }))
  await dynamo.fill(table, items)
  const read = async (options: Given['options']) =>
    (await readAll(sourceAt(dynamo, table, { index: 'by-order', ...options }))).events.map(
      ({ json }) => `${(json as { order: string }).order} ${(json as { at: number }).at}`,
    )
  const sorted = (order: string) =>
    items
      .filter((item) => item.order.S === order)
      .map((item) => Number(item.at.N))
      .sort((a, b) => a - b)
      .map((n) => `${order} ${n}`)
  assert.deepEqual(await read({ key: ['odd', 'even'] }), [...sorted('odd'), ...sorted('even')])
  assert.deepEqual(await read({ key: 'odd', newestFirst: true }), sorted('odd').reverse())
  const between = sorted('even').filter((one) => Number(one.slice(5)) >= 4 && Number(one.slice(5)) <= 12)
  assert.deepEqual(await read({ key: 'even', sortFrom: '4', sortTo: '12' }), between)
  assert.deepEqual(await read({ key: 'even', sortFrom: '18' }), sorted('even').slice(-2))
  assert.deepEqual(await read({ key: 'even', sortTo: '1' }), sorted('even').slice(0, 2))
})

test('a sort key of text may begin with a text', async (t) => {
  const dynamo = await startDynamo(t)
  const table = await dynamo.table({ partition: ['id', 'S'], sort: ['at', 'S'] })
  const times = ['2025-12-31', '2026-01-01', '2026-01-02', '2026-02-01']
  await dynamo.fill(
    table,
    times.map((at) => ({ id: { S: 'p' }, at: { S: at } })),
  )
  const { events } = await readAll(sourceAt(dynamo, table, { key: 'p', sortPrefix: '2026-01' }))
  assert.deepEqual(
    events.map(({ json }) => (json as { at: string }).at),
    ['2026-01-01', '2026-01-02'],
  )
})

test('an item is plain JSON: long numbers as text, binary as base64, sets as lists', async (t) => {
  const dynamo = await startDynamo(t)
  const table = await dynamo.table({ partition: ['id', 'B'] })
  const item: Item = {
    id: { B: Buffer.from('key') },
    text: { S: 'ü' },
    whole: { N: '9007199254740991' },
    long: { N: '9007199254740992' },
    huge: { N: '12345678901234567890123456789012345678' },
    fraction: { N: '0.1' },
    exact: { N: '0.12345678901234567890' },
    none: { NULL: true },
    yes: { BOOL: true },
    list: { L: [{ N: '1' }, { M: { a: { S: 'b' } } }] },
    map: { M: { a: { NULL: true } } },
    texts: { SS: ['a', 'b'] },
    numbers: { NS: ['1', '-2.5'] },
    bytes: { BS: [Buffer.from('one')] },
  }
  await dynamo.fill(table, [item])
  const { events } = await readAll(sourceAt(dynamo, table))
  const json = JSON.parse(events[0]!.text)
  assert.deepEqual(Object.fromEntries(Object.entries(json).sort()), {
    bytes: ['b25l'],
    exact: '0.1234567890123456789',
    fraction: 0.1,
    huge: '12345678901234567890123456789012345678',
    id: 'a2V5',
    list: [1, { a: 'b' }],
    long: '9007199254740992',
    map: { a: null },
    none: null,
    numbers: json.numbers,
    text: 'ü',
    texts: ['a', 'b'],
    whole: 9007199254740991,
    yes: true,
  })
  assert.deepEqual(new Set(json.numbers), new Set([1, -2.5]))
  assert.match(events[0]!.place, /, item \{"id":"a2V5"\}$/)
})

test('an attribute may hold the event, as text or as a map; an item without one is an event that cannot be read', async (t) => {
  const dynamo = await startDynamo(t)
  const table = await dynamo.table({ partition: ['p', 'S'], sort: ['n', 'N'] })
  const text = '{ "id": "a", "n": 10000000000000000001 }'
  const events: Item[] = [
    { event: { S: text } },
    { event: { M: { id: { S: 'b' } } } },
    { event: { B: Buffer.from('{"id":"c"}') } },
    { event: { N: '1' } },
    {},
    { event: { S: 'no JSON' } },
  ]
  await dynamo.fill(
    table,
    events.map((event, n) => ({ p: { S: 'x' }, n: { N: String(n) }, ...event })),
  )
  const read = (await readAll(sourceAt(dynamo, table, { key: 'x', event: 'event' }))).events
  assert.deepEqual(
    read.slice(0, 3).map((event) => event.text),
    [text, '{"id":"b"}', '{"id":"c"}'],
  )
  for (const event of read.slice(3)) assert.throws(() => event.json, { code: 'REPLAY_EVENT_UNREADABLE' })
  assert.match(read[4]!.place, /\{"p":"x","n":4\}/)
})

test('reads are consistent where they can be, and throttled ones are made again', async (t) => {
  let throttled = 0
  const dynamo = await startDynamo(t, async ({ operation }) => {
    if (operation !== 'Scan' || throttled++ % 2 === 1) return undefined
    return throttled === 1 ? 'cut' : { status: 400, json: throttling }
  })
  const table = await dynamo.table({
    global: { name: 'by-group', partition: 'group' },
    types: { group: 'S' },
  })
  await dynamo.fill(table, itemsOf(60, { group: { S: 'all' } }))
  assert.equal((await readAll(sourceAt(dynamo, table))).events.length, 60)
  assert.equal((await readAll(sourceAt(dynamo, table, { consistent: false }))).events.length, 60)
  assert.equal((await readAll(sourceAt(dynamo, table, { index: 'by-group', key: 'all' }))).events.length, 60)
  const reads = dynamo.requests.filter(({ operation }) => operation === 'Scan' || operation === 'Query')
  assert.deepEqual(new Set(reads.slice(0, 2).map(({ json }) => json.ConsistentRead)), new Set([true]))
  assert.equal(reads.at(-1)!.json.ConsistentRead, false)
  await assert.rejects(sourceAt(dynamo, table, { index: 'by-group', consistent: true }).open(), {
    code: 'REPLAY_SOURCE_INVALID',
  })
})

test('a bound of read units is kept', async (t) => {
  const units: number[] = []
  const dynamo = await startDynamo(t, async ({ operation, json }, forward) => {
    if (operation !== 'Scan') return undefined
    const answer = await forward(json)
    const { CapacityUnits } = (answer.json as { ConsumedCapacity: { CapacityUnits: number } })
      .ConsumedCapacity
    units.push(CapacityUnits)
    return answer
  })
  const table = await dynamo.table()
  await dynamo.fill(table, itemsOf(300, { pad: { S: 'x'.repeat(250) } }))
  const startedAt = performance.now()
  const { events } = await readAll(sourceAt(dynamo, table, { readUnits: 10, pageItems: 250 }))
  const ms = performance.now() - startedAt
  assert.deepEqual([events.length, units.length], [300, 2])
  assert.ok(units[0]! > 5 && ms >= units[0]! * 100, `${units[0]} units, ${ms} ms`)
})

test('what is not there, or no source of this checkpoint, is told as such', async (t) => {
  const dynamo = await startDynamo(t)
  const table = await dynamo.table()
  await dynamo.fill(table, itemsOf(3))
  await assert.rejects(sourceAt(dynamo, 'no-table').open(), {
    code: 'REPLAY_SOURCE_UNAVAILABLE',
    message: /ResourceNotFound/,
  })
  await assert.rejects(sourceAt(dynamo, table, { index: 'none' }).open(), { code: 'REPLAY_SOURCE_INVALID' })
  await assert.rejects(sourceAt(dynamo, table, { key: 'x', sortTo: '1' }).open(), {
    code: 'REPLAY_SOURCE_INVALID',
  })
  const { events } = await readAll(sourceAt(dynamo, table))
  for (const token of [events[0]!.token, '17', 'null', '{}', 'nothing'])
    await assert.rejects(readAll(sourceAt(dynamo, table, { segments: 2 }), token), {
      code: 'REPLAY_CHECKPOINT_FOREIGN',
    })
  const options = { endpoint: 'http://127.0.0.1:9', region, timeoutMs: 100 }
  for (const wrong of [
    { segments: 0 },
    { sortFrom: 'a' },
    { newestFirst: true },
    { key: [] },
    { key: 'a', segments: 2 },
    { key: 'a', sortPrefix: 'b', sortTo: 'c' },
    { readUnits: 0 },
    { colour: 'red' },
  ])
    assert.throws(() => sourceOf(dynamodb, 'dynamodb:t', { options: { ...options, ...wrong } }), TypeError)
})

const shared = await startDynamo({ after })
const sharedTable = await shared.table({ partition: ['p', 'S'], sort: ['n', 'N'] })
await shared.fill(
  sharedTable,
  itemsOf(30).map((item, n) => ({ ...item, p: { S: `p-${n % 3}` } })),
)

for (const [name, options] of [
  ['scan of segments', { segments: 3 }],
  ['query', { key: ['p-2', 'p-0', 'p-1'] }],
] as const) {
  const small = { ...options, pageItems: 3 }
  sourceConformance(`dynamodb, ${name}`, () => ({
    create: () => sourceAt(shared, sharedTable, small),
    createAway: () => sourceAt(shared, sharedTable, { ...small, endpoint: 'http://127.0.0.1:9' }),
    events: 30,
    secrets: [process.env.AWS_SECRET_ACCESS_KEY!],
    // The pages of several segments are read at once.
    ...(!('segments' in options || shared.isReal) && {
      reads: () => shared.requests.filter(({ operation }) => /^(Scan|Query)$/.test(operation)).length,
    }),
  }))
}

const throttling = { __type: 'com.amazonaws#ProvisionedThroughputExceededException', message: 'slow down' }

function itemsOf(count: number, more: Item = {}): Item[] {
  return Array.from({ length: count }, (_, n) => ({ id: { S: `e-${n}` }, n: { N: String(n) }, ...more }))
}

function idOf({ attributes }: ReplayEvent): string {
  return attributes.id!
}

function sourceAt({ endpoint }: TestDynamo, table: string, options: Given['options'] = {}): Source {
  return sourceOf(dynamodb, `dynamodb:${table}`, { options: { endpoint, region, ...options } })
}

async function readAll(source: Source, after?: string): Promise<{ events: ReplayEvent[]; bytes: number }> {
  const events: ReplayEvent[] = []
  let bytes = 0
  try {
    await source.open()
    for await (const page of source.read({ after, signal: never })) {
      events.push(...page.events)
      bytes = page.bytes
    }
  } finally {
    await source.close()
  }
  return { events, bytes }
}
