/**
 * Two processes of one consumer on one PostgreSQL store, and the store's server: whatever of them is killed,
 * every event has taken effect once, in its source's order. What takes longer is in test/long.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startConsumer } from '../index.ts'
import { startFlow } from './fixtures/flow.ts'
import { ownPostgres, testPostgres } from './fixtures/postgres.ts'
import { postgresEffectsConsumer } from './fixtures/postgres-effects.ts'
import { assertEqualInTheEnd, consumer, newPlace, startInstance } from './fixtures/postgres-instances.ts'
import { until } from './fixtures/until.ts'

const perSecond = 300
/** The lease holds for 5 s, and half a second may pass until the standby looks. */
const takeoverMs = 8_000

test('of two processes one works; when it is killed the other takes over within seconds', async (t) => {
  const place = await newPlace(t, await testPostgres(t))
  const flow = startFlow({ ...place, perSecond })
  const first = startInstance(t, place)
  await first.until('applies live events', ({ live }) => live > 100)
  const second = startInstance(t, place)
  await second.until('stands by', ({ waitingFor }) => waitingFor === 'store')
  await first.kill()
  const killedAt = performance.now()
  await second.until('has the store', ({ waitingFor }) => waitingFor !== 'store')
  assert.ok(performance.now() - killedAt < takeoverMs)
  await assertEqualInTheEnd(place, flow, [first.pid, second.pid])
})

test('PostgreSQL killed in mid-flow and started again costs nothing', async (t) => {
  const server = await ownPostgres(t)
  const place = await newPlace(t, server.url)
  const flow = startFlow({ ...place, perSecond })
  const instance = startInstance(t, place)
  await instance.until('applies live events', ({ live }) => live > 100)
  await server.kill()
  await server.start()
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
