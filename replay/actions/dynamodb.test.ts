import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { unmarshall } from '@aws-sdk/util-dynamodb'
import { type Action, ActionFailure, type Outcome } from '../action.ts'
import { actionConformance } from '../conformance/action-conformance.ts'
import type { Item } from '../dynamodb/attribute-value.ts'
import {
  type Desk,
  region,
  startDynamo,
  type TableOptions,
  type TestDynamo,
} from '../dynamodb/dynalite.fixture.ts'
import { actionOf, eventOf, type Given, never } from '../plugin.fixture.ts'
import { listSource } from '../replay.fixture.ts'
import { replay } from '../replay.ts'
import { action as dynamodb } from './dynamodb.ts'

const columns = { id: '$.subject', total: '$.data.total', note: '$.data.note' }

function orderOf(n: number, { total = n, note }: { total?: unknown; note?: unknown } = {}) {
  return {
    specversion: '1.0',
    id: `e-${n}`,
    source: 'shop',
    type: 'placed',
    subject: `s-${n % 7}`,
    data: { total, note },
  }
}

test('each event is put in the place of what its key had, in order per key, many at a time', async (t) => {
  const { dynamo, table, action } = await setup(t, { options: { columns } })
  const orders = Array.from({ length: 200 }, (_, n) => orderOf(n))
  const report = await replay({ run: 'r', source: listSource(orders), rules: [{ name: 'r', action }] })
  assert.deepEqual([report.rules[0]!.acted, report.failed], [200, 0])
  const items = (await dynamo.items(table)).map((item) => unmarshall(item))
  assert.deepEqual(
    items.sort((a, b) => (a.id < b.id ? -1 : 1)),
    [0, 1, 2, 3, 4, 5, 6].map((n) => ({ id: `s-${n}`, total: 196 + n > 199 ? 189 + n : 196 + n })),
  )
  if (dynamo.isReal) return
  const writes = dynamo.requests.filter(({ operation }) => operation === 'BatchWriteItem')
  assert.ok(writes.length > 20, 'several in a request')
})

test('values keep their types and every digit; null and absent ones are no attributes', async (t) => {
  const all = {
    id: '$.subject',
    long: '$.data.long',
    fraction: { path: '$.data.fraction', type: 'decimal' },
    flag: '$.data.flag',
    at: { path: '$.time', type: 'timestamp' },
    bytes: { path: '$.data.bytes', type: 'bytes' },
    whole: { path: '$.data', type: 'json' },
    text: { path: '$.data', type: 'text' },
    none: '$.data.none',
    absent: '$.data.absent',
  }
  const { dynamo, table, action } = await setup(t, { options: { columns: all } })
  const data =
    '{"long":12345678901234567890123,"fraction":0.12345678901234567890,"flag":true,"bytes":"aGk=","none":null,"list":[1,"12345678901234567890",{"n":-98765432109876543210.5e3}],"empty":""}'
  const text = `{"id":"e","source":"s","subject":"a","time":"2026-01-02T03:04:05+01:00","data":${data}}`
  await act(action, [text])
  const [item] = await dynamo.items(table)
  assert.deepEqual(item, {
    id: { S: 'a' },
    long: { N: '12345678901234567890123' },
    fraction: { N: '0.1234567890123456789' },
    flag: { BOOL: true },
    at: { S: '2026-01-02T02:04:05Z' },
    bytes: { B: new Uint8Array(Buffer.from('hi')) },
    whole: {
      M: {
        long: { N: '12345678901234567890123' },
        fraction: { N: '0.1234567890123456789' },
        flag: { BOOL: true },
        bytes: { S: 'aGk=' },
        none: { NULL: true },
        list: {
          L: [{ N: '1' }, { S: '12345678901234567890' }, { M: { n: { N: '-98765432109876543210500' } } }],
        },
        empty: { S: '' },
      },
    },
    text: { S: data },
  })
})

test('an insert refuses where another item is there; one that is the same is passed over', async (t) => {
  const { dynamo, table, action } = await setup(t, { options: { columns, mode: 'insert' } })
  const outcomes = [
    ...(await act(action, [orderOf(1), orderOf(2)])),
    ...(await act(action, [orderOf(1), orderOf(2, { total: 99 }), orderOf(3, { total: 1 })])),
  ]
  assert.deepEqual(outcomes.map(shown), [
    'done',
    'done',
    'skipped',
    'refused ConditionalCheckFailedException',
    'done',
  ])
  assert.deepEqual(
    new Set((await dynamo.items(table)).map((item) => unmarshall(item).total)),
    new Set([1, 2]),
  )
})

