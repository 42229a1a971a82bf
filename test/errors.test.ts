/**
 * What cannot be is said: by an error with a class, a stable code and a message that tells what to do
 * next, at once where waiting cannot help, and never with a password in it.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { connect } from 'amqplib'
import Database from 'better-sqlite3'
import {
  BrokerError,
  ConsumerError,
  type ConsumerOptions,
  connectBroker,
  consumerQueueOf,
  defineConsumer,
  HistoryError,
  historyQueueOf,
  type Logger,
  openHistory,
  openPublisher,
  type RecorderStatus,
  readSqliteStore,
  startConsumer,
  startRecorder,
} from '../index.ts'
import { effectsConsumer } from './fixtures/effects.ts'
import { newExchange, type TestExchange, temporaryFolder } from './fixtures/exchange.ts'
import { startProgram } from './fixtures/program.ts'
import { until } from './fixtures/until.ts'

const password = 'open-sesame'
const nobodyListens = `amqp://ali:${password}@127.0.0.1:1/cave?heartbeat=7`
/** For what must be refused at once. */
const soon = { timeout: 20_000 }

test('a broker that is not there is BROKER_UNREACHABLE after the timeout, each try logged', async (t) => {
  const { logger, lines } = keepingLogger()
  const broker = connectBroker({ url: nobodyListens, reconnectMs: 20, logger })
  t.after(() => broker.close())
  await assertTold(broker.connected({ timeoutMs: 300 }), BrokerError, {
    code: 'BROKER_UNREACHABLE',
    says: [/127\.0\.0\.1:1\/cave within 300 ms/, /ECONNREFUSED/, /start it or name another/],
  })
  await until('three tries', () => lines.filter((line) => line.startsWith('broker.unreachable')).length >= 3)
  assert.match(lines[0]!, /"address":"amqp:\/\/127\.0\.0\.1:1\/cave".*ECONNREFUSED.*"retryMs":20/)
  assert.doesNotMatch(lines.join('\n'), new RegExp(`${password}|ali`))
})

test(
  'publisher, recorder and consumer go on trying while the broker is away, and end when told to',
  soon,
  async (t) => {
    const { logger, lines } = keepingLogger()
    const place = { ...(await offline(t)), url: nobodyListens }
    const publisher = openPublisher({ ...publisherOptions(place), confirmTimeoutMs: 300, logger })
    const recorder = startRecorder({ ...recorderOptions(place), logger })
    const consumer = await startConsumer(effectsConsumer('late', 'orders'), {
      ...consumerOptions(place),
      logger,
    })
    await assert.rejects(publisher.publish({ type: 'order.placed' }), { code: 'PUBLISH_TIMEOUT' })
    assert.equal(recorder.status.state, 'connecting')
    assert.equal(consumer.status.waitingFor, 'broker')
    await Promise.all([publisher.close(), recorder.close(), consumer.close()])
    assert.ok(lines.length >= 3)
    assert.doesNotMatch(lines.join('\n'), new RegExp(`${password}|\\n +at `))
  },
)

for (const [what, change] of [
  ['a wrong password', (url: URL) => Object.assign(url, { username: 'guest', password })],
  ['an unknown user', (url: URL) => Object.assign(url, { username: 'ali', password })],
  ['a missing virtual host', (url: URL) => Object.assign(url, { pathname: '/no-such-place' })],
] as const) {
  test(`${what} is BROKER_ACCESS_REFUSED at once, to publisher, recorder and consumer`, soon, async (t) => {
    const real = await newExchange(t)
    const { logger, lines } = keepingLogger()
    const place = { ...real, url: change(new URL(real.url)).href }
    const told = { code: 'BROKER_ACCESS_REFUSED', says: [/check user, password and virtual host/] }
    const broker = connectBroker({ url: place.url, logger })
    t.after(() => broker.close())
    await assertTold(broker.connected(), BrokerError, told)
    await assertRefused(t, place, { ...told, logger })
    assert.doesNotMatch(lines.join('\n'), new RegExp(password))
  })
}

