import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Action, ActionFailure } from '../action.ts'
import {
  type AwsStub,
  errorAnswer,
  region,
  type StubAnswer,
  type StubRequest,
  secrets,
  startAwsStub,
  useStubCredentials,
} from '../aws/aws-stub.fixture.ts'
import { actionConformance } from '../conformance/action-conformance.ts'
import { actionOf, eventOf, type Given, never } from '../plugin.fixture.ts'
import { listSource } from '../replay.fixture.ts'
import { replay } from '../replay.ts'
import { action as eventbridge } from './eventbridge.ts'

/** A bus, put to with the credentials of the environment. */
const realBus = process.env.BACKSTORY_TEST_EVENTBRIDGE
if (realBus === undefined) useStubCredentials()
/** Of what a real service cannot be made to do. */
const stubTest = realBus === undefined ? test : test.skip

interface Entry {
  readonly EventBusName: string
  readonly Source: string
  readonly DetailType: string
  readonly Detail: string
  readonly Time?: number
  readonly Resources?: readonly string[]
}

const order = {
  specversion: '1.0',
  id: 'o-1',
  source: 'shop',
  type: 'order.placed',
  subject: 'order-1',
  time: '2026-03-04T05:06:07Z',
  data: { total: 12.5 },
}

test('events go to the bus ten in a request, in their order', async (t) => {
  const { action, puts } = await setup(t)
  const orders = Array.from({ length: 23 }, (_, n) => ({ ...order, subject: `order-${n}`, data: { n } }))
  const report = await replay({ run: 'r', source: listSource(orders), rules: [{ name: 'r', action }] })
  assert.deepEqual([report.rules[0]!.acted, report.failed], [23, 0])
  if (realBus !== undefined) return
  assert.deepEqual(
    puts().map((entries) => entries.length),
    [10, 10, 3],
  )
  assert.deepEqual(
    puts()
      .flat()
      .map(({ Detail }) => JSON.parse(Detail).n),
    [...orders.keys()],
  )
})

stubTest(
  'type, data, subject, source and time are the entry’s; every digit of the data is kept',
  async (t) => {
    const { action, stub } = await setup(t)
    const text = JSON.stringify(order).replace('12.5', '12345678901234567890.10')
    await act(action, [text])
    const { headers, json, path, method } = stub.requests.at(-1)!
    assert.deepEqual([method, path, headers['x-amz-target']], ['POST', '/', 'AWSEvents.PutEvents'])
    assert.equal(headers['content-type'], 'application/x-amz-json-1.1')
    assert.deepEqual(json, {
      Entries: [
        {
          EventBusName: 'orders',
          Source: 'shop',
          DetailType: 'order.placed',
          Detail: '{"total":12345678901234567890.10}',
          Time: Date.parse(order.time) / 1_000,
          Resources: ['order-1'],
        },
      ],
    })
  },
)

stubTest('an event of EventBridge keeps its detail and all of its resources', async (t) => {
  const { action, puts } = await setup(t)
  const text =
    '{"version":"0","id":"e1","detail-type":"Placed","source":"shop","time":"2026-01-01T00:00:00Z","resources":["a","b"],"detail":{ "n":1.0 }}'
  await act(action, [text])
  assert.deepEqual(puts()[0], [
    {
      EventBusName: 'orders',
      Source: 'shop',
      DetailType: 'Placed',
      Detail: '{ "n":1.0 }',
      Time: Date.parse('2026-01-01T00:00:00Z') / 1_000,
      Resources: ['a', 'b'],
    },
  ])
})

