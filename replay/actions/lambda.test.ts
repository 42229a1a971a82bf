import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Action, ActionFailure } from '../action.ts'
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
import { action as lambda } from './lambda.ts'

/** A function that takes any event, called with the credentials of the environment. */
const realFunction = process.env.BACKSTORY_TEST_LAMBDA
if (realFunction === undefined) useStubCredentials()
/** Of what a real service cannot be made to do. */
const stubTest = realFunction === undefined ? test : test.skip

const order = {
  specversion: '1.0',
  id: 'o-1',
  source: 'https://shop.example',
  type: 'order.placed',
  subject: 'order-1',
  time: '2026-03-04T05:06:07.891Z',
  data: { total: 12.5 },
}

for (const invocation of ['wait', 'event']) {
  test(`each event invokes the function (${invocation}), in order`, async (t) => {
    const { action, invocations } = await setup(t, { options: { invocation } })
    const orders = [1, 2, 3].map((n) => ({ ...order, id: `o-${n}` }))
    const report = await replay({
      run: 'run-7',
      source: listSource(orders),
      rules: [{ name: 'r', action }],
    })
    assert.deepEqual([report.rules[0]!.acted, report.failed], [3, 0])
    if (realFunction !== undefined) return
    assert.deepEqual(
      invocations().map(({ json }) => (json as { id: string }).id),
      ['o-1', 'o-2', 'o-3'],
    )
    for (const { method, path, headers } of invocations()) {
      assert.deepEqual([method, path], ['POST', '/2015-03-31/functions/orders/invocations'])
      assert.equal(headers['x-amz-invocation-type'], invocation === 'wait' ? 'RequestResponse' : 'Event')
      assert.match(headers['content-type']!, /^application\/(octet-stream|json)$/)
    }
  })
}

stubTest(
  'a CloudEvent is wrapped as EventBridge would deliver it, every digit of its data kept',
  async (t) => {
    const { action, invocations } = await setup(t)
    const text = JSON.stringify(order).replace('12.5', '12345678901234567890.10')
    await action.open({ state: undefined })
    await action.act([action.prepare(eventOf(text))], { signal: never })
    const [{ body, json }] = invocations() as [StubRequest]
    assert.deepEqual(
      { ...(json as object), detail: undefined },
      {
        version: '0',
        id: 'o-1',
        'detail-type': 'order.placed',
        source: 'https://shop.example',
        account: '000000000000',
        time: '2026-03-04T05:06:07Z',
        region,
        resources: ['order-1'],
        'replay-name': 'run-7',
        detail: undefined,
      },
    )
    assert.match(body.toString(), /"detail":\{"total":12345678901234567890\.10\}/)
  },
)

stubTest('an event of EventBridge is passed on as it is, marked as a replay only if asked', async (t) => {
  const text =
    '{ "version":"0","id":"e1","detail-type":"Placed","source":"shop","account":"111122223333","time":"2026-01-01T00:00:00Z","region":"us-east-1","resources":[],"detail":{"n":10000000000000000001} }'
  const plain = await setup(t)
  await plain.action.open({ state: undefined })
  await plain.action.act([plain.action.prepare(eventOf(text))], { signal: never })
  assert.equal(plain.invocations()[0]!.body.toString(), text)
  const marked = await setup(t, { options: { replayName: 'again' } })
  await marked.action.open({ state: undefined })
  await marked.action.act([marked.action.prepare(eventOf(text))], { signal: never })
  const said = marked.invocations()[0]!
  assert.equal((said.json as { 'replay-name': string })['replay-name'], 'again')
  assert.match(said.body.toString(), /"detail":\{"n":10000000000000000001\}/)
})

stubTest(
  'the account and the region of an ARN are those of the events, a qualifier goes with the invocation',
  async (t) => {
    const stub = await startStub(t, () => ({ status: 200 }))
    const arn = `arn:aws:lambda:${region}:210987654321:function:orders`
    const action = actionOf(lambda, `lambda:${arn}`, {
      options: { endpoint: stub.endpoint, qualifier: 'live' },
    })
    t.after(() => action.close())
    await action.open({ state: undefined })
    await action.act([action.prepare(eventOf(order))], { signal: never })
    const { path, json } = stub.requests.at(-1)!
    assert.equal(path, `/2015-03-31/functions/${encodeURIComponent(arn)}/invocations?Qualifier=live`)
    const { account, region: told } = json as { account: string; region: string }
    assert.deepEqual([account, told], ['210987654321', region])
  },
)

