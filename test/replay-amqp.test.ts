/** RabbitMQ in a replay, on a real broker: exchanges and queues as actions, queues and streams as sources. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { ConfirmChannel, GetMessage } from 'amqplib'
import { silentLogger } from '../events/index.ts'
import { consumerQueueOf, openHistory, openPublisher, startConsumer, startRecorder } from '../index.ts'
import { actionConformance } from '../replay/conformance/index.ts'
import {
  type Action,
  findPlugin,
  type PluginContext,
  type ReplayOptions,
  type ReplayReport,
  replay,
  type Source,
} from '../replay/index.ts'
import { listSource } from '../replay/replay.fixture.ts'
import { RunFolder } from '../replay/run/run-folder.ts'
import { placeFor } from './fixtures/backstory.ts'
import { backedUp, numbers, publishIds } from './fixtures/backup.ts'
import { effectsConsumer, readEffects } from './fixtures/effects.ts'
import { newExchange, type TestExchange, temporaryFolder } from './fixtures/exchange.ts'
import { plainChannel, plainPublish, queueState } from './fixtures/plain.ts'
import { startProxy } from './fixtures/proxy.ts'
import { until } from './fixtures/until.ts'

const load = async () => ({})

function contextOf(url: string): PluginContext {
  return {
    runId: 'run-1',
    cwd: '/',
    logger: silentLogger,
    setting: () => undefined,
    brokers: async () => [url],
    history: async () => 'history.db',
    stdin: process.stdin,
    output: { write: async () => {} },
  }
}

async function actionOf(url: string, address: string, options: object = {}): Promise<Action> {
  const plugin = await findPlugin('action', address, { load })
  return await plugin.create({ address, options: { ...options }, context: contextOf(url) })
}

async function sourceOf(url: string, address: string, options: object = {}): Promise<Source> {
  const plugin = await findPlugin('source', address, { load })
  return await plugin.create({ address, options: { ...options }, context: contextOf(url) })
}

async function run(
  options: Omit<ReplayOptions, 'run' | 'rules'> & { action: Action },
): Promise<ReplayReport> {
  const { action, ...rest } = options
  return await replay({ run: 'run-1', rules: [{ name: 'r', action }], ...rest })
}

/** A queue that is bound to an exchange, on a channel of its own. */
async function boundQueue(
  t: TestContext,
  place: TestExchange,
  name = `${place.exchange}.copy`,
  given: object = {},
) {
  const channel = await plainChannel(t, place.url)
  await channel.assertExchange(place.exchange, 'fanout', { durable: true })
  await channel.assertQueue(name, { durable: true, arguments: { ...given } })
  await channel.bindQueue(name, place.exchange, '')
  t.after(async () => (await plainChannel(t, place.url)).deleteQueue(name).catch(() => {}))
  return { channel, queue: name }
}

async function drain(channel: ConfirmChannel, queue: string): Promise<GetMessage[]> {
  const got: GetMessage[] = []
  for (;;) {
    const message = await channel.get(queue, { noAck: true })
    if (message === false) return got
    got.push(message)
  }
}

/** Properties that were published, headers of ours apart. */
function published({ properties, content, fields }: GetMessage) {
  const stated = Object.entries(properties).filter(([, value]) => value !== undefined)
  const {
    'backstory-replay': replay,
    'backstory-replay-position': position,
    ...headers
  } = properties.headers ?? {}
  return { replay, position, routingKey: fields.routingKey, content, ...Object.fromEntries(stated), headers }
}

const idsOf = (messages: readonly GetMessage[]) => messages.map(({ properties }) => properties.messageId)
const orders = (count: number) =>
  Array.from({ length: count }, (_, at) => ({
    specversion: '1.0',
    id: String(at + 1),
    source: '/s',
    type: 't',
    subject: `k${at % 7}`,
    datacontenttype: 'application/json',
    data: { n: at + 1 },
  }))

