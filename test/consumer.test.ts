import assert from 'node:assert/strict'
import { renameSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import {
  type Consumer,
  type ConsumerOptions,
  consumerQueueOf,
  defineConsumer,
  defineEvents,
  eventType,
  openPublisher,
  type Publisher,
  type Recorder,
  startConsumer,
  startRecorder,
} from '../index.ts'
import { compare, effectsConsumer, flawless, readEffects } from './fixtures/effects.ts'
import { newExchange, type TestExchange } from './fixtures/exchange.ts'
import { plainChannel, plainPublish } from './fixtures/plain.ts'
import { until } from './fixtures/until.ts'

const name = 'production'
const source = '/sales'

interface Place extends TestExchange {
  readonly recorder: Recorder
  readonly publisher: Publisher
}

/** An exchange with its recorder and a publisher. */
async function newPlace(t: TestContext): Promise<Place> {
  const place = await newExchange(t, { consumers: [name] })
  const { url: broker, exchange, history } = place
  const recorder = startRecorder({ broker, exchange, history })
  t.after(() => recorder.close())
  await recorder.started()
  const publisher = openPublisher({ broker, exchange, source })
  t.after(() => publisher.close())
  return { ...place, recorder, publisher }
}

function optionsOf({ url, history, store }: TestExchange): ConsumerOptions {
  return { broker: url, history, store: store(name), settleMs: 0, auditMs: 10 }
}

/** Starts a consumer that is closed after the test. */
async function start(
  t: TestContext,
  place: TestExchange,
  handler?: Parameters<typeof effectsConsumer>[2],
  options: Partial<ConsumerOptions> = {},
): Promise<Consumer> {
  const definition = effectsConsumer(name, place.exchange, handler)
  const consumer = await startConsumer(definition, { ...optionsOf(place), ...options })
  t.after(() => consumer.close())
  return consumer
}

function idsFrom(first: number, last: number): string[] {
  return Array.from({ length: last - first + 1 }, (_, index) => String(first + index))
}

/** Publishes these ids, in order. */
async function publish(publisher: Publisher, ids: readonly string[]): Promise<void> {
  await Promise.all(ids.map((id) => publisher.publish({ type: 'order.placed', id, data: { id } })))
}

async function untilLevel(consumer: Consumer, head: number): Promise<void> {
  await until(`a level certificate at ${head}`, async () => {
    const certificate = await consumer.certificate()
    return certificate.level && certificate.head === head
  })
}

function assertEffects(place: TestExchange, ids: readonly string[]): void {
  assert.deepEqual(compare(readEffects(place.store(name)), new Map([[source, ids]])), flawless)
}

function gate(): { readonly opened: Promise<void>; open(): void } {
  let open!: () => void
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open: () => open() }
}

test('handlers get their own type of data, in order, synchronous or not, and know what is replayed', async (t) => {
  const place = await newPlace(t)
  const events = defineEvents({
    'order.placed': eventType<{ price: number }>(),
    'order.cancelled': eventType<{ reason: string }>(),
  })
  const { url: broker, exchange } = place
  await using publisher = openPublisher({ broker, exchange, source, events })
  const seen: unknown[] = []
  const definition = defineConsumer({
    name,
    exchange,
    events,
    prepare: (database) => database.exec('CREATE TABLE IF NOT EXISTS totals (price INTEGER)') && database,
    on: {
      'order.placed': async ({ data }, { tx, replayed, position, attempt }) => {
        await new Promise((resolve) => setImmediate(resolve))
        tx.prepare('INSERT INTO totals VALUES (?)').run(data.price)
        seen.push(['placed', data.price, { replayed, position, attempt }])
      },
      'order.cancelled': ({ data }, { replayed, position }) => {
        seen.push(['cancelled', data.reason.toUpperCase(), { replayed, position }])
      },
      '*': ({ type, data }) => {
        seen.push([type, data])
      },
    },
  })
  await publisher.publish({ type: 'order.placed', data: { price: 7 } })
  await publisher.publish({ type: 'order.cancelled', data: { reason: 'late' } })
  await until('both are recorded', () => place.recorder.status.head === 2)
  await using consumer = await startConsumer(definition, optionsOf(place))
  await consumer.caughtUp()
  await publisher.publish({ type: 'order.placed', data: { price: 8 } })
  await place.publisher.publish({ type: 'order.shipped', data: ['by', 'truck'] })
  await untilLevel(consumer, 4)
  assert.deepEqual(seen, [
    ['placed', 7, { replayed: true, position: 1, attempt: 1 }],
    ['cancelled', 'LATE', { replayed: true, position: 2 }],
    ['placed', 8, { replayed: false, position: undefined, attempt: 1 }],
    ['order.shipped', ['by', 'truck']],
  ])
  const { replayed, live, applied, phase } = consumer.status
  assert.deepEqual({ replayed, live, applied, phase }, { replayed: 2, live: 2, applied: 4, phase: 'live' })
  await consumer.close()
  const totals = new Database(place.store(name), { readonly: true })
  t.after(() => totals.close())
  assert.deepEqual(totals.prepare('SELECT price FROM totals').pluck().all(), [7, 8])
})

