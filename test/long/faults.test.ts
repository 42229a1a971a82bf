/**
 * What dies in mid-flow comes back, and at the end every confirmed event has taken effect once, in its
 * source's order, by the consumer's own rows and by an equal certificate. Recorder and consumer are real
 * processes, killed with SIGKILL.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Delivery } from '../../broker/index.ts'
import {
  type Certificate,
  type ConsumerStatus,
  certify,
  connectBroker,
  consumerQueueOf,
  historyQueueOf,
  openHistory,
  openPublisher,
  type RecorderStatus,
  readSqliteStore,
  startConsumer,
  startRecorder,
} from '../../index.ts'
import { ownBroker } from '../fixtures/broker.ts'
import { compare, effectsConsumer, flawless, readEffects } from '../fixtures/effects.ts'
import { newExchange, type TestExchange } from '../fixtures/exchange.ts'
import { type Flow, startFlow } from '../fixtures/flow.ts'
import { type Program, startProgram } from '../fixtures/program.ts'
import { startProxy } from '../fixtures/proxy.ts'
import { until } from '../fixtures/until.ts'

type ConsumerReport = ConsumerStatus & { readonly isCaughtUp: boolean }

const consumer = 'production'
/** Long enough for some thousand events between two faults, at a time that nothing else is tuned to. */
const untilFaultMs = 400

test('a recorder killed again and again in mid-flow records every event once', async (t) => {
  const place = await newExchange(t, { consumers: [consumer] })
  const recorderIn = () => startProgram<RecorderStatus>(t, 'recorder', recorderOptions(place))
  let recorder = recorderIn()
  startConsumerProgram(t, place)
  await recorder.until('recording', ({ state }) => state === 'recording')
  const flow = startFlow(place)
  for (let kill = 1; kill <= 3; kill++) {
    await recorder.until(`records before kill ${kill}`, ({ recorded }) => recorded > 300)
    await recorder.kill()
    recorder = recorderIn()
  }
  await recorder.until('records after the last kill', ({ recorded }) => recorded > 100)
  await assertEqualInTheEnd(place, flow)
})

test('a consumer killed while it replays, while it catches up and while it is live misses nothing', async (t) => {
  const place = await newExchange(t, { consumers: [consumer] })
  await using _recorder = startRecorder(recorderOptions(place))
  const flow = startFlow(place)
  await until('some history', () => flow.confirmed > 2_000)
  let production = startConsumerProgram(t, place, { replayBatch: 25 })
  await production.until('replays', ({ replayed }) => replayed > 50)
  await production.kill()
  production = startConsumerProgram(t, place)
  await production.until('is live', ({ phase }) => phase === 'live')
  await production.kill()
  production = startConsumerProgram(t, place)
  await production.until(
    'is caught up and has live events',
    ({ isCaughtUp, live }) => isCaughtUp && live > 200,
  )
  await production.kill()
  await until('a backlog', () => flow.confirmed > 6_000)
  startConsumerProgram(t, place)
  await assertEqualInTheEnd(place, flow)
})

test('a publisher killed in mid-flow leaves every event that it saw confirmed, in order and once', async (t) => {
  const place = await newExchange(t, { consumers: [consumer] })
  await using _recorder = startRecorder(recorderOptions(place))
  startConsumerProgram(t, place)
  const { url: broker, exchange } = place
  const options = { broker, exchange, source: '/killed' }
  const publisher = startProgram<{ confirmed: number }>(t, 'publisher', options)
  await publisher.until('confirmed some', ({ confirmed }) => confirmed > 2_000)
  await publisher.kill()
  const confirmed = publisher.report!.confirmed
  const { cursor } = await untilLevel(place)
  assert.ok(cursor >= confirmed, `${confirmed} were confirmed, ${cursor} are recorded`)
  // What was in flight may have arrived or not, but nothing behind a hole.
  const ids = Array.from({ length: cursor }, (_, index) => `/killed-${index + 1}`)
  assert.deepEqual(compare(readEffects(place.store(consumer)), new Map([['/killed', ids]])), flawless)
})