const odd = [
  { messageId: 'text', appId: '/foreign', contentType: 'text/plain', body: Buffer.from('plain "text"\n') },
  { messageId: 'bytes', appId: '/foreign', body: Buffer.from([0, 255, 128, 10]), routingKey: 'a.b.ключ' },
  {
    messageId: 'headers',
    appId: '/foreign',
    type: 'odd',
    contentType: 'application/json; charset=utf-8',
    contentEncoding: 'identity',
    body: Buffer.from('{ "n": 1.10, "big": 12345678901234567890 }'),
    headers: {
      table: { nested: [1, 'two', null, true, { deep: Buffer.from([1, 2]) }] },
      bytes: Buffer.from([0, 255]),
      when: { '!': 'timestamp', value: 1_700_000_000 },
      $bytes: 'a text',
      'ce-custom': 'x',
    },
    priority: 4,
    correlationId: 'c',
    replyTo: 'r',
    expiration: '600000',
    timestamp: 1_700_000_000,
    persistent: true,
  },
  { body: Buffer.from('{"without": "an id"}'), contentType: 'application/json' },
]

test('what a history keeps is published again byte for byte, with two headers more; the recorder drops it, a consumer applies each once', async (t) => {
  const place = await newExchange(t, { consumers: ['late'] })
  const { url, exchange, history } = place
  await using recorder = startRecorder({ broker: url, exchange, history })
  await recorder.started()
  const { channel, queue } = await boundQueue(t, place)
  await using consumer = await startConsumer(effectsConsumer('late', exchange), {
    broker: url,
    history,
    store: place.store('late'),
    settleMs: 0,
    auditMs: 20,
  })
  await consumer.caughtUp()
  for (const message of odd) await plainPublish(channel, exchange, message)
  await using publisher = openPublisher({ broker: url, exchange, source: '/sales' })
  for (let n = 1; n <= 20; n++) {
    await publisher.publish({ type: 'order.placed', subject: `k${n % 3}`, data: { n } })
  }
  const count = odd.length + 20
  await until('all are applied', () => consumer.status.cursor === count)
  const before = await drain(channel, queue)
  const report = await run({
    source: await sourceOf(url, history),
    action: await actionOf(url, `exchange:${exchange}`, { headers: { reason: 'again' } }),
  })
  assert.deepEqual([report.read, report.failed, report.exitCode], [count, 0, 0])
  const after = await drain(channel, queue)
  assert.deepEqual(
    after.map(published),
    before.map((message, at) => {
      const { headers, ...rest } = published(message)
      const hasId = message.properties.messageId !== undefined
      const given = after[at]!.properties.headers?.['ce-id']
      if (!hasId) assert.match(given, /^unidentified:/)
      return {
        ...rest,
        headers: { ...headers, ...(!hasId && { 'ce-id': given }), reason: 'again' },
        replay: 'run-1',
        position: at + 1,
      }
    }),
  )
  await until('all came again', () => recorder.status.duplicates === count)
  assert.deepEqual([recorder.status.head, recorder.status.conflicts], [count, 0])
  await publisher.publish({ type: 'order.placed', subject: 'last', data: {} })
  await until('the consumer is behind them', () => consumer.status.cursor === count + 1)
  assert.equal((await queueState(channel, consumerQueueOf(exchange, 'late'))).messageCount, 0)
  const effects = readEffects(place.store('late')).map(({ source, id }) => `${source} ${id}`)
  assert.deepEqual([effects.length, new Set(effects).size], [count + 1, count + 1])
  assert.equal((await consumer.certificate()).level, true)
  await using reader = openHistory({ history })
  assert.equal((await reader.bounds()).head, count + 1)
})