test('events without a handler have no effect, and count as applied', async (t) => {
  const place = await newPlace(t)
  await publish(place.publisher, idsFrom(1, 3))
  const definition = defineConsumer({ name, exchange: place.exchange, on: { 'order.shipped': () => {} } })
  await using consumer = await startConsumer(definition, optionsOf(place))
  await consumer.caughtUp()
  await publish(place.publisher, idsFrom(4, 5))
  await untilLevel(consumer, 5)
  assert.equal(consumer.status.applied, 5)
})

for (const phase of ['replay', 'live'] as const) {
  test(`a handler that fails in the ${phase} is tried again in place, then the consumer stops where it does not park, and nothing is lost`, async (t) => {
    const place = await newPlace(t)
    let isMended = false
    const handler = ({ id }: { id: string }) => {
      if (id === '5' && !isMended) throw new Error('out of paint')
    }
    if (phase === 'replay') await publish(place.publisher, idsFrom(1, 8))
    const broken = await start(t, place, handler)
    if (phase === 'live') {
      await broken.caughtUp()
      await publish(place.publisher, idsFrom(1, 8))
    }
    await assert.rejects(broken.stopped, {
      code: 'CONSUMER_HANDLER_FAILED',
      message: /stopped at event 5 of \/sales \(order\.placed\).*failed 3 times.*out of paint/,
    })
    assert.equal(broken.status.phase, 'stopped')
    assert.match(broken.status.lastError ?? '', /out of paint/)
    // What came before it is applied; it is not, and nothing behind it is.
    assertEffects(place, idsFrom(1, 4))
    isMended = true
    const mended = await start(t, place, handler)
    await mended.caughtUp()
    await untilLevel(mended, 8)
    assertEffects(place, idsFrom(1, 8))
  })
}

test('a handler that fails once is tried again, and the other events take effect once', async (t) => {
  const place = await newPlace(t)
  const attempts: number[] = []
  const consumer = await start(t, place, async ({ id }, { attempt }) => {
    if (id !== '3') return
    attempts.push(attempt)
    if (attempt < 3) throw new Error('not yet')
  })
  await consumer.caughtUp()
  await publish(place.publisher, idsFrom(1, 6))
  await untilLevel(consumer, 6)
  // The first is in a batch of several, which is rolled back; a try alone follows each time.
  assert.equal(attempts.at(-1), 3)
  assertEffects(place, idsFrom(1, 6))
})

test('a consumer that was closed resumes at its cursor with what it missed', async (t) => {
  const place = await newPlace(t)
  await publish(place.publisher, idsFrom(1, 50))
  const first = await start(t, place)
  await first.caughtUp()
  await publish(place.publisher, idsFrom(51, 100))
  await untilLevel(first, 100)
  await first.close()
  assert.equal(first.status.phase, 'stopped')
  await publish(place.publisher, idsFrom(101, 150))
  const second = await start(t, place)
  await second.caughtUp()
  await untilLevel(second, 150)
  assert.equal(second.status.applied, 150)
  assertEffects(place, idsFrom(1, 150))
})

