/**
 * Two processes of one consumer on one PostgreSQL store, and the store's server: whatever of them is killed,
 * every event has taken effect once, in its source's order. What takes longer is in test/long.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openPostgres } from '../../history/index.ts'
import {
  type CloudEvent,
  defineConsumer,
  defineEvents,
  eventType,
  type HandlerContext,
  openParkedEvents,
  openPublisher,
  type PostgresClient,
  redriveParked,
  sendQuery,
  startConsumer,
} from '../../index.ts'
import { startFlow } from '../fixtures/flow.ts'
import { ownPostgres, testPostgres } from '../fixtures/postgres.ts'
import { postgresEffectsConsumer } from '../fixtures/postgres-effects.ts'
import { assertEqualInTheEnd, consumer, newPlace, startInstance } from '../fixtures/postgres-instances.ts'
import { until } from '../fixtures/until.ts'

const perSecond = 150
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

test('what fails in PostgreSQL is parked with its subject, retried by itself, and reacts after its commit', async (t) => {
  const place = await newPlace(t, await testPostgres(t))
  const { url: broker, exchange, history, database: store } = place
  let isBroken = true
  const reacted: string[] = []
  const events = defineEvents({ awaited: eventType<unknown>(), sent: eventType<unknown>() })
  const definition = defineConsumer({
    name: consumer,
    exchange,
    events,
    retry: { attempts: 2, backoffMs: 1 },
    parking: { retryAfterMs: [20] },
    async prepare(database: PostgresClient) {
      await database.query('CREATE TABLE IF NOT EXISTS orders (number serial, id text UNIQUE)')
      return database
    },
    on: {
      awaited: {
        async apply({ id }: CloudEvent, { tx }: HandlerContext<PostgresClient>) {
          await tx.query('INSERT INTO orders (id) VALUES ($1)', [id])
          if (isBroken) await tx.query('SELECT 1 / 0')
        },
        react({ id }) {
          reacted.push(id)
        },
      },
      sent: ({ subject }, { tx }) =>
        sendQuery(tx, { text: 'INSERT INTO orders (id) VALUES ($1)', values: [subject] }),
    },
  })
  await using publisher = openPublisher({ broker, exchange, source: '/sales' })
  await using failing = await startConsumer(definition, { broker, history, store, settleMs: 0, auditMs: 10 })
  await failing.caughtUp()
  const publish = (type: string, id: string, subject: string) => publisher.publish({ type, id, subject })
  await Promise.all([
    publish('awaited', '1', 'a'),
    publish('sent', '2', 'b'),
    publish('sent', '3', 'b'),
    publish('awaited', '4', 'a'),
    publish('sent', '5', 'c'),
  ])
  await until('the second of b, and all of a, are parked', () => failing.status.parked === 3)
  assert.deepEqual(await orders(store), ['b', 'c'])
  isBroken = false
  await until('a is applied', () => failing.status.parked === 1)
  await until('a has reacted', () => reacted.length === 2)
  assert.deepEqual(await orders(store), ['b', 'c', '1', '4'])
  assert.deepEqual(reacted, ['1', '4'])
  await until('the audit has passed', () => failing.status.lag === 0)
  const { complete, level } = await failing.certificate()
  assert.deepEqual({ complete, level }, { complete: true, level: false })

  await using parked = await openParkedEvents({ store })
  const [last, ...others] = await parked.list()
  assert.deepEqual([last!.id, others.length], ['3', 0])
  await parked.edit(last!.number, { data: 'edited' })
  const mark = await parked.discard({ number: last!.number }, { reason: 'sold twice' })
  assert.equal(mark.events, 1)
  await until('the running consumer has heard of it', () => failing.status.parked === 0)
  assert.equal((await failing.certificate()).level, true)
  await assert.rejects(redriveParked(definition, { store }), { code: 'CONSUMER_LOCKED' })
})

async function orders(store: string): Promise<string[]> {
  const client = await openPostgres(store, { name: 'test' })
  const { rows } = await client.query<{ id: string }>('SELECT id FROM orders ORDER BY number')
  await client.end()
  return rows.map(({ id }) => id)
}