test('JSON of other shapes becomes CloudEvents that keep their id, source, type, subject and time', async (t) => {
  const place = await newExchange(t)
  const { channel, queue } = await boundQueue(t, place)
  const texts = [
    '{"version":"0","id":"e1","source":"app.orders","detail-type":"OrderPlaced","time":"2026-01-02T03:04:05Z","resources":["o-1"],"detail":{"total": 1.10}}',
    '{"id":2,"type":"paid","subject":"o-2",  "big":12345678901234567890}',
    '{"n":3}',
    '[]',
  ]
  const report = await run({
    source: listSource(texts),
    action: await actionOf(place.url, `exchange:${place.exchange}`, { routingKey: 'k', source: '/file' }),
  })
  assert.deepEqual([report.failed, report.rules[0]!.acted], [2, 2])
  assert.deepEqual(
    report.causes.map(({ code, message }) => [code, message]),
    [
      ['REPLAY_EVENT_REFUSED', 'event 3 has no type: name one by the option `type`'],
      ['REPLAY_EVENT_REFUSED', 'event 4 is no JSON object'],
    ],
  )
  const [first, second] = (await drain(channel, queue)).map(published)
  assert.equal(first!.content.toString(), '{"total": 1.10}')
  const { headers } = first!
  assert.deepEqual(
    ['id', 'source', 'type', 'subject', 'time'].map((name) => headers[`ce-${name}`]),
    ['e1', 'app.orders', 'OrderPlaced', 'o-1', '2026-01-02T03:04:05Z'],
  )
  assert.equal(second!.content.toString(), texts[1])
  assert.deepEqual(
    ['id', 'source', 'type', 'subject'].map((name) => second!.headers[`ce-${name}`]),
    ['2', '/file', 'paid', 'o-2'],
  )
  assert.equal('ce-time' in second!.headers, false, 'it had none')
  assert.equal(first!.routingKey, 'k')
})

test('an exchange or a queue that is not there is refused before anything is sent, and so is a broker', async (t) => {
  const { url, exchange } = await newExchange(t)
  for (const address of [`exchange:${exchange}.none`, `queue:${exchange}.none`]) {
    const [kind, name] = address.split(':')
    await assert.rejects(run({ source: listSource(orders(3)), action: await actionOf(url, address) }), {
      code: 'REPLAY_ACTION_UNAVAILABLE',
      message: `There is no ${kind} ${name}; name another`,
    })
  }
  for (const address of [`queue:${exchange}.none`, `stream:${exchange}.none`]) {
    await assert.rejects(eventsOf(t, await sourceOf(url, address)), {
      code: 'REPLAY_SOURCE_UNAVAILABLE',
      message: /There is no (queue|stream) .*none; name another/,
    })
  }
  const wrong = await actionOf(url.replace(/\/\/[^@]*@?/, '//nobody:secret@'), `exchange:${exchange}`)
  assert.doesNotMatch(wrong.name, /secret/)
  await assert.rejects(wrong.open({ state: undefined }), (error: Error & { code: string }) => {
    assert.doesNotMatch(error.message, /secret/)
    return error.code === 'REPLAY_ACTION_UNAVAILABLE'
  })
  await wrong.close()
})

test('what no queue takes is refused by its code, alone; the others arrive in their order', async (t) => {
  const place = await newExchange(t)
  const channel = await plainChannel(t, place.url)
  await channel.assertExchange(place.exchange, 'topic', { durable: true })
  const { queue } = await channel.assertQueue('', { exclusive: true })
  await channel.bindQueue(queue, place.exchange, 'taken')
  const lines = orders(40).map((event, at) => ({
    ...event,
    subject: undefined,
    amqproutingkey: at % 4 === 3 ? 'nowhere' : 'taken',
  }))
  const report = await run({
    source: listSource(lines),
    action: await actionOf(place.url, `exchange:${place.exchange}`),
  })
  assert.deepEqual([report.rules[0]!.acted, report.failed], [30, 10])
  assert.deepEqual(
    report.causes.map(({ kind, code }) => [kind, code]),
    [['refused', '312']],
  )
  const ids = numbers(1, 40).filter((id) => Number(id) % 4 !== 0)
  assert.deepEqual(idsOf(await drain(channel, queue)), ids)
})

for (const [what, options, order, arrived] of [
  ['the rest of its key waits', {}, 'global', '1 3 4 6 7 9'],
  ['where it may be overtaken, each other one arrives once', { overtake: true }, 'global', '1 3 4 5 6 7 8 9'],
  ['without an order, too', {}, 'none', '1 3 4 5 6 7 8 9'],
] as const) {
  test(`behind an event that no queue takes ${what}`, async (t) => {
    const place = await newExchange(t)
    const channel = await plainChannel(t, place.url)
    await channel.assertExchange(place.exchange, 'topic', { durable: true })
    const { queue } = await channel.assertQueue('', { exclusive: true })
    await channel.bindQueue(queue, place.exchange, 'taken')
    const lines = orders(9).map((event, at) => ({
      ...event,
      subject: `k${at % 3}`,
      amqproutingkey: at === 1 ? 'nowhere' : 'taken',
    }))
    const report = await run({
      source: listSource(lines),
      action: await actionOf(place.url, `exchange:${place.exchange}`, options),
      order,
      concurrency: 1,
    })
    assert.equal(idsOf(await drain(channel, queue)).join(' '), arrived)
    // Held in an order is what is not to be acted on before the one that failed.
    assert.deepEqual([report.rules[0]!.failed, report.rules[0]!.held], [1, order === 'none' ? 0 : 2])
  })
}