test('a consumer that is told to stop while its store cannot be written stops', async (t) => {
  const place = await newPlace(t)
  await (await start(t, place)).close()
  const other = new Database(place.store(name))
  t.after(() => other.close())
  other.exec('BEGIN IMMEDIATE')
  const consumer = await start(t, place)
  assert.equal(consumer.status.waitingFor, 'store')
  await consumer.close()
  await consumer.stopped
})

test('a consumer that ended with events applied beyond its cursor does not apply them again', async (t) => {
  const place = await newPlace(t)
  const first = await start(t, place)
  await first.caughtUp()
  // Without the recorder the cursor stands still.
  await place.recorder.close()
  await publish(place.publisher, idsFrom(1, 20))
  await until('applied live', () => first.status.live === 20)
  await first.close()
  const { url: broker, exchange, history } = place
  await using _recorder = startRecorder({ broker, exchange, history })
  const second = await start(t, place)
  await second.caughtUp()
  await untilLevel(second, 20)
  assertEffects(place, idsFrom(1, 20))
})

test('the same event published again takes effect once, the same id of another source is another event', async (t) => {
  const place = await newPlace(t)
  const { url: broker, exchange } = place
  await using other = openPublisher({ broker, exchange, source: '/returns' })
  await publish(place.publisher, ['1', '2'])
  await publish(other, ['1'])
  const consumer = await start(t, place)
  await consumer.caughtUp()
  await publish(place.publisher, ['1', '3', '3', '2'])
  await publish(other, ['3'])
  await untilLevel(consumer, 5)
  const effects = readEffects(place.store(name)).map(({ source, id }) => `${source} ${id}`)
  assert.deepEqual(effects.sort(), ['/returns 1', '/returns 3', '/sales 1', '/sales 2', '/sales 3'])
  await until('the repeats are seen', () => consumer.status.duplicates >= 3)
})

test('messages without identity take effect once each, across the hand-over and live', async (t) => {
  const place = await newPlace(t)
  const channel = await plainChannel(t, place.url)
  const send = (text: string) => plainPublish(channel, place.exchange, { body: Buffer.from(text) })
  for (const text of ['a', 'same', 'same']) await send(text)
  const consumer = await start(t, place)
  for (let n = 1; n <= 30; n++) await send(`joining ${n}`)
  await consumer.caughtUp()
  for (const text of ['same', 'b', 'same']) await send(text)
  await until('all are recorded', () => place.recorder.status.head === 36)
  await untilLevel(consumer, 36)
  const certificate = await consumer.certificate()
  assert.equal(certificate.unidentified, 36)
  assert.equal(certificate.history.unidentified, 36)
  assert.deepEqual(
    readEffects(place.store(name)).map(({ data }) => data),
    ['a', 'same', 'same', ...idsFrom(1, 30).map((n) => `joining ${n}`), 'same', 'b', 'same'],
  )
})

test('a consumer that runs already is not started a second time on its store', async (t) => {
  const place = await newPlace(t)
  const consumer = await start(t, place)
  await assert.rejects(start(t, place), { code: 'CONSUMER_LOCKED', message: /production.*already/ })
  await consumer.close()
  const next = await start(t, place)
  await next.caughtUp()
})

test('a history that lost what the consumer has not applied is refused, with both positions', async (t) => {
  const place = await newPlace(t)
  await publish(place.publisher, idsFrom(1, 10))
  const consumer = await start(t, place)
  await consumer.caughtUp()
  await consumer.close()
  await publish(place.publisher, idsFrom(11, 20))
  await until('all are recorded', () => place.recorder.status.head === 20)
  tamper(place.history, 'DELETE FROM events WHERE position <= 15')
  const late = await start(t, place)
  await assert.rejects(late.stopped, {
    code: 'CONSUMER_HISTORY_TRUNCATED',
    message: /applied up to position 10, .*begins at 16/,
  })
  await assert.rejects(late.caughtUp(), { code: 'CONSUMER_HISTORY_TRUNCATED' })
  assert.equal(late.status.phase, 'stopped')
  assertEffects(place, idsFrom(1, 10))
})

