/**
 * Two processes of one consumer on one PostgreSQL store: whatever ends or freezes the one that works, the
 * other takes over, and every event has taken effect once, in its source's order.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import {
  type Certificate,
  type ConsumerStatus,
  certify,
  openHistory,
  readStore,
  startConsumer,
  startRecorder,
} from '../index.ts'
import { compare, flawless } from './fixtures/effects.ts'
import { newExchange, type TestExchange } from './fixtures/exchange.ts'
import { type Flow, startFlow } from './fixtures/flow.ts'
import { ownPostgres, testPostgres } from './fixtures/postgres.ts'
import { postgresEffectsConsumer, readPostgresEffects } from './fixtures/postgres-effects.ts'
import { type Program, startProgram } from './fixtures/program.ts'
import { until } from './fixtures/until.ts'

const consumer = 'production'
const perSecond = 300
/** The lease holds for 5 s, and half a second may pass until the standby looks. */
const takeoverMs = 8_000

interface Place extends TestExchange {
  readonly database: string
}

test('of two processes one works; when it is killed the other takes over within seconds', async (t) => {
  const place = await newPlace(t, await testPostgres(t))
  const flow = startFlow({ ...place, perSecond })
  const first = startInstance(t, place)
  await first.until('applies live events', ({ live }) => live > 100)
  const second = startInstance(t, place)
  await second.until('stands by', ({ waitingFor }) => waitingFor === 'store')
  await first.kill()
  const killedAt = performance.now()
  await second.until('applies live events', ({ phase, live }) => phase === 'live' && live > 0)
  assert.ok(performance.now() - killedAt < takeoverMs)
  await assertEqualInTheEnd(place, flow, [first.pid, second.pid])
})

test('when the working process is stopped in order, the other goes on at once', async (t) => {
  const place = await newPlace(t, await testPostgres(t))
  const flow = startFlow({ ...place, perSecond })
  const first = startInstance(t, place)
  await first.until('applies live events', ({ live }) => live > 100)
  const second = startInstance(t, place)
  await second.until('stands by', ({ waitingFor }) => waitingFor === 'store')
  assert.equal(await first.stop(), 0)
  const stoppedAt = performance.now()
  await second.until('is live', ({ phase }) => phase === 'live')
  assert.ok(performance.now() - stoppedAt < 3_000)
  await assertEqualInTheEnd(place, flow, [first.pid, second.pid])
})

test('a process that is frozen past its lease and wakes up again writes nothing more, and stands by', async (t) => {
  const place = await newPlace(t, await testPostgres(t))
  const flow = startFlow({ ...place, perSecond })
  const first = startInstance(t, place)
  await first.until('applies live events', ({ live }) => live > 100)
  const second = startInstance(t, place)
  await second.until('stands by', ({ waitingFor }) => waitingFor === 'store')
  first.signal('SIGSTOP')
  await second.until('takes over', ({ waitingFor, cursor }) => waitingFor !== 'store' && cursor > 0)
  first.signal('SIGCONT')
  await first.until('stands by', ({ waitingFor }) => waitingFor === 'store')
  await assertEqualInTheEnd(place, flow, [first.pid, second.pid])
  assert.equal(first.hasEnded, false)
})

test('PostgreSQL killed in mid-flow and started again costs nothing', async (t) => {
  const server = await ownPostgres(t)
  const place = await newPlace(t, server.url)
  const flow = startFlow({ ...place, perSecond })
  const instance = startInstance(t, place)
  for (let kill = 1; kill <= 2; kill += 1) {
    const { live } = await instance.until('applies live events', (status) => status.phase === 'live')
    await instance.until('applies more', (status) => status.live > live + 100)
    await server.kill()
    await server.start()
  }
  await assertEqualInTheEnd(place, flow, [instance.pid])
  assert.equal(instance.hasEnded, false)
})

test('a new consumer replays a history into PostgreSQL and is level', async (t) => {
  const place = await newPlace(t, await testPostgres(t))
  const flow = startFlow(place)
  await until('some history', () => flow.confirmed > 2_000)
  await flow.stop()
  const { url: broker, history, database: store, exchange } = place
  const options = { broker, history, store, settleMs: 0, auditMs: 10 }
  await using replaying = await startConsumer(postgresEffectsConsumer(consumer, exchange), options)
  await replaying.caughtUp()
  assert.ok((await replaying.certificate()).complete)
  assert.ok(replaying.status.replayed >= 2_000)
  await assertEqualInTheEnd(place, flow, [process.pid])
})

/** An exchange with its recorder, and a database for the consumer's store. */
async function newPlace(t: TestContext, database: string): Promise<Place> {
  const place = await newExchange(t, { consumers: [consumer] })
  const { url: broker, exchange, history } = place
  const recorder = startRecorder({ broker, exchange, history })
  t.after(() => recorder.close())
  return { ...place, database }
}

function startInstance(
  t: TestContext,
  { url: broker, exchange, history, database: store }: Place,
): Program<ConsumerStatus> {
  const options = { broker, exchange, history, store, settleMs: 0, auditMs: 10 }
  return startProgram(t, 'postgres-consumer', { name: consumer, ...options })
}

/** @param writers - Process numbers in the order in which they had the store; none comes back. */
async function assertEqualInTheEnd(place: Place, flow: Flow, writers: readonly number[]): Promise<void> {
  const published = await flow.stop()
  const count = [...published.values()].reduce((sum, ids) => sum + ids.length, 0)
  let certificate: Certificate | undefined
  await until(`a level certificate at ${count}`, async () => {
    certificate = await certificateOf(place)
    return certificate?.head === count && certificate.level
  })
  const effects = await readPostgresEffects(place.database)
  assert.deepEqual(compare(effects, published), flawless)
  const turns = effects
    .map(({ writer }) => writer)
    .filter((writer, index, all) => index === 0 || writer !== all[index - 1])
  assert.deepEqual(turns, writers)
}

/** From outside, as it is now. */
async function certificateOf({ exchange, history, database }: Place): Promise<Certificate | undefined> {
  const [stored] = await readStore(database)
  if (stored === undefined) return undefined
  const reader = openHistory({ path: history, exchange })
  try {
    return await certify({ ...stored, consumer }, reader)
  } finally {
    await reader.close()
  }
}