actionConformance('exchange:NAME', async (t) => {
  const place = await newExchange(t)
  const { channel, queue } = await boundQueue(t, place)
  const got: string[] = []
  return {
    create: () => actionOf(place.url, `exchange:${place.exchange}`),
    events: [...orders(4), { id: 'plain', subject: 'none', type: 't' }],
    refused: { n: 1 },
    async effects() {
      got.push(...idsOf(await drain(channel, queue)))
      return [...got]
    },
    createAway: () => actionOf(place.url, `exchange:${place.exchange}.none`),
  }
})

test('a message over which RabbitMQ ends the channel is refused alone, and a full queue is waited for', async (t) => {
  const place = await newExchange(t)
  const { channel, queue } = await boundQueue(t, place, undefined, {
    'x-max-length': 20,
    'x-overflow': 'reject-publish',
  })
  const lines = orders(40).map((event, at) => ({
    ...event,
    amqpproperties: JSON.stringify({
      messageId: event.id,
      appId: '/s',
      headers: {},
      ...(at === 5 && { userId: 'somebody else' }),
    }),
  }))
  const got: GetMessage[] = []
  let isRunning = true
  const emptying = (async () => {
    while (isRunning) got.push(...(await drain(channel, queue)))
  })()
  const report = await run({
    source: listSource(lines),
    action: await actionOf(place.url, `exchange:${place.exchange}`),
    order: 'none',
    concurrency: 2,
  })
  isRunning = false
  await emptying
  got.push(...(await drain(channel, queue)))
  assert.deepEqual([report.rules[0]!.acted, report.failed], [39, 1])
  assert.equal(report.causes[0]!.code, '406')
  assert.deepEqual(
    [...new Set(idsOf(got))].sort((a, b) => Number(a) - Number(b)),
    numbers(1, 40).filter((id) => id !== '6'),
  )
  const dropped = await run({
    source: listSource(lines.slice(5, 6)),
    action: await actionOf(place.url, `exchange:${place.exchange}`, { userId: 'drop' }),
  })
  assert.equal(dropped.failed, 0)
})

for (const overtake of [false, true]) {
  test(`a connection that is cut again and again costs no event and no order within a key${overtake ? ', also where later ones need not wait' : ''}`, async (t) => {
    const place = await newExchange(t)
    const { channel, queue } = await boundQueue(t, place)
    const proxy = await startProxy(t, place.url)
    const action = await actionOf(proxy.url, `exchange:${place.exchange}`, { overtake })
    let next = 500
    const report = await run({
      source: listSource(orders(1_500), { pageEvents: 100 }),
      action: {
        ...bound(action),
        act: (batch, options) => {
          const { position } = batch.at(-1) as { position: number }
          const acting = action.act(batch, options)
          if (position >= next) {
            next += 500
            setImmediate(() => proxy.cut())
          }
          return acting
        },
      },
    })
    assert.deepEqual([report.rules[0]!.acted, report.failed], [1_500, 0])
    assert.ok(proxy.connections > 2, `${proxy.connections} connections`)
    const first = [...new Set(idsOf(await drain(channel, queue)))]
    assert.equal(first.length, 1_500)
    for (let key = 0; key < 7; key++) {
      const ids = first.map(Number).filter((id) => (id - 1) % 7 === key)
      assert.deepEqual(
        ids,
        [...ids].sort((a, b) => a - b),
      )
    }
  })
}