test('a history that was truncated below the cursor is still good', async (t) => {
  const place = await newPlace(t)
  await publish(place.publisher, idsFrom(1, 10))
  const consumer = await start(t, place)
  await consumer.caughtUp()
  await consumer.close()
  tamper(place.history, 'DELETE FROM events WHERE position <= 10')
  await publish(place.publisher, idsFrom(11, 12))
  const next = await start(t, place)
  await next.caughtUp()
  await untilLevel(next, 12)
  assertEffects(place, idsFrom(1, 12))
})

test('a consumer that is ahead of its history is refused, with both positions', async (t) => {
  const place = await newPlace(t)
  await publish(place.publisher, idsFrom(1, 10))
  const consumer = await start(t, place)
  await consumer.caughtUp()
  await consumer.close()
  await place.recorder.close()
  tamper(
    place.history,
    'DELETE FROM events WHERE position > 4; DELETE FROM checkpoints; INSERT INTO checkpoints VALUES (4, 0, 0)',
  )
  const restored = await start(t, place)
  await assert.rejects(restored.stopped, {
    code: 'CONSUMER_AHEAD',
    message: /applied up to position 10, but the history ends at 4/,
  })
})

test('a consumer without a history yet waits for it, and goes on when it is there', async (t) => {
  const place = await newExchange(t, { consumers: [name] })
  const consumer = await start(t, place)
  await until('it waits', () => consumer.status.waitingFor === 'history')
  const { url: broker, exchange, history } = place
  await using publisher = openPublisher({ broker, exchange, source })
  await publish(publisher, idsFrom(1, 5))
  assert.equal(consumer.status.phase, 'replaying')
  await using _recorder = startRecorder({ broker, exchange, history })
  await consumer.caughtUp()
  await untilLevel(consumer, 5)
  assert.equal(consumer.status.waitingFor, undefined)
  assertEffects(place, idsFrom(1, 5))
})

test('a new consumer without a recorder says so, and goes on when one is back', async (t) => {
  const place = await newPlace(t)
  await publish(place.publisher, idsFrom(1, 5))
  await until('all are recorded', () => place.recorder.status.head === 5)
  await place.recorder.close()
  await publish(place.publisher, idsFrom(6, 10))
  const consumer = await start(t, place)
  await until('it waits', () => consumer.status.waitingFor === 'recorder')
  assert.equal(consumer.status.phase, 'replaying')
  assert.equal(consumer.status.applied, 5)
  const { url: broker, exchange, history } = place
  await using _recorder = startRecorder({ broker, exchange, history })
  await consumer.caughtUp()
  await untilLevel(consumer, 10)
  assertEffects(place, idsFrom(1, 10))
})

test('while the history is away a live consumer goes on, and its cursor follows when it is back', async (t) => {
  const place = await newPlace(t)
  const consumer = await start(t, place)
  await consumer.caughtUp()
  await publish(place.publisher, idsFrom(1, 10))
  await untilLevel(consumer, 10)
  // As an administrator may: the recorder is stopped first, the file put elsewhere.
  await place.recorder.close()
  renameSync(place.history, `${place.history}.away`)
  await publish(place.publisher, idsFrom(11, 30))
  await until('the live queue goes on', () => consumer.status.live + consumer.status.replayed === 30)
  assert.equal(consumer.status.phase, 'live')
  assert.equal(consumer.status.cursor, 10)
  await until('it says so', () => consumer.status.waitingFor === 'history')
  // A repeat is recognised even so: recent events are remembered.
  await publish(place.publisher, ['5', '25'])
  await publish(place.publisher, ['31'])
  await until('the repeats have been seen', () => consumer.status.applied === 31)
  renameSync(`${place.history}.away`, place.history)
  const { url: broker, exchange, history } = place
  await using _recorder = startRecorder({ broker, exchange, history })
  await untilLevel(consumer, 31)
  assert.equal(consumer.status.repairs, 0)
  assertEffects(place, idsFrom(1, 31))
})