test(
  'an exchange that nothing binds whole is BROKER_BINDINGS_UNKNOWN, which names its type',
  soon,
  async (t) => {
    const place = await newExchange(t)
    await withChannel(place, (channel) => channel.assertExchange(place.exchange, 'direct', { durable: true }))
    const told = {
      code: 'BROKER_BINDINGS_UNKNOWN',
      says: [new RegExp(`^Exchange ${place.exchange} `), /type direct/, /name the bindings/],
    }
    const publisher = openPublisher(publisherOptions(place))
    t.after(() => publisher.close())
    await assertTold(publisher.publish({ type: 'order.placed' }), BrokerError, told)
    await assertTold(startRecorder(recorderOptions(place)).started(), BrokerError, told)
  },
)

test(
  'a queue with other arguments is BROKER_TOPOLOGY_MISMATCH, which names what differs',
  soon,
  async (t) => {
    const place = await newExchange(t, { consumers: ['late'] })
    const history = historyQueueOf(place.exchange)
    await withChannel(place, (channel) =>
      channel.assertQueue(history, { durable: true, arguments: { 'x-queue-type': 'quorum' } }),
    )
    await assertRefused(t, place, {
      code: 'BROKER_TOPOLOGY_MISMATCH',
      says: [new RegExp(`^Queue ${history} `), /inequivalent arg 'x-[a-z-]+'/, /Rename .* or delete/],
    })
    await withChannel(place, (channel) => channel.deleteQueue(history))

    const queue = consumerQueueOf(place.exchange, 'late')
    await withChannel(place, (channel) => channel.assertQueue(queue, { durable: true }))
    const consumer = await startConsumer(effectsConsumer('late', place.exchange), consumerOptions(place))
    await assertTold(consumer.caughtUp(), BrokerError, {
      code: 'BROKER_TOPOLOGY_MISMATCH',
      says: [new RegExp(`^Queue ${queue} `), /x-queue-type|x-dead-letter-exchange/, /Rename .* or delete/],
    })
    await assert.rejects(consumer.stopped, { code: 'BROKER_TOPOLOGY_MISMATCH' })
  },
)

test(
  'a history has one recorder: the second is HISTORY_LOCKED, in this process and in another',
  soon,
  async (t) => {
    const place = await newExchange(t)
    const told = { code: 'HISTORY_LOCKED', says: [/has another recorder; stop it/, /standby/] }
    const other = startProgram<RecorderStatus>(t, 'recorder', recorderOptions(place))
    await other.until('recording', ({ state }) => state === 'recording')
    await assertTold(startRecorder(recorderOptions(place)).started(), HistoryError, told)
    await other.kill()

    await using first = startRecorder(recorderOptions(place))
    await first.started()
    await assertTold(startRecorder(recorderOptions(place)).stopped, HistoryError, told)
    const second = startProgram<RecorderStatus>(t, 'recorder', recorderOptions(place))
    await until('the other process gave up', () => second.hasEnded)
    assert.match(second.errors.at(-1)!, /has another recorder; stop it/)
    assert.equal(first.status.state, 'recording')
  },
)

test('a history file that is no history is refused by name, and left as it is', soon, async (t) => {
  const place = await newExchange(t, { consumers: ['late'] })
  const text = join(place.folder, 'text.db')
  await writeFile(text, 'Dear reader, this is a letter and no database.\n'.repeat(100))
  await assertNoHistory(t, { ...place, history: text }, 'HISTORY_CORRUPT', [
    /is no SQLite file; name another/,
  ])

  const foreign = join(place.folder, 'foreign.db')
  new Database(foreign).exec('CREATE TABLE cars (id TEXT)').close()
  await assertNoHistory(t, { ...place, history: foreign }, 'HISTORY_FOREIGN', [
    /no history; name another file/,
  ])
  const left = new Database(foreign, { readonly: true })
  assert.deepEqual(left.prepare('SELECT name FROM sqlite_schema').pluck().all(), ['cars'])
  left.close()

  const another = await newExchange(t)
  const recorder = startRecorder(recorderOptions(another))
  await recorder.started()
  await recorder.close()
  await assertNoHistory(t, { ...place, history: another.history }, 'HISTORY_FOREIGN', [
    new RegExp(`is the history of exchange ${another.exchange}, not of ${place.exchange}; name another file`),
  ])

  await truncate(another.history, 8_192)
  const cutOff = [/was cut off or is damaged; restore it or name another/]
  await assertNoHistory(t, { ...place, history: another.history }, 'HISTORY_CORRUPT', cutOff)
})