/** An action as an object whose methods can be replaced. */
function bound(action: Action): Action {
  return {
    name: action.name,
    isLocal: action.isLocal,
    isIdempotent: action.isIdempotent,
    batchMax: action.batchMax,
    stopsAtFailure: action.stopsAtFailure,
    prepare: (event) => action.prepare(event),
    describe: (prepared) => action.describe(prepared),
    open: (options) => action.open(options),
    act: (batch, options) => action.act(batch, options),
    close: () => action.close(),
  }
}

test('a broker that is away is waited for, as often as was asked', async (t) => {
  const place = await newExchange(t)
  await boundQueue(t, place)
  const proxy = await startProxy(t, place.url)
  const action = await actionOf(proxy.url, `exchange:${place.exchange}`)
  await action.open({ state: undefined })
  t.after(() => action.close())
  const [event] = await pageOf(listSource(orders(1)))
  const prepared = action.prepare(event!)
  proxy.refuse()
  const signal = AbortSignal.timeout(500)
  await assert.rejects(Promise.resolve(action.act([prepared], { signal })))
  proxy.accept()
  const { signal: later } = new AbortController()
  await until('it is sent', async () => {
    const [outcome] = (await action.act([prepared], { signal: later }))!
    return outcome === 'done'
  })
})

test('what would pass for a fence, or go into more queues than the one, is not put into a queue', async (t) => {
  const { url } = await newExchange(t)
  const action = await actionOf(url, 'queue:any')
  const line = (headers: object) => ({ ...orders(1)[0]!, amqpheaders: JSON.stringify({ headers }) })
  const [fence, cc] = await pageOf(listSource([line({ 'backstory-fence': 'x' }), line({ CC: ['other'] })]))
  assert.throws(() => action.prepare(fence!), { code: 'REPLAY_EVENT_REFUSED', message: /fence/ })
  assert.throws(() => action.prepare(cc!), { code: 'REPLAY_EVENT_REFUSED', message: /CC/ })
})

async function pageOf(source: Source) {
  for await (const { events } of source.read({ after: undefined, signal: new AbortController().signal })) {
    return events
  }
  return []
}

/** Opens a source and reads all of it; it is closed after the test, if not before. */
async function eventsOf(t: TestContext, source: Source, after?: string) {
  t.after(() => source.close())
  await source.open()
  const events = []
  const signal = new AbortController().signal
  for await (const page of source.read({ after, signal })) events.push(...page.events)
  return events
}

for (const [what, given] of [
  ['a classic queue', {}],
  ['a quorum queue', { 'x-queue-type': 'quorum' }],
] as const) {
  test(`${what} is looked at whole and left as it was, in its order; a look that was cut goes on where it was`, async (t) => {
    const place = await backedUp(t, given)
    await publishIds(place, 1, 300)
    const proxy = await startProxy(t, place.url)
    const first = await sourceOf(proxy.url, `queue:${place.backup}`)
    assert.deepEqual(await first.open(), { events: 300 })
    const events = []
    for await (const page of first.read({ after: undefined, signal: new AbortController().signal })) {
      if (events.length === 0) proxy.cut()
      events.push(...page.events)
    }
    assert.deepEqual(
      events.map(({ attributes }) => attributes.id),
      numbers(1, 300),
    )
    assert.deepEqual(JSON.parse(events[0]!.text), {
      specversion: '1.0',
      id: '1',
      source: '/foreign',
      type: 'amqp.message',
      amqpexchange: place.exchange,
      amqpproperties: '{"headers":{},"messageId":"1","appId":"/foreign"}',
      data_base64: Buffer.from('1').toString('base64'),
    })
    await first.close()
    const again = await sourceOf(place.url, `queue:${place.backup}`)
    const rest = await eventsOf(t, again, events[199]!.token)
    assert.deepEqual(rest.map(({ position }) => position).slice(0, 2), [201, 202])
    assert.deepEqual(
      rest.map(({ attributes }) => attributes.id),
      numbers(201, 300),
    )
    await again.close()
    await until(
      'they are back',
      async () => (await queueState(place.channel, place.backup)).messageCount === 300,
    )
    assert.deepEqual(idsOf(await drain(place.channel, place.backup)), numbers(1, 300))
    await publishIds(place, 500, 900)
    const other = await sourceOf(place.url, `queue:${place.backup}`)
    await assert.rejects(eventsOf(t, other, events[199]!.token), { code: 'REPLAY_CHECKPOINT_FOREIGN' })
    await other.close()
  })
}