test('a broker killed in mid-flow and started again on its data loses nothing that it confirmed', async (t) => {
  const broker = await ownBroker(t)
  const place = await newExchange(t, { url: broker.url })
  startProgram<RecorderStatus>(t, 'recorder', recorderOptions(place))
  const production = startConsumerProgram(t, place)
  const flow = startFlow(place)
  // Its queue must be older than two seconds: RabbitMQ writes down after up to one second that a quorum
  // queue is there, and one that is killed before starts again without it and what it held.
  await production.until('has been live for a while', ({ live }) => live > 5_000)
  await broker.kill()
  const atKill = flow.confirmed
  await broker.start()
  await until('the flow goes on', () => flow.confirmed > atKill + 1_000)
  await assertEqualInTheEnd(place, flow)
})

test('connections cut in mid-flow, again and again, cost nothing', async (t) => {
  const place = await newExchange(t, { consumers: [consumer] })
  const proxy = await startProxy(t, place.url)
  const proxied = { ...place, url: proxy.url }
  await using recorder = startRecorder(recorderOptions(proxied))
  const production = startConsumerProgram(t, proxied)
  const flow = startFlow(proxied)
  await production.until('has live events', ({ live }) => live > 100)
  for (let cut = 1; cut <= 3; cut++) {
    const { confirmed } = flow
    await until('the flow goes on', () => flow.confirmed > confirmed + 200)
    await sleep(untilFaultMs * Math.random())
    proxy.cut()
  }
  await assertEqualInTheEnd(place, flow)
  assert.ok(recorder.status.reconnects > 0)
})

test('a channel that is closing when its connection is cut is closed', async (t) => {
  const { url } = await newExchange(t)
  const proxy = await startProxy(t, url)
  const broker = connectBroker({ url: proxy.url })
  t.after(() => broker.close())
  const channel = await broker.openChannel()
  const closed = channel.close()
  proxy.cut()
  await closed
  assert.equal(channel.isOpen, false)
})

test('a channel that is closing, as one does whose queue was deleted, takes acknowledgements and drops them', async (t) => {
  const { url } = await newExchange(t)
  const broker = connectBroker({ url })
  t.after(() => broker.close())
  const channel = await broker.openChannel()
  const { queue } = await channel.raw.assertQueue('', { exclusive: true })
  channel.raw.sendToQueue(queue, Buffer.from('one'))
  const deliveryTag = await new Promise<number>((resolve, reject) => {
    const onDelivery = (delivery: Delivery) => resolve(delivery.deliveryTag)
    channel.consume(queue, { prefetch: 1, onDelivery }).catch(reject)
  })
  const closed = channel.close()
  assert.equal(channel.isOpen, false)
  channel.ackUpTo(deliveryTag)
  await closed
})

for (const fault of ['cut', 'silence'] as const) {
  test(`a connection that meets ${fault} while it closes is closed`, async (t) => {
    const { url } = await newExchange(t)
    const proxy = await startProxy(t, url)
    const broker = connectBroker({ url: proxy.url })
    await broker.connected()
    proxy[fault]()
    await broker.close()
    await assert.rejects(broker.connected(), { code: 'BROKER_CLOSED' })
  })
}

test('connections that go silent without an end are given up, and cost nothing', async (t) => {
  const place = await newExchange(t, { consumers: [consumer] })
  const { exchange, history, store } = place
  const proxy = await startProxy(t, place.url)
  const broker = connectBroker({ url: proxy.url, heartbeatSeconds: 1, reconnectMs: 100 })
  t.after(() => broker.close())
  await using _recorder = startRecorder({ broker, exchange, history })
  await using production = await startConsumer(effectsConsumer(consumer, exchange), {
    broker,
    history,
    store: store(consumer),
    settleMs: 10,
  })
  await using publisher = openPublisher({ broker, exchange, source: '/silent' })
  const ids = Array.from({ length: 300 }, (_, index) => `${index}`)
  const publish = (from: number, to: number) =>
    Promise.all(ids.slice(from, to).map((id) => publisher.publish({ type: 'order.placed', id })))
  await publish(0, 100)
  await production.caughtUp()
  proxy.silence()
  await publish(100, 300)
  assert.equal(broker.reconnects, 1)
  await until('all applied', () => production.status.cursor === 300)
  await production.close()
  assert.deepEqual(compare(readEffects(store(consumer)), new Map([['/silent', ids]])), flawless)
  assert.ok((await certificateOf(place)).level)
})