test('a reader that was passed to a consumer of another exchange is HISTORY_FOREIGN', soon, async (t) => {
  const place = await newExchange(t, { consumers: ['late'] })
  const another = await newExchange(t)
  await using recorder = startRecorder(recorderOptions(another))
  await recorder.started()
  await using history = openHistory({ history: another.history })
  const options = { ...consumerOptions(place), history }
  const consumer = await startConsumer(effectsConsumer('late', place.exchange), options)
  await assertTold(consumer.stopped, HistoryError, {
    code: 'HISTORY_FOREIGN',
    says: [new RegExp(`that of ${another.exchange}; name the right one`)],
  })
})

test('a store that is none, or that another instance of the consumer has, is refused', soon, async (t) => {
  const place = await newExchange(t, { consumers: ['late'] })
  const start = (store: string, exchange = place.exchange) =>
    startConsumer(effectsConsumer('late', exchange), { ...consumerOptions(place), store })
  const text = join(place.folder, 'letter.txt')
  await writeFile(text, 'Dear reader, this is a letter and no database.\n'.repeat(100))
  const foreign = { code: 'CONSUMER_STORE_FOREIGN', says: [/letter\.txt is no SQLite file; name another/] }
  await assertTold(start(text), ConsumerError, foreign)
  await assertTold(readSqliteStore(text), ConsumerError, foreign)

  const store = place.store('late')
  const running = await start(store)
  t.after(() => running.close())
  await assertTold(start(store), ConsumerError, {
    code: 'CONSUMER_LOCKED',
    says: [/late runs on .* already; stop that one first/],
  })
  await until('its marks are kept', async () => (await readSqliteStore(store)).length === 1)
  await running.close()
  await assertTold(start(store, 'other-orders'), ConsumerError, {
    code: 'CONSUMER_STORE_FOREIGN',
    says: [new RegExp(`of exchange ${place.exchange}, not of other-orders; name another store`)],
  })
  await assertTold(start(join(text, 'below-a-file.db')), ConsumerError, {
    code: 'CONSUMER_STORE_UNAVAILABLE',
    says: [/below-a-file\.db.* cannot be used now \(.*mkdir/],
  })
  await truncate(store, 4_096)
  await assertTold(start(store), ConsumerError, { code: 'CONSUMER_STORE_FOREIGN', says: [/was cut off/] })
})

test('a wrong definition is a TypeError that names what is wrong in it', async (t) => {
  const on = { 'order.placed': () => {} }
  const define = (definition: object) => () =>
    defineConsumer({ name: 'late', exchange: 'orders', on, ...definition } as Parameters<
      typeof defineConsumer
    >[0])
  for (const name of [
    '',
    'two words',
    'dots.are.ours',
    '-x',
    'history',
    'dead',
    'n'.repeat(101),
    undefined,
    7,
  ])
    assertTypeError(define({ name }), /`name`/)
  for (const exchange of ['', undefined, null]) assertTypeError(define({ exchange }), /`exchange`/)
  for (const wrong of [undefined, null, 'order.placed']) assertTypeError(define({ on: wrong }), /`on`/)
  assertTypeError(define({ on: { 'order.placed': 'build' } }), /`on\['order\.placed'\]`/)
  const place = await offline(t)
  for (const [name, value] of [
    ['attempts', 0],
    ['attempts', 1.5],
    ['backoffMs', -1],
    ['backoffMsMax', Number.NaN],
  ] as const) {
    const definition = { ...effectsConsumer('late', 'orders'), retry: { [name]: value } }
    await assertRejectsTypeError(
      startConsumer(definition, consumerOptions(place)),
      new RegExp(`\`retry.${name}\``),
    )
  }
})

test('an option out of its range is a TypeError that names it, and nothing was opened', async (t) => {
  const place = await offline(t)
  const wrongNumbers = [0, -1, 1.5, Number.NaN, 2 ** 53, '7' as unknown as number]
  for (const value of wrongNumbers) {
    for (const name of ['inFlightMax', 'confirmTimeoutMs', 'bodyBytesMax'])
      assertTypeError(
        () => openPublisher({ ...publisherOptions(place), [name]: value }),
        new RegExp(`\`${name}\``),
      )
    for (const name of ['prefetch', 'batchMax', 'batchWaitMs', 'lookMs'])
      assertTypeError(
        () => startRecorder({ ...recorderOptions(place), [name]: value }),
        new RegExp(`\`${name}\``),
      )
    for (const name of ['replayBatch', 'liveBatch', 'prefetch', 'auditMs'])
      await assertConsumerOption(place, { [name]: value })
  }
  for (const value of wrongNumbers.slice(1))
    for (const name of ['settleMs', 'inboxKeepMs']) await assertConsumerOption(place, { [name]: value })
  for (const name of ['store', 'history']) await assertConsumerOption(place, { [name]: '' })
  await assertConsumerOption(place, { from: 'newest' as 'latest' })
  for (const name of ['exchange', 'source'])
    assertTypeError(
      () => openPublisher({ ...publisherOptions(place), [name]: '' }),
      new RegExp(`\`${name}\``),
    )
  for (const name of ['exchange', 'history'])
    assertTypeError(() => startRecorder({ ...recorderOptions(place), [name]: '' }), new RegExp(`\`${name}\``))
  for (const url of [
    '',
    'localhost:5672',
    `http://ali:${password}@localhost`,
    `amqp//ali:${password}@localhost`,
  ])
    assertTypeError(() => connectBroker({ url }), /amqp:\/\/user:password@host:5672\/vhost/)
  assertTypeError(() => connectBroker({ url: [] }), /`url`/)
  await assert.rejects(readSqliteStore(place.store('late')), { code: 'CONSUMER_STORE_UNAVAILABLE' })
})

test('an order book that is not there is one line and exit code 1', () => {
  const main = fileURLToPath(new URL('../edison/sales/main.ts', import.meta.url))
  const args = [...process.execArgv, main, '/no/such/book.jsonl', '--broker', nobodyListens]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  assert.equal(stderr, 'BOOK_NOT_FOUND: There is no order book /no/such/book.jsonl; check the path\n')
  assert.deepEqual({ status, stdout }, { status: 1, stdout: '' })
})

interface Told {
  readonly code: string
  readonly says: readonly RegExp[]
}

type ErrorClass = new (...args: never[]) => Error & { readonly code: string }

/** Whatever shows of the error, its cause and its stack included, shows no password. */
async function assertTold(promise: Promise<unknown>, kind: ErrorClass, { code, says }: Told): Promise<void> {
  await assert.rejects(promise, (error: Error & { code?: string }) => {
    assert.ok(error instanceof kind, inspect(error))
    assert.equal(error.name, kind.name)
    assert.equal(error.code, code)
    for (const expected of says) assert.match(error.message, expected)
    assert.doesNotMatch(error.message, /\n/)
    assert.doesNotMatch(inspect(error, { depth: 10, showHidden: true }), new RegExp(password))
    return true
  })
}

/** Publisher, recorder and consumer are told the same, and each ends by it. */
async function assertRefused(
  t: TestContext,
  place: TestExchange,
  { logger, ...told }: Told & { logger?: Logger },
): Promise<void> {
  const log = logger === undefined ? {} : { logger }
  const publisher = openPublisher({ ...publisherOptions(place), ...log })
  t.after(() => publisher.close())
  await assertTold(publisher.publish({ type: 'order.placed' }), BrokerError, told)
  await assertTold(publisher.publish({ type: 'order.placed' }), BrokerError, told)

  const recorder = startRecorder({ ...recorderOptions(place), ...log })
  await assertTold(recorder.started(), BrokerError, told)
  await assertTold(recorder.stopped, BrokerError, told)
  assert.equal(recorder.status.state, 'stopped')
  assert.match(recorder.status.lastError!, told.says[0]!)

  const consumer = await startConsumer(effectsConsumer('late', place.exchange), {
    ...consumerOptions(place),
    ...log,
  })
  await assertTold(consumer.caughtUp(), BrokerError, told)
  await assertTold(consumer.stopped, BrokerError, told)
  assert.equal(consumer.status.phase, 'stopped')
  assert.match(consumer.status.lastError!, told.says[0]!)
}

/** Recorder, reader and consumer are told the same of the file. */
async function assertNoHistory(
  t: TestContext,
  place: TestExchange,
  code: string,
  says: RegExp[],
): Promise<void> {
  const told = { code, says }
  await assertTold(startRecorder(recorderOptions(place)).started(), HistoryError, told)
  const reader = openHistory({ history: place.history, exchange: place.exchange })
  t.after(() => reader.close())
  await assertTold(reader.bounds(), HistoryError, told)
  const consumer = await startConsumer(effectsConsumer('late', place.exchange), consumerOptions(place))
  await assertTold(consumer.caughtUp(), HistoryError, told)
}

function assertTypeError(act: () => unknown, says: RegExp): void {
  assert.throws(act, (error: Error) => isTypeError(error, says))
}

async function assertRejectsTypeError(promise: Promise<unknown>, says: RegExp): Promise<void> {
  await assert.rejects(promise, (error: Error) => isTypeError(error, says))
}

function isTypeError(error: Error, says: RegExp): boolean {
  assert.ok(error instanceof TypeError, inspect(error))
  assert.match(error.message, says)
  assert.match(error.message, /^Expected /)
  assert.doesNotMatch(inspect(error), new RegExp(password))
  return true
}

async function assertConsumerOption(place: TestExchange, option: Partial<ConsumerOptions>): Promise<void> {
  const started = startConsumer(effectsConsumer('late', 'orders'), { ...consumerOptions(place), ...option })
  await assertRejectsTypeError(started, new RegExp(`\`${Object.keys(option)[0]}\``))
}

/** A place for what never gets as far as a broker. */
async function offline(t: TestContext): Promise<TestExchange> {
  const folder = await temporaryFolder(t)
  const store = (consumer: string) => join(folder, `${consumer}.db`)
  return { url: nobodyListens, exchange: 'orders', folder, history: join(folder, 'history.db'), store }
}

function publisherOptions({ url, exchange }: TestExchange) {
  return { broker: url, exchange, source: '/test', confirmTimeoutMs: 10_000 }
}

function recorderOptions({ url, exchange, history }: TestExchange) {
  return { broker: url, exchange, history }
}

function consumerOptions({ url, history, store }: TestExchange) {
  return { broker: url, history, store: store('late'), settleMs: 0 }
}

type PlainChannel = Awaited<ReturnType<Awaited<ReturnType<typeof connect>>['createChannel']>>

async function withChannel(
  { url }: TestExchange,
  use: (channel: PlainChannel) => Promise<unknown>,
): Promise<void> {
  const connection = await connect(url)
  try {
    await use(await connection.createChannel())
  } finally {
    await connection.close()
  }
}

function keepingLogger(): { logger: Logger; lines: string[] } {
  const lines: string[] = []
  const keep = (event: string, fields?: Readonly<Record<string, unknown>>) =>
    void lines.push(`${event} ${JSON.stringify(fields)}`)
  return { lines, logger: { debug: keep, info: keep, warn: keep, error: keep } }
}
