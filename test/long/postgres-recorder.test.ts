/**
 * Recorders into PostgreSQL: one writes, the others stand by, and whatever is killed or cut, each event is
 * recorded once, in its source's order, and consumers are level with that.
 */
import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { openPostgres } from '../../history/index.ts'
import { type Logger, openHistory, type RecorderStatus, startConsumer, startRecorder } from '../../index.ts'
import { compare, effectsConsumer, flawless, readEffects } from '../fixtures/effects.ts'
import { newExchange, type TestExchange } from '../fixtures/exchange.ts'
import { type Flow, startFlow } from '../fixtures/flow.ts'
import { testPostgres } from '../fixtures/postgres.ts'
import { postgresEffectsConsumer, readPostgresEffects } from '../fixtures/postgres-effects.ts'
import { startProgram } from '../fixtures/program.ts'
import { startProxy } from '../fixtures/proxy.ts'
import { until } from '../fixtures/until.ts'

/** One for the file: to make one takes half a second. */
const database = testPostgres({ after })
const perSecond = 150
/** A standby looks every second. */
const takeoverMs = 15_000

test('of two recorders one writes; when it is killed the other takes over within seconds', async (t) => {
  const place = await newPlace(t)
  const flow = startFlow({ ...place, perSecond })
  const first = startProgram<RecorderStatus>(t, 'recorder', optionsOf(place))
  await first.until('records', ({ recorded }) => recorded > 50)
  const second = startProgram<RecorderStatus>(t, 'recorder', { ...optionsOf(place), standby: true })
  await second.until('stands by', ({ state }) => state === 'standby')
  await first.kill()
  const killedAt = performance.now()
  await second.until('records', ({ recorded }) => recorded > 0)
  assert.ok(performance.now() - killedAt < takeoverMs)
  await assertRecordedOnce(place, flow)
  for (const line of [...first.errors, ...second.errors]) {
    assert.ok(!line.includes(new URL(place.history).password), line)
  }
})

test('a recorder whose connection is ended in the middle of a batch goes on where it was', async (t) => {
  const place = await newPlace(t)
  const lines: string[] = []
  await using recorder = startRecorder({ ...optionsOf(place), logger: loggerTo(lines) })
  await recorder.started()
  const flow = startFlow({ ...place, perSecond })
  for (let times = 1; times <= 3; times++) {
    const { recorded } = recorder.status
    await until('it records', () => recorder.status.recorded > recorded + 50)
    await terminateRecorders(place)
  }
  await assertRecordedOnce(place, flow)
  assert.equal(recorder.status.state, 'recording')
  assert.ok(!lines.join('\n').includes(new URL(place.history).password))
})

test('a recorder that has lost its database to another gives way, and its queue goes along', async (t) => {
  const place = await newPlace(t)
  const proxy = await startProxy(t, place.history)
  await using first = startRecorder({ ...optionsOf(place), history: proxy.url, standby: true })
  await first.started()
  await using second = startRecorder({ ...optionsOf(place), standby: true })
  await until('the second stands by', () => second.status.state === 'standby')
  const flow = startFlow({ ...place, perSecond })
  await until('the first records', () => first.status.recorded > 50)
  proxy.refuse()
  await until('the second has the history', () => second.status.state === 'recording')
  await until('the first holds what it has', () => first.status.state === 'holding')
  proxy.accept()
  await until('the first stands by', () => first.status.state === 'standby')
  await until('the second records', () => second.status.recorded > 50)
  await second.close()
  await until('the first records again', () => first.status.state === 'recording')
  await assertRecordedOnce(place, flow)
})

test('consumers bootstrap from a history in PostgreSQL and go live, into SQLite and into that database', async (t) => {
  const consumers = ['shipping', 'production'] as const
  const place = await newPlace(t, consumers)
  const { url: broker, exchange, history } = place
  await using recorder = startRecorder(optionsOf(place))
  await recorder.started()
  const flow = startFlow({ ...place, perSecond: 30 })
  await until('some history', () => recorder.status.recorded > 30)
  const options = { broker, history, settleMs: 0, auditMs: 10 }
  await using shipping = await startConsumer(effectsConsumer('shipping', exchange), {
    ...options,
    store: place.store('shipping'),
  })
  await using production = await startConsumer(postgresEffectsConsumer('production', exchange), {
    ...options,
    store: history,
  })
  await Promise.all([shipping.caughtUp(), production.caughtUp()])
  const { confirmed } = flow
  await until('some live', () => flow.confirmed > confirmed + 20)
  const published = await flow.stop()
  const count = [...published.values()].reduce((sum, ids) => sum + ids.length, 0)
  for (const consumer of [shipping, production]) {
    await until('level', async () => {
      const { head, level } = await consumer.certificate()
      return head === count && level
    })
    assert.ok(consumer.status.replayed > 0 && consumer.status.live > 0)
  }
  assert.deepEqual(compare(readEffects(place.store('shipping')), published), flawless)
  assert.deepEqual(compare(await readPostgresEffects(history), published), flawless)
})

async function newPlace(t: TestContext, consumers: readonly string[] = []): Promise<TestExchange> {
  return { ...(await newExchange(t, { consumers })), history: await database }
}

function optionsOf({ url: broker, exchange, history }: TestExchange) {
  return { broker, exchange, history }
}

async function assertRecordedOnce({ history, exchange }: TestExchange, flow: Flow): Promise<void> {
  const published = await flow.stop()
  const count = [...published.values()].reduce((sum, ids) => sum + ids.length, 0)
  await using reader = openHistory({ history, exchange })
  await until(`${count} events are recorded`, async () => (await reader.bounds()).head >= count)
  // It throws where a position is missing.
  assert.deepEqual(compare(await reader.identities({ after: 0, limit: 100_000 }), published), flawless)
}

async function terminateRecorders({ history, exchange }: TestExchange): Promise<void> {
  const client = await openPostgres(history, { name: 'backstory test' })
  await client.query(
    'SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = $1',
    [`backstory recorder of ${exchange}`],
  )
  await client.end()
}

function loggerTo(lines: string[]): Logger {
  const log = (event: string, fields?: object) => void lines.push(`${event} ${JSON.stringify(fields)}`)
  return { debug: log, info: log, warn: log, error: log }
}