stubTest('a request stays under 1 MB of entries; an event that alone does not is refused', async (t) => {
  const { action, puts } = await setup(t)
  const ofBytes = (bytes: number, n = 0) => ({
    ...order,
    subject: `s${n}`,
    data: { text: 'ü'.repeat(bytes / 2) },
  })
  await act(action, [400_000, 400_000, 400_000, 100, 1_000_000, 100].map(ofBytes))
  assert.deepEqual(
    puts().map((entries) => entries.length),
    [2, 2, 2],
  )
  for (const entries of puts()) {
    const bytes = entries.map(({ Detail, DetailType, Source, Resources }) =>
      [Detail, DetailType, Source, ...Resources!].reduce((sum, text) => sum + Buffer.byteLength(text), 14),
    )
    assert.ok(bytes.reduce((a, b) => a + b) < 1024 * 1024)
  }
  assert.throws(() => action.prepare(eventOf(ofBytes(1024 * 1024))), {
    code: 'REPLAY_EVENT_REFUSED',
    message: /1048\d{3} bytes/,
  })
})

stubTest('each entry that failed is told by its own code, the others are done', async (t) => {
  const codes = [
    undefined,
    'ThrottlingException',
    'InternalFailure',
    'NotAuthorizedForSourceException',
    undefined,
  ]
  const { action } = await setup(t, {}, (entries) => partly(entries.map((_, at) => codes[at])))
  const outcomes = await act(
    action,
    codes.map((_, n) => ({ ...order, subject: `s${n}` })),
  )
  assert.deepEqual(
    outcomes.map((outcome) => (outcome instanceof ActionFailure ? [outcome.kind, outcome.code] : outcome)),
    [
      'done',
      ['throttled', 'ThrottlingException'],
      ['unavailable', 'InternalFailure'],
      ['refused', 'NotAuthorizedForSourceException'],
      'done',
    ],
  )
})

stubTest('entries that were throttled are put again, and only those', async (t) => {
  const throttled = new Set(['s1', 's4'])
  const { action, puts } = await setup(t, {}, (entries) =>
    partly(
      entries.map(({ Resources }) => (throttled.delete(Resources![0]!) ? 'ThrottlingException' : undefined)),
    ),
  )
  const orders = Array.from({ length: 6 }, (_, n) => ({ ...order, id: String(n), subject: `s${n}` }))
  const report = await replay({ run: 'r', source: listSource(orders), rules: [{ name: 'r', action }] })
  assert.deepEqual([report.rules[0]!.acted, report.failed], [6, 0])
  assert.deepEqual(
    puts().map((entries) => entries.map(({ Resources }) => Resources![0])),
    [
      ['s0', 's1', 's2', 's3', 's4', 's5'],
      ['s1', 's4'],
    ],
  )
})

stubTest('where a request is refused as a whole, each entry is put alone', async (t) => {
  const { action, puts } = await setup(t, {}, (entries) =>
    entries.some(({ Detail }) => Detail.includes('bad'))
      ? errorAnswer(400, 'ValidationException')
      : partly(entries.map(() => undefined)),
  )
  const outcomes = await act(
    action,
    ['a', 'bad', 'c'].map((name) => ({ ...order, subject: name, data: { name } })),
  )
  assert.deepEqual(
    outcomes.map((outcome) => (outcome instanceof ActionFailure ? outcome.code : outcome)),
    ['done', 'ValidationException', 'done'],
  )
  assert.deepEqual(
    puts().map((entries) => entries.length),
    [3, 1, 1, 1],
  )
})

stubTest(
  'a bus that is away is asked once, and nothing is taken for done that it did not tell',
  async (t) => {
    const answers: [StubAnswer, string, string][] = [
      ['cut', 'unavailable', 'ECONNRESET'],
      ['silence', 'unavailable', 'ETIMEDOUT'],
      [{ status: 503 }, 'unavailable', '503'],
      [errorAnswer(400, 'ThrottlingException'), 'throttled', 'ThrottlingException'],
      [{ status: 200, json: { FailedEntryCount: 0, Entries: [] } }, 'unavailable', 'AnswerIncomplete'],
    ]
    let n = 0
    const { action, puts } = await setup(t, { options: { timeoutMs: 300 } }, () => answers[n++]![0])
    for (const [, kind, code] of answers) {
      const outcomes = await act(action, [order, { ...order, subject: 'other' }])
      for (const outcome of outcomes) {
        assert.ok(outcome instanceof ActionFailure)
        assert.deepEqual([outcome.kind, outcome.code], [kind, code])
      }
    }
    assert.equal(puts().length, answers.length)
  },
)