stubTest('what an event lacks is given by options, or it is refused before anything leaves', () => {
  const action = actionOf(lambda, 'lambda:orders')
  const refused = { code: 'REPLAY_EVENT_REFUSED' }
  assert.throws(() => action.prepare(eventOf({ hello: 1 })), refused)
  assert.throws(() => action.prepare(eventOf([1])), refused)
  assert.throws(() => action.prepare(eventOf({ ...order, data: 'text' })), refused)
  assert.throws(() => action.prepare(eventOf({ ...order, type: 'x'.repeat(129) })), refused)
  const options = { source: 'shop', detailType: 'Thing', detail: 'event' }
  const filled = actionOf(lambda, 'lambda:orders', { options })
  const inputOf = (event: unknown) => {
    const { input } = filled.describe(filled.prepare(eventOf(event))) as { input: Record<string, unknown> }
    return [input.source, input['detail-type'], input.detail]
  }
  assert.deepEqual(inputOf({ hello: 1 }), ['shop', 'Thing', { hello: 1 }])
  assert.deepEqual(inputOf({ ...order, data: 'text' }), [
    order.source,
    order.type,
    { ...order, data: 'text' },
  ])
})

stubTest(
  'a payload that Lambda would not take is refused: over 6 MB where it is waited for, over 1 MB where not',
  () => {
    const ofBytes = (bytes: number) => eventOf({ ...order, data: { text: 'ü'.repeat(bytes / 2) } })
    const wait = actionOf(lambda, 'lambda:orders')
    wait.prepare(ofBytes(6 * 1024 * 1024 - 1_000))
    assert.throws(() => wait.prepare(ofBytes(6 * 1024 * 1024)), /6291456/)
    const queued = actionOf(lambda, 'lambda:orders', { options: { invocation: 'event' } })
    queued.prepare(ofBytes(1024 * 1024 - 1_000))
    assert.throws(() => queued.prepare(ofBytes(1024 * 1024)), { code: 'REPLAY_EVENT_REFUSED' })
  },
)

stubTest('an error of the function is a failure of its event, by the type of the error', async (t) => {
  const payloads: unknown[] = [
    { errorType: 'OrderUnknown', errorMessage: `no order ${'x'.repeat(5_000)}`, trace: [] },
    { errorMessage: '2026-01-01T00:00:00Z Task timed out after 3.00 seconds' },
    'a runtime that died',
    null,
  ]
  const { action } = await setup(t, {}, (_, n) => ({
    status: 200,
    headers: { 'x-amz-function-error': 'Unhandled' },
    json: payloads[n],
  }))
  await action.open({ state: undefined })
  const failures: ActionFailure[] = []
  for (const _ of payloads) failures.push(await failureOf(action))
  assert.deepEqual(
    failures.map(({ kind, code }) => [kind, code]),
    [
      ['refused', 'OrderUnknown'],
      ['refused', 'Unhandled'],
      ['refused', 'Unhandled'],
      ['refused', 'Unhandled'],
    ],
  )
  assert.ok(failures[0]!.message.length < 500)
  assert.match(failures[1]!.message, /timed out/)
})

stubTest('throttling, a service that is away and a request that is wrong are told apart', async (t) => {
  const answers: [answer: StubAnswer, kind: string, code: string | RegExp, retryAfterMs?: number][] = [
    [
      errorAnswer(429, 'TooManyRequestsException', { headers: { 'retry-after': '3' } }),
      'throttled',
      'TooManyRequestsException',
      3_000,
    ],
    [errorAnswer(502, 'EC2ThrottledException'), 'throttled', 'EC2ThrottledException'],
    [errorAnswer(500, 'ServiceException'), 'unavailable', 'ServiceException'],
    [{ status: 503 }, 'unavailable', /./],
    [errorAnswer(409, 'ResourceConflictException'), 'unavailable', 'ResourceConflictException'],
    ['cut', 'unavailable', 'ECONNRESET'],
    ['silence', 'unavailable', 'ETIMEDOUT'],
    [errorAnswer(413, 'RequestTooLargeException'), 'refused', 'RequestTooLargeException'],
    [errorAnswer(404, 'ResourceNotFoundException'), 'refused', 'ResourceNotFoundException'],
    [errorAnswer(403, 'AccessDeniedException'), 'refused', 'AccessDeniedException'],
  ]
  const { action } = await setup(t, { options: { timeoutMs: 300 } }, (_, n) => answers[n]![0])
  await action.open({ state: undefined })
  for (const [answer, kind, code, retryAfterMs] of answers) {
    const failure = await failureOf(action)
    assert.equal(failure.kind, kind, JSON.stringify(answer))
    if (typeof code === 'string') assert.equal(failure.code, code)
    else assert.match(failure.code, code)
    assert.equal(failure.retryAfterMs, retryAfterMs)
  }
})

stubTest('what was throttled or cut is invoked again, and no event is passed over', async (t) => {
  const answers: StubAnswer[] = ['cut', errorAnswer(429, 'TooManyRequestsException'), { status: 503 }]
  const { action, invocations } = await setup(t, {}, () => answers.shift() ?? { status: 200, json: 'ok' })
  const source = listSource([1, 2, 3].map((n) => ({ ...order, id: `o-${n}` })))
  const report = await replay({ run: 'run-7', source, rules: [{ name: 'r', action }] })
  assert.deepEqual([report.rules[0]!.acted, report.failed], [3, 0])
  assert.deepEqual(
    invocations().map(({ json }) => (json as { id: string }).id),
    ['o-1', 'o-1', 'o-1', 'o-1', 'o-2', 'o-3'],
  )
})

