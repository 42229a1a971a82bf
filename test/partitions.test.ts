/**
 * An exchange that is parted: each subject in one partition, in order; and another number of partitions is
 * refused by everyone who knows the first. What is killed is in test/long.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import {
  auditPartitions,
  type ConsumerAudit,
  openHistory,
  openPublisher,
  type Recorder,
  rebuildConsumer,
  startConsumer,
  startRecorder,
} from '../index.ts'
import { runCli } from '../scripts/cli/run-cli.fixture.ts'
import { effectsConsumer, readEffects } from './fixtures/effects.ts'
import { newExchange } from './fixtures/exchange.ts'
import { startFlow } from './fixtures/flow.ts'
import { forgetEvent } from './fixtures/forget-event.ts'
import {
  assertPartitionsEqualInTheEnd,
  assertSubjectsApart,
  consumer,
  newPartitionedExchange,
  type PartitionedExchange,
} from './fixtures/partitioned.ts'
import { until } from './fixtures/until.ts'

test('every event takes effect once, each subject in order and in one partition; the certificate is the sum of theirs', async (t) => {
  const place = await recorded(t, { partitions: 3 })
  const flow = startFlow({ ...place, perSecond: 600 })
  await until('some history', () => flow.confirmed > 300)
  const { url: broker, history, exchange } = place
  const store = place.store(consumer)
  await using running = await startConsumer(
    { ...effectsConsumer(consumer, exchange), partitions: 3 },
    { broker, history, store, settleMs: 0, auditMs: 10 },
  )
  await running.caughtUp()
  assert.equal(running.status.phase, 'live')
  await until('live events', () => running.status.live > 100)
  await assertPartitionsEqualInTheEnd(place, { flow, store, effects: async () => readEffects(store) })
  await assertSubjectsApart(place)
  const { applied, level, partitions = [], ...whole } = await running.certificate()
  assert.equal(level, true)
  assert.equal(applied, flow.confirmed)
  assert.deepEqual(
    partitions.map((one) => one.consumer),
    ['production-1', 'production-2', 'production-3'],
  )
  assert.equal(whole.checksum, whole.history.checksum)
})

test('events without a subject stay together, and one with a routing key goes by that', async (t) => {
  const { url: broker, exchange, exchanges, historyOf } = await recorded(t, { partitions: 3 })
  await using publisher = openPublisher({ broker, exchange, partitions: 3, source: '/shop' })
  for (const n of [1, 2, 3, 4, 5]) {
    await publisher.publish({ type: 'opened', data: n })
    await publisher.publish({ type: 'keyed', subject: String(n), routingKey: 'together', data: n })
  }
  const counts = async (type: string) => {
    const found = []
    for (const [index, name] of exchanges.entries()) {
      await using reader = openHistory({ history: historyOf(index + 1), exchange: name })
      found.push((await reader.read({ after: 0 })).filter((event) => event.type === type).length)
    }
    return found.toSorted().at(-1)
  }
  await until('all are recorded', async () => (await counts('opened')) === 5 && (await counts('keyed')) === 5)
})

test('an audit of all partitions takes no number of another one for a hole, and names the one event that was removed', async (t) => {
  const { url: broker, exchange, exchanges, historyOf, folder } = await recorded(t, { partitions: 3 })
  await using publisher = openPublisher({ broker, exchange, partitions: 3, source: '/shop' })
  const published = Array.from({ length: 300 }, (_one, n) =>
    publisher.publish({ type: 'placed', subject: String(n % 30), id: `e${n + 1}` }),
  )
  await Promise.all(published)
  const readers = exchanges.map((name, index) =>
    openHistory({ history: historyOf(index + 1), exchange: name }),
  )
  t.after(() => Promise.all(readers.map((reader) => reader.close())))
  const heads = async () => (await Promise.all(readers.map((one) => one.bounds()))).map(({ head }) => head)
  await until('all are recorded', async () => (await heads()).reduce((sum, head) => sum + head) === 300)
  const before = await auditPartitions(readers)
  assert.equal(before.clean, true)
  const one = ['audit', exchanges[0]!, '--history', historyOf(1)]
  const { stderr } = await runCli(one, { cwd: folder })
  assert.match(stderr, new RegExp(`backstory audit ${exchange} --partitions 3 takes them together`))
  const victim = (await readers[1]!.read({ after: 40, limit: 1 }))[0]!
  const database = new Database(historyOf(2))
  database.prepare('DELETE FROM events WHERE position = ?').run(victim.position)
  database.close()
  const { clean, holes, partitions } = await auditPartitions(readers)
  const number = Number(victim.id.slice(1))
  assert.equal(clean, false)
  assert.deepEqual(
    holes.listed.map(({ source, from, to }) => ({ source, from, to })),
    [{ source: '/shop', from: number, to: number }],
  )
  assert.deepEqual(
    partitions.map(({ removed }) => removed.listed.map(({ from, to }) => [from, to])),
    [[], [[victim.position, victim.position]], []],
  )
})

test('another number of partitions is refused by the broker, by a history and by a store, each naming both', async (t) => {
  const { url: broker, exchange, history, historyOf, store } = await recorded(t, { partitions: 3 })
  const other = startRecorder({ broker, exchange: `${exchange}.4of4`, history: `${history}.4` })
  await assert.rejects(other.started(), {
    code: 'BROKER_TOPOLOGY_MISMATCH',
    message: /has 3 partitions, and 4 are asked for/,
  })
  await using publisher = openPublisher({ broker, exchange, partitions: 2, source: '/shop' })
  await assert.rejects(publisher.publish({ type: 'placed' }), { code: 'BROKER_TOPOLOGY_MISMATCH' })
  const reader = openHistory({ history: historyOf(1), exchange: `${exchange}.1of2` })
  await assert.rejects(reader.bounds(), { code: 'HISTORY_FOREIGN', message: /\.1of3.*\.1of2|\.1of2.*\.1of3/ })
  await reader.close()
  const start = (partitions: number | undefined) =>
    startConsumer(
      { ...effectsConsumer(consumer, exchange), partitions },
      { broker, history, store: store(consumer), settleMs: 0 },
    )
  await (await start(3)).close()
  await assert.rejects(start(2), { code: 'CONSUMER_STORE_FOREIGN', message: /\.1of3, not of .*\.1of2/ })
})

test('a store that has the consumer without partitions, and an exchange that is recorded whole, are not parted', async (t) => {
  const place = await newExchange(t, { consumers: [consumer] })
  const { url: broker, exchange, history } = place
  await using whole = startRecorder({ broker, exchange, history })
  await whole.started()
  const definition = effectsConsumer(consumer, exchange)
  const options = { broker, history, store: place.store(consumer), settleMs: 0 }
  const running = await startConsumer(definition, options)
  await running.caughtUp()
  await running.close()
  await assert.rejects(startConsumer({ ...definition, partitions: 2 }, options), {
    code: 'CONSUMER_STORE_FOREIGN',
    message: /without partitions/,
  })
  const recorder = startRecorder({ broker, exchange: `${exchange}.1of2`, history: `${history}.1` })
  await assert.rejects(recorder.started(), {
    code: 'BROKER_TOPOLOGY_MISMATCH',
    message: /recorded whole/,
  })
})

test('an audit of a consumer names what each partition has missed, and after a repair only that is applied', async (t) => {
  const place = await recorded(t, { partitions: 2 })
  const { url: broker, exchange, exchanges, history, historyOf, folder: cwd } = place
  const store = place.store(consumer)
  writeFileSync(
    join(cwd, 'production.ts'),
    `import { defineConsumer } from '${new URL('../index.ts', import.meta.url)}'
    export default defineConsumer({
      name: '${consumer}',
      exchange: '${exchange}',
      partitions: 2,
      prepare: (database) => database.exec('CREATE TABLE IF NOT EXISTS done (id TEXT)') && database,
      on: { '*': ({ id }, { tx }) => void tx.prepare('INSERT INTO done VALUES (?)').run(id) },
    })`,
  )
  await using publisher = openPublisher({ broker, exchange, partitions: 2, source: '/shop' })
  await Promise.all(
    Array.from({ length: 40 }, (_one, n) =>
      publisher.publish({ type: 'placed', subject: String(n), id: `e${n}` }),
    ),
  )
  const { default: definition } = await import(join(cwd, 'production.ts'))
  const run = async () => {
    await using running = await startConsumer(definition, {
      broker,
      history,
      store,
      settleMs: 0,
      auditMs: 10,
    })
    await until('it is at the heads', () => running.status.phase === 'live' && running.status.cursor === 40)
  }
  const audited = async (...more: readonly string[]) => {
    const line = ['--consumer', 'production.ts', '--history', 'history.db', '--json', ...more]
    const { code, stdout, stderr } = await runCli(['audit', ...line], { cwd })
    assert.ok(code < 2, stderr)
    return { code, audit: JSON.parse(stdout) as ConsumerAudit & { partitions: ConsumerAudit[] } }
  }
  const missing = ({ partitions }: { partitions: ConsumerAudit[] }) =>
    partitions.map((one) => [one.certificate.consumer, one.missing.events.map(({ id }) => id)])

  await run()
  const clean = await audited()
  assert.equal(clean.code, 0)
  assert.deepEqual(missing(clean.audit), [
    ['production-1', []],
    ['production-2', []],
  ])
  await using reader = openHistory({ history: historyOf(2), exchange: exchanges[1]! })
  const { source, id, position } = (await reader.at(3))!
  forgetEvent(store, { consumer: 'production-2', source, id, position })
  const first = await audited(exchanges[0]!)
  assert.equal(first.code, 0, 'the first partition alone')
  const found = await audited('--repair')
  assert.equal(found.code, 1)
  assert.deepEqual(missing(found.audit), [
    ['production-1', []],
    ['production-2', [id]],
  ])
  await run()
  assert.equal((await audited()).code, 0)
  const database = new Database(store, { readonly: true })
  const twice = database.prepare('SELECT id FROM done GROUP BY id HAVING count(*) > 1').pluck().all()
  database.close()
  assert.deepEqual(twice, [id], 'its effect was left where it was')
  await assert.rejects(rebuildConsumer(definition, { store, history }), {
    code: 'CONSUMER_REBUILD_UNSUPPORTED',
    message: /has partitions/,
  })
})

async function recorded(
  t: TestContext,
  { partitions }: { partitions: number },
): Promise<PartitionedExchange> {
  const place = await newPartitionedExchange(t, { partitions })
  const recorders: Recorder[] = place.exchanges.map((exchange, index) =>
    startRecorder({ broker: place.url, exchange, history: place.historyOf(index + 1) }),
  )
  t.after(() => Promise.all(recorders.map((recorder) => recorder.close())))
  await Promise.all(recorders.map((recorder) => recorder.started()))
  return place
}