test('a longer queue than can be looked at is refused, unless a limit is named; one with a consumer is, too', async (t) => {
  const place = await backedUp(t)
  await publishIds(place, 1, 2_001)
  const whole = await sourceOf(place.url, `queue:${place.backup}`)
  await assert.rejects(eventsOf(t, whole), {
    code: 'REPLAY_SOURCE_INVALID',
    message: /has 2001 messages, and 2000 are looked at: `limit` .* `take`/,
  })
  await whole.close()
  const some = await sourceOf(place.url, `queue:${place.backup}`, { limit: '5' })
  assert.equal((await eventsOf(t, some)).length, 5)
  await some.close()
  const dry = await run({
    source: await sourceOf(place.url, `queue:${place.backup}`, { take: true, limit: 7 }),
    action: await actionOf(place.url, 'queue:any'),
    dryRun: true,
  })
  assert.equal(dry.read, 7)
  const other = await plainChannel(t, place.url)
  await until('all are back', async () => (await queueState(other, place.backup)).messageCount === 2_001)
  await other.prefetch(1)
  await other.consume(place.backup, () => {})
  await assert.rejects(eventsOf(t, await sourceOf(place.url, `queue:${place.backup}`)), {
    code: 'REPLAY_SOURCE_UNAVAILABLE',
    message: /has a consumer/,
  })
})

test('a message that a quorum queue has taken back often is not looked at once more', async (t) => {
  const place = await backedUp(t, { 'x-queue-type': 'quorum' })
  await publishIds(place, 1, 1)
  for (let look = 1; look <= 2; look++) {
    const source = await sourceOf(place.url, `queue:${place.backup}`, { returns: 2 })
    assert.equal((await eventsOf(t, source)).length, 1)
    await source.close()
  }
  const source = await sourceOf(place.url, `queue:${place.backup}`, { returns: 2 })
  await assert.rejects(eventsOf(t, source), {
    code: 'REPLAY_SOURCE_INVALID',
    message: /taken a message back 2 times/,
  })
  await source.close()
})

test('a queue is moved: each message leaves it when it has arrived, over lost connections, and a run that ends goes on', async (t) => {
  const place = await backedUp(t, { 'x-queue-type': 'quorum' })
  const target = await newExchange(t)
  const { channel, queue } = await boundQueue(t, target)
  await publishIds(place, 1, 900)
  const proxy = await startProxy(t, place.url)
  const folder = await RunFolder.open(await temporaryFolder(t))
  t.after(() => folder.close())
  const stop = new AbortController()
  let rounds = 0
  const options = { take: true, prefetch: 100 }
  const first = await run({
    source: await sourceOf(proxy.url, `queue:${place.backup}`, options),
    action: await actionOf(place.url, `exchange:${target.exchange}`),
    checkpoints: { folder },
    signal: stop.signal,
    onProgress() {
      rounds += 1
      if (rounds % 2 === 0) proxy.cut()
      if (rounds === 6) stop.abort()
    },
  })
  assert.equal(first.ended, 'interrupted')
  assert.ok(first.read < 900, `${first.read} read`)
  await until('the rest is back', async () => {
    const { messageCount, consumerCount } = await queueState(place.channel, place.backup)
    return consumerCount === 0 && messageCount >= 900 - first.read
  })
  const second = await run({
    source: await sourceOf(proxy.url, `queue:${place.backup}`, options),
    action: await actionOf(place.url, `exchange:${target.exchange}`),
    checkpoints: { folder },
  })
  assert.equal(second.ended, 'done')
  assert.equal((await queueState(place.channel, place.backup)).messageCount, 0)
  const ids = idsOf(await drain(channel, queue))
  assert.deepEqual([...new Set(ids)], numbers(1, 900))
  // Only what was acknowledged into a dead connection may come twice after the process has gone.
  assert.ok(ids.length <= 1_000, `${ids.length} messages`)
})