stubTest(
  'a bus that is not there is an error before the first event; one that may not be looked at is none',
  async (t) => {
    const said: StubAnswer[] = [
      errorAnswer(400, 'ResourceNotFoundException'),
      errorAnswer(400, 'AccessDeniedException'),
    ]
    const stub = await startAwsStub(t, { service: 'events', answer: () => said.shift()! })
    const made = () => {
      const action = actionOf(eventbridge, 'eventbridge:orders', {
        options: { endpoint: stub.endpoint, region },
      })
      t.after(() => action.close())
      return action
    }
    await assert.rejects(made().open({ state: undefined }), {
      code: 'REPLAY_ACTION_INVALID',
      message: /ResourceNotFound/,
    })
    await made().open({ state: undefined })
    assert.deepEqual(
      stub.requests.map(({ json }) => json),
      [{ Name: 'orders' }, { Name: 'orders' }],
    )
  },
)

if (realBus === undefined) {
  actionConformance('eventbridge', async (t) => {
    const { stub, puts } = await setup(t, {}, (entries) =>
      partly(
        entries.map(({ Source }) => (Source === 'aws.ec2' ? 'NotAuthorizedForSourceException' : undefined)),
      ),
    )
    const at = (endpoint: string) =>
      actionOf(eventbridge, 'eventbridge:orders', { options: { endpoint, region, timeoutMs: 1_000 } })
    return {
      create: () => at(stub.endpoint),
      createAway: () => at('http://127.0.0.1:9'),
      events: [1, 2, 3].map((n) => ({ ...order, id: `o-${n}`, subject: `s-${n}` })),
      refused: { ...order, source: 'aws.ec2' },
      effects: puts,
      secrets,
    }
  })
}

async function act(action: Action, events: readonly unknown[]) {
  await action.open({ state: undefined })
  return (await action.act(
    events.map((event) => action.prepare(eventOf(event))),
    { signal: never },
  ))!
}

function partly(codes: readonly (string | undefined)[]): StubAnswer {
  const Entries = codes.map((code, n) =>
    code === undefined ? { EventId: `e-${n}` } : { ErrorCode: code, ErrorMessage: `told by ${code}` },
  )
  const FailedEntryCount = codes.filter((code) => code !== undefined).length
  return { status: 200, json: { FailedEntryCount, Entries } }
}

/** An action on a stub, or on the real bus. */
async function setup(
  t: TestContext,
  given: Given = {},
  answer: (entries: readonly Entry[]) => StubAnswer = (entries) => partly(entries.map(() => undefined)),
): Promise<{ action: Action; stub: AwsStub; puts: () => Entry[][] }> {
  const entriesOf = ({ json }: StubRequest) => (json as { Entries?: Entry[] }).Entries
  const stub = await startAwsStub(t, {
    service: 'events',
    answer: (request) => {
      const entries = entriesOf(request)
      if (entries === undefined) return { status: 200, json: { Name: 'orders', Arn: 'arn' } }
      assert.ok(entries.length > 0 && entries.length <= 10)
      return answer(entries)
    },
  })
  const options = { endpoint: stub.endpoint, region, ...given.options }
  const action =
    realBus === undefined
      ? actionOf(eventbridge, 'eventbridge:orders', { ...given, options })
      : actionOf(eventbridge, `eventbridge:${realBus}`, given)
  t.after(() => action.close())
  return {
    action,
    stub,
    puts: () => stub.requests.flatMap((request) => [entriesOf(request)].filter((one) => one !== undefined)),
  }
}