test('items are deleted by their key, of one attribute or two', async (t) => {
  const { dynamo, table, action } = await setup(
    t,
    { options: { mode: 'delete', columns: { ...columns, n: '$.data.total' }, key: ['n', 'id'] } },
    { table: { partition: ['id', 'S'], sort: ['n', 'N'] } },
  )
  const keyed = [1, 2, 3].map((n): Item => ({ id: { S: `s-${n}` }, n: { N: String(n) } }))
  await dynamo.fill(table, keyed)
  assert.deepEqual((await act(action, [orderOf(1), orderOf(3), orderOf(5)])).map(shown), [
    'done',
    'done',
    'done',
  ])
  assert.deepEqual(await dynamo.items(table), [keyed[1]])
})

test('what DynamoDB leaves undone of a batch is tried again, and nothing of its key overtakes it', async (t) => {
  let n = 0
  const { dynamo, table, action } = await setup(
    t,
    { options: { columns: { id: '$.data.note', total: '$.data.total' } } },
    {
      desk: async ({ operation, json }, forward) => {
        if (operation !== 'BatchWriteItem') return undefined
        const [name, requests] = Object.entries(json.RequestItems as Record<string, unknown[]>)[0]!
        const left = requests.filter((_, at) => (at + n) % 3 === 0)
        const rest = requests.filter((one) => !left.includes(one))
        n += 1
        if (rest.length > 0) await forward({ ...json, RequestItems: { [name]: rest } })
        return { status: 200, json: { UnprocessedItems: left.length > 0 ? { [name]: left } : {} } }
      },
    },
  )
  // Ten keys of the table, of events whose own keys are all different: so a batch holds several of a key.
  const orders = Array.from({ length: 100 }, (_, at) => ({
    ...orderOf(at, { note: `row-${at % 10}` }),
    subject: `own-${at}`,
  }))
  const report = await replay({ run: 'r', source: listSource(orders), rules: [{ name: 'r', action }] })
  assert.deepEqual([report.rules[0]!.acted, report.failed], [100, 0])
  const items = (await dynamo.items(table)).map((item) => unmarshall(item))
  assert.deepEqual(
    items.map(({ id, total }) => `${id} ${total}`).sort(),
    [...Array(10).keys()].map((row) => `row-${row} ${90 + row}`),
  )
})

test('an item that DynamoDB refuses is a failure of its event alone', async (t) => {
  const { dynamo, table, action } = await setup(t, { options: { columns: { id: '$.data.note' } } })
  const outcomes = await act(
    action,
    ['a', 7, 'b', '', 'c'].map((note, n) => orderOf(n, { note })),
  )
  assert.deepEqual(outcomes.map(shown), [
    'done',
    'refused ValidationException',
    'done',
    'refused ValidationException',
    'done',
  ])
  assert.deepEqual((await dynamo.items(table)).map(({ id }) => id!.S).sort(), ['a', 'b', 'c'])
  const report = await replay({
    run: 'r',
    source: listSource([orderOf(1, { note: 7 }), orderOf(2, { note: 'd' })]),
    rules: [{ name: 'r', action }],
  })
  assert.deepEqual(
    [report.rules[0]!.acted, report.failed, report.causes[0]!.code],
    [1, 1, 'ValidationException'],
  )
})

test('throttling and a table that is away are told apart from a refusal, and mend', async (t) => {
  const answers = [
    'cut',
    'ThrottlingException',
    'ProvisionedThroughputExceededException',
    'InternalServerError',
  ]
  const expected = [
    'unavailable ECONNRESET',
    `throttled ${answers[1]}`,
    `throttled ${answers[2]}`,
    `unavailable ${answers[3]}`,
  ]
  let said = 0
  const { action } = await setup(
    t,
    { options: { columns } },
    {
      desk: async ({ operation }) => {
        const answer = /^(BatchWrite|Put)Item$/.test(operation) ? answers[said++] : undefined
        if (answer === undefined || answer === 'cut') return answer
        return {
          status: answer.startsWith('Internal') ? 500 : 400,
          json: { __type: `x#${answer}`, message: 'told' },
        }
      },
    },
  )
  for (const one of expected)
    assert.deepEqual((await act(action, [orderOf(1), orderOf(2)])).map(shown), [one, one])
  assert.deepEqual((await act(action, [orderOf(1), orderOf(2)])).map(shown), ['done', 'done'])
})