stubTest(
  'a function that is not there, or is denied, is an error before the first event, without a secret in it',
  async (t) => {
    const token = secrets[1]!
    const message = `It does not match. The Canonical String for this request should have been '${token}'`
    const stub = await startAwsStub(t, {
      service: 'lambda',
      answer: () => errorAnswer(403, 'InvalidSignatureException', { message }),
    })
    const action = actionOf(lambda, 'lambda:orders', { options: { endpoint: stub.endpoint, region } })
    t.after(() => action.close())
    await assert.rejects(action.open({ state: undefined }), (error: Error & { code: string }) => {
      assert.equal(error.code, 'REPLAY_ACTION_INVALID')
      for (const secret of secrets) assert.ok(!error.message.includes(secret), error.message)
      return true
    })
    await stub.stop()
    await assert.rejects(action.open({ state: undefined }), { code: 'REPLAY_ACTION_UNAVAILABLE' })
  },
)

stubTest('an endpoint on this machine is local, Amazon’s is not; what cannot be is refused', () => {
  const made = (options: Given['options'], settings = {}) =>
    actionOf(lambda, 'lambda:f', { options, settings })
  assert.equal(made({ endpoint: 'http://127.0.0.1:4566' }).isLocal, true)
  assert.equal(made({}, { AWS_ENDPOINT_URL: 'http://localhost:4566' }).isLocal, true)
  assert.equal(made({}, { AWS_ENDPOINT_URL_LAMBDA: 'https://example.com' }).isLocal, false)
  assert.equal(made({}).isLocal, false)
  for (const wrong of [
    { endpoint: 'nowhere' },
    { endpoint: 'http://user:pass@127.0.0.1' },
    { invocation: 'later' },
    { account: '12' },
    { timeoutMs: 0 },
    { colour: 'red' },
  ])
    assert.throws(() => made(wrong), TypeError, JSON.stringify(wrong))
  assert.throws(() => actionOf(lambda, 'lambda:'), TypeError)
})

if (realFunction === undefined) {
  actionConformance('lambda', async (t) => {
    const stub = await startStub(t, ({ json }) => {
      const { error } = (json as { detail: { error?: string } }).detail
      const headers = error === undefined ? undefined : { 'x-amz-function-error': 'Unhandled' }
      return { status: 200, headers, json: { errorType: 'Bad', errorMessage: error } }
    })
    const at = (endpoint: string) =>
      actionOf(lambda, 'lambda:orders', { options: { endpoint, region, timeoutMs: 1_000 } })
    return {
      create: () => at(stub.endpoint),
      createAway: () => at('http://127.0.0.1:9'),
      events: [1, 2, 3].map((n) => ({ ...order, id: `o-${n}`, subject: `s-${n}`, time: undefined })),
      refused: { ...order, data: { error: 'no' } },
      effects: () =>
        stub.requests.map(({ json }) => (json as { id?: string } | undefined)?.id).filter(Boolean),
      secrets,
    }
  })
}

/** An action on a stub, or on the real function; `answer` is asked for invocations only, counted from 0. */
async function setup(
  t: TestContext,
  given: Given = {},
  answer?: (request: StubRequest, n: number) => StubAnswer,
): Promise<{ action: Action; invocations: () => StubRequest[] }> {
  if (realFunction !== undefined) {
    const real = actionOf(lambda, `lambda:${realFunction}`, given)
    t.after(() => real.close())
    return { action: real, invocations: () => [] }
  }
  let n = 0
  const say = answer ?? (() => ({ status: 200, json: 'ok' }))
  const stub = await startStub(t, (request) => say(request, n++))
  const options = { endpoint: stub.endpoint, region, ...given.options }
  const action = actionOf(lambda, 'lambda:orders', { ...given, options })
  t.after(() => action.close())
  return {
    action,
    invocations: () => stub.requests.filter(({ headers }) => headers['x-amz-invocation-type'] !== 'DryRun'),
  }
}

async function startStub(t: TestContext, answer: (request: StubRequest) => StubAnswer): Promise<AwsStub> {
  return await startAwsStub(t, {
    service: 'lambda',
    answer: (request) => {
      if (request.headers['x-amz-invocation-type'] !== 'DryRun') return answer(request)
      assert.equal(request.body.length, 0)
      return { status: 204 }
    },
  })
}

async function failureOf(action: Action): Promise<ActionFailure> {
  return await action.act([action.prepare(eventOf(order))], { signal: never }).then(
    () => assert.fail('it did not fail'),
    (error: ActionFailure) => error,
  )
}