test('without a settle nothing leaves a queue', async (t) => {
  const place = await backedUp(t)
  await publishIds(place, 1, 10)
  const source = await sourceOf(place.url, `queue:${place.backup}`, { take: true })
  await source.open()
  const signal = new AbortController().signal
  for await (const { events } of source.read({ after: undefined, signal })) {
    if (events.length < 10) continue
    await source.settle!(events[3]!.token)
    break
  }
  await source.close()
  await until('six are back', async () => (await queueState(place.channel, place.backup)).messageCount === 6)
  assert.deepEqual(idsOf(await drain(place.channel, place.backup)), numbers(5, 10))
})

test('a stream is read to its end and left as it is, over a lost connection; a token is an offset', async (t) => {
  const place = await backedUp(t, { 'x-queue-type': 'stream' })
  await publishIds(place, 1, 500)
  const proxy = await startProxy(t, place.url)
  const source = await sourceOf(proxy.url, `stream:${place.backup}`, { prefetch: 50 })
  assert.deepEqual(await source.open(), { events: 500 })
  const events = []
  for await (const page of source.read({ after: undefined, signal: new AbortController().signal })) {
    if (events.length === 0) {
      proxy.cut()
      await publishIds(place, 501, 510)
    }
    events.push(...page.events)
  }
  await source.close()
  assert.deepEqual(
    events.map(({ attributes }) => attributes.id),
    numbers(1, 500),
  )
  const { token } = events[299]!
  const rest = await sourceOf(place.url, `stream:${place.backup}`)
  assert.deepEqual(
    (await eventsOf(t, rest, token)).map(({ attributes }) => attributes.id),
    numbers(301, 510),
  )
  await rest.close()
  const from = await sourceOf(place.url, `stream:${place.backup}`, { begin: token, idle: 1 })
  assert.equal((await eventsOf(t, from))[0]!.attributes.id, '300')
  await from.close()
})

test('a queue is no stream, and a stream no queue', async (t) => {
  const queue = await backedUp(t)
  await publishIds(queue, 1, 3)
  const asStream = await sourceOf(queue.url, `stream:${queue.backup}`)
  await assert.rejects(eventsOf(t, asStream), {
    code: 'REPLAY_SOURCE_INVALID',
    message: `${queue.backup} is no stream`,
  })
  await asStream.close()
})

test('the commands of docs/replay/rabbitmq.md do what they say', async (t) => {
  const place = await newExchange(t, { consumers: ['production', 'production.dead', 'archive'] })
  const { url, exchange } = place
  const queue = (name: string, given = {}) => boundQueue(t, place, `${exchange}.${name}`, given)
  const { channel } = await queue('production')
  await queue('production.dead')
  await queue('archive', { 'x-queue-type': 'stream' })
  const cli = placeFor(t, url)
  const history = join(cli.folder, 'backstory.db')
  await using recorder = startRecorder({ broker: url, exchange, history })
  await recorder.started()
  await using publisher = openPublisher({ broker: url, exchange, source: '/sales' })
  for (const n of [1, 2, 3])
    await publisher.publish({ type: 'order.placed', subject: `order-${n}`, data: { n } })
  await until('recorded', () => recorder.status.head === 3)
  const page = await readFile(new URL('../docs/replay/rabbitmq.md', import.meta.url), 'utf8')
  const [, block] = /```sh\n([\s\S]*?)```/.exec(page)!
  const lines = block!.trim().split('\n')
  assert.equal(lines.length, 5)
  for (const line of lines) {
    // Names of the test's own, and a history that it has.
    const own = line.replaceAll(/\borders\b/g, exchange).replace('--from history', `--from ${history}`)
    const { code, stdout, stderr } = await cli.shell(own)
    assert.equal(code, 0, `${line}\n${stdout}${stderr}`)
    if (line.endsWith('--to print')) assert.match(stdout, /"subject":"order-1"/)
  }
  await until('what came again is dropped', () => recorder.status.duplicates === 1)
  const count = async (name: string) => (await queueState(channel, `${exchange}.${name}`)).messageCount
  await until('the dead are moved', async () => (await count('production.dead')) === 0)
  // Published, once more one of them, all of them straight into the queue, and the four of the dead.
  assert.equal(await count('production'), 3 + 1 + 3 + 4)
})