test('what cannot be an item is refused before anything leaves', () => {
  const action = made({ columns: { id: '$.subject', a: '$.data.total' }, key: 'id' })
  const refused = { code: 'REPLAY_EVENT_REFUSED' }
  assert.throws(() => action.prepare(eventOf({ ...orderOf(1), subject: undefined })), refused)
  assert.throws(() => action.prepare(eventOf(orderOf(1, { total: 'x'.repeat(400 * 1024) }))), refused)
  const text = (total: string) =>
    JSON.stringify(orderOf(1, { total: 0 })).replace('"total":0', `"total":${total}`)
  assert.throws(() => action.prepare(eventOf(text('1e126'))), refused)
  assert.throws(() => action.prepare(eventOf(text('123456789012345678901234567890123456789'))), refused)
  action.prepare(eventOf(text('12345678901234567890123456789012345678')))
  assert.deepEqual(action.describe(action.prepare(eventOf(orderOf(1)))), {
    kind: 'call',
    to: 'upsert dynamodb:orders at http://127.0.0.1:9',
    input: { TableName: 'orders', Item: { id: { S: 's-1' }, a: { N: '1' } } },
  })
})

test('a table that is not there, or has another key, is an error before the first event', async (t) => {
  const { dynamo, table } = await setup(t)
  const open = async (name: string, options: Given['options']) => {
    const action = actionOf(dynamodb, `dynamodb:${name}`, {
      options: { endpoint: dynamo.endpoint, region, ...options },
    })
    try {
      await action.open({ state: undefined })
    } finally {
      await action.close()
    }
  }
  const invalid = { code: 'REPLAY_ACTION_INVALID' }
  await assert.rejects(open('no-table', { columns }), invalid)
  await assert.rejects(open(table, { columns: { other: '$.subject' } }), invalid)
  await assert.rejects(open(table, { columns, key: 'total' }), invalid)
  await assert.rejects(open(table, { columns, endpoint: 'http://127.0.0.1:9' }), {
    code: 'REPLAY_ACTION_UNAVAILABLE',
  })
  await open(table, {})
  for (const wrong of [
    { mode: 'replace' },
    { mode: 'delete' },
    { columns: {} },
    { columns, key: 'none' },
    { columns, key: ['id', 'total', 'note'] },
    { columns, mode: 'delete' },
  ])
    assert.throws(() => made(wrong), TypeError, JSON.stringify(wrong))
})

actionConformance('dynamodb', async (t) => {
  const { dynamo, table } = await setup(t)
  const at = (endpoint: string) =>
    actionOf(dynamodb, `dynamodb:${table}`, { options: { endpoint, region, columns, timeoutMs: 1_000 } })
  return {
    create: () => at(dynamo.endpoint),
    createAway: () => at('http://127.0.0.1:9'),
    events: [1, 2, 3, 4].map((n) => orderOf(n)),
    refused: { ...orderOf(5), subject: 7, data: { note: 1 } },
    effects: async () => (await dynamo.items(table)).map((item) => JSON.stringify(unmarshall(item))).sort(),
    secrets: [process.env.AWS_SECRET_ACCESS_KEY!],
  }
})

function made(options: Given['options']): Action {
  return actionOf(dynamodb, 'dynamodb:orders', {
    options: { endpoint: 'http://127.0.0.1:9', region, ...options },
  })
}

/** An action on a table of its own. */
async function setup(
  t: TestContext,
  given: Given = {},
  { desk, table: options }: { desk?: Desk; table?: TableOptions } = {},
): Promise<{ dynamo: TestDynamo; table: string; action: Action }> {
  const dynamo = await startDynamo(t, desk)
  const table = await dynamo.table(options)
  const action = actionOf(dynamodb, `dynamodb:${table}`, {
    ...given,
    options: { endpoint: dynamo.endpoint, region, ...given.options },
  })
  t.after(() => action.close())
  return { dynamo, table, action }
}

async function act(action: Action, events: readonly unknown[]): Promise<readonly Outcome[]> {
  await action.open({ state: undefined })
  return (await action.act(
    events.map((event) => action.prepare(eventOf(event))),
    { signal: never },
  ))!
}

function shown(outcome: Outcome): string {
  return outcome instanceof ActionFailure ? `${outcome.kind} ${outcome.code}` : outcome
}