test('a consumer whose queue is deleted in mid-flow gets what was in it from the history', async (t) => {
  const place = await newExchange(t, { consumers: [consumer] })
  await using _recorder = startRecorder(recorderOptions(place))
  const production = startConsumerProgram(t, place)
  const flow = startFlow(place)
  for (let deletion = 1; deletion <= 2; deletion++) {
    const live = production.report?.live ?? 0
    await production.until(`live before deletion ${deletion}`, (report) => report.live > live + 200)
    await deleteQueue(place.url, consumerQueueOf(place.exchange, consumer))
  }
  await assertEqualInTheEnd(place, flow)
})

test('a deleted history queue takes what was in it: the certificate says so, publishing it again mends it', async (t) => {
  const place = await newExchange(t, { consumers: [consumer] })
  const { url: broker, exchange } = place
  const recorder = startProgram<RecorderStatus>(t, 'recorder', recorderOptions(place))
  const production = startConsumerProgram(t, place)
  await using publisher = openPublisher({ broker, exchange, source: '/sales' })
  const publish = (from: number, to: number) =>
    Promise.all(
      Array.from({ length: to - from + 1 }, (_, index) =>
        publisher.publish({ type: 'order.placed', id: String(from + index) }),
      ),
    )
  await publish(1, 100)
  // Live: a replay that still waits for its fence would lose that with the queue, and have the rest first.
  await production.until('applied all, live', ({ cursor, phase }) => cursor === 100 && phase === 'live')
  // With the recorder dead the queue keeps what comes; deleted, it takes that with it.
  await recorder.kill()
  await publish(101, 150)
  await deleteQueue(broker, historyQueueOf(exchange))
  await publish(151, 160)
  const next = startProgram<RecorderStatus>(t, 'recorder', recorderOptions(place))
  await next.until('recording', ({ state }) => state === 'recording')
  await publish(161, 200)
  await production.until('applied what it got', ({ applied, cursor }) => applied === 200 && cursor === 140)
  const { head, beyond, complete, level } = await certificateOf(place)
  // What was recorded stays, and what came after the recorder was back is there: positions without a hole.
  assert.deepEqual({ head, beyond, complete, level }, { head: 140, beyond: 60, complete: true, level: false })
  await publish(101, 160)
  await untilLevel(place)
  const ids = Array.from({ length: 200 }, (_, index) => String(index + 1))
  assert.deepEqual(compare(readEffects(place.store(consumer)), new Map([['/sales', ids]])), flawless)
})

function recorderOptions({ url, exchange, history }: TestExchange) {
  return { broker: url, exchange, history }
}

function startConsumerProgram(
  t: TestContext,
  { url, exchange, history, store }: TestExchange,
  options: { replayBatch?: number } = {},
): Program<ConsumerReport> {
  const places = { broker: url, history, store: store(consumer) }
  return startProgram(t, 'consumer', { name: consumer, exchange, settleMs: 10, ...places, ...options })
}

async function assertEqualInTheEnd(place: TestExchange, flow: Flow): Promise<void> {
  const published = await flow.stop()
  const total = [...published.values()].reduce((sum, ids) => sum + ids.length, 0)
  await untilLevel(place, total)
  assert.deepEqual(compare(readEffects(place.store(consumer)), published), flawless)
  assert.deepEqual(compare(await recorded(place), published), flawless)
}

/** Waits for an equal certificate, from the files alone, as another process sees them. */
async function untilLevel(place: TestExchange, head?: number): Promise<Certificate> {
  let certificate = await certificateOf(place)
  await until(`an equal certificate at ${head}`, async () => {
    certificate = await certificateOf(place)
    return certificate.level && (head === undefined || certificate.head >= head)
  })
  return certificate
}

async function certificateOf({ exchange, history, store }: TestExchange): Promise<Certificate> {
  const reader = openHistory({ history, exchange })
  try {
    const [stored] = await readSqliteStore(store(consumer))
    assert.ok(stored)
    const { state, waiting, counts } = stored
    return await certify({ consumer, exchange, state, waiting, counts }, reader)
  } finally {
    await reader.close()
  }
}

async function recorded({ exchange, history }: TestExchange) {
  const reader = openHistory({ history, exchange })
  try {
    return await reader.identities({ after: 0, limit: 1_000_000 })
  } finally {
    await reader.close()
  }
}

async function deleteQueue(url: string, queue: string): Promise<void> {
  const broker = connectBroker({ url })
  try {
    await (await broker.openChannel()).raw.deleteQueue(queue)
  } finally {
    await broker.close()
  }
}