test('what is purged from the queue of a live consumer comes from the history', async (t) => {
  const place = await newPlace(t)
  const hold = gate()
  const consumer = await start(t, place, ({ id }) => (id === '1' ? hold.opened : undefined), { prefetch: 1 })
  await consumer.caughtUp()
  await publish(place.publisher, idsFrom(1, 20))
  const channel = await plainChannel(t, place.url)
  const { messageCount } = await channel.purgeQueue(consumerQueueOf(place.exchange, name))
  assert.equal(messageCount, 19)
  hold.open()
  await untilLevel(consumer, 20)
  await publish(place.publisher, idsFrom(21, 25))
  await untilLevel(consumer, 25)
  assert.equal(consumer.status.repairs, 1)
  assertEffects(place, idsFrom(1, 25))
})

test('a queue that is unbound by somebody costs nothing', async (t) => {
  const place = await newPlace(t)
  const consumer = await start(t, place)
  await consumer.caughtUp()
  const channel = await plainChannel(t, place.url)
  await channel.unbindQueue(consumerQueueOf(place.exchange, name), place.exchange, '')
  await publish(place.publisher, idsFrom(1, 10))
  await untilLevel(consumer, 10)
  await publish(place.publisher, idsFrom(11, 20))
  await untilLevel(consumer, 20)
  assert.ok(consumer.status.repairs >= 1)
  assertEffects(place, idsFrom(1, 20))
})

for (const [what, sql] of [
  ['a state that counts one event too many', 'UPDATE backstory_consumers SET live = live + 1'],
  ['a cursor that skipped an event', 'UPDATE backstory_consumers SET cursor = cursor - 1'],
  [
    'a checksum of other events',
    "UPDATE backstory_consumers SET checksum = '00000000000000000000000000000001'",
  ],
] as const) {
  test(`the certificate tells ${what}`, async (t) => {
    const place = await newPlace(t)
    await publish(place.publisher, idsFrom(1, 10))
    const consumer = await start(t, place)
    await consumer.caughtUp()
    await untilLevel(consumer, 10)
    const before = await consumer.certificate()
    assert.equal(before.complete, true)
    assert.equal(before.checksum, before.history.checksum)
    await consumer.close()
    tamper(place.store(name), sql)
    await place.recorder.close()
    const { certify, openHistory, readSqliteStore } = await import('../index.ts')
    const [stored] = await readSqliteStore(place.store(name))
    const reader = openHistory({ history: place.history })
    t.after(() => reader.close())
    const after = await certify({ consumer: name, ...stored! }, reader)
    assert.equal(after.complete, false)
    assert.equal(after.level, false)
  })
}

test('close in the middle of a replay keeps what was committed, and the next start goes on from there', async (t) => {
  const place = await newPlace(t)
  await publish(place.publisher, idsFrom(1, 500))
  await until('all are recorded', () => place.recorder.status.head === 500)
  const consumer = await start(t, place, () => new Promise((resolve) => setImmediate(resolve)), {
    replayBatch: 10,
  })
  await until('it replays', () => consumer.status.cursor >= 100)
  const early = consumer.caughtUp()
  await consumer.close()
  await assert.rejects(early, { code: 'CONSUMER_CLOSED' })
  const { cursor } = consumer.status
  assert.ok(cursor < 500, `at ${cursor}`)
  assertEffects(place, idsFrom(1, cursor))
  await consumer.close()
  await consumer.stopped
  const next = await start(t, place)
  await next.caughtUp()
  await untilLevel(next, 500)
  assertEffects(place, idsFrom(1, 500))
})

test('a store that another writer holds for a while is waited for, live and in the replay', async (t) => {
  const place = await newPlace(t)
  await publish(place.publisher, idsFrom(1, 10))
  const consumer = await start(t, place)
  await consumer.caughtUp()
  const other = new Database(place.store(name))
  t.after(() => other.close())
  other.exec('BEGIN IMMEDIATE')
  await publish(place.publisher, idsFrom(11, 20))
  await until('it says so', () => /cannot be written now/.test(consumer.status.lastError ?? ''))
  assert.equal(consumer.status.applied, 10)
  other.exec('COMMIT')
  await untilLevel(consumer, 20)
  assertEffects(place, idsFrom(1, 20))
})

/** Changes a file behind the back of those who have it open. */
function tamper(path: string, sql: string): void {
  const database = new Database(path)
  try {
    database.exec(sql)
  } finally {
    database.close()
  }
}
