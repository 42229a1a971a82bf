/** The audit of what real publishers and a real recorder leave behind. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import {
  auditHistory,
  type HistoryAudit,
  historyQueueOf,
  openHistory,
  openPublisher,
  type Publisher,
  startConsumer,
  startRecorder,
} from '../index.ts'
import { runCli } from '../scripts/cli/run-cli.fixture.ts'
import { compare, effectsConsumer, flawless, readEffects } from './fixtures/effects.ts'
import { newExchange, type TestExchange } from './fixtures/exchange.ts'
import { forgetEvent } from './fixtures/forget-event.ts'
import { plainChannel, plainPublish } from './fixtures/plain.ts'
import { startProgram } from './fixtures/program.ts'
import { startProxy } from './fixtures/proxy.ts'
import { until } from './fixtures/until.ts'

const source = '/sales'
const ids = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => String(from + at))

async function publish(publisher: Publisher, wanted: readonly string[]): Promise<void> {
  await Promise.all(wanted.map((id) => publisher.publish({ type: 'order.placed', id, data: { id } })))
}

/** Records all that was published, to the head that this makes. */
async function record({ url: broker, exchange, history }: TestExchange, head: number): Promise<void> {
  await using recorder = startRecorder({ broker, exchange, history })
  await until(`a head of ${head}`, () => recorder.status.head === head)
}

async function audit({ history }: TestExchange): Promise<HistoryAudit> {
  await using reader = openHistory({ history })
  return await auditHistory(reader)
}

function tamper({ history }: TestExchange, sql: string): void {
  const database = new Database(history)
  database.exec(sql)
  database.close()
}

test('publishers that start again, a cut connection and a killed recorder leave no finding', async (t) => {
  const place = await newExchange(t)
  const { url, exchange, history } = place
  const proxy = await startProxy(t, url)
  const recorder = startProgram<{ head: number }>(t, 'recorder', { broker: url, exchange, history })
  for (const from of [1, 2_001]) {
    await using publisher = openPublisher({ broker: proxy.url, exchange, source })
    const some = publish(publisher, ids(from, from + 499))
    const others = publish(publisher, ids(from + 500, from + 1_999))
    await some
    proxy.cut()
    await others
    if (from === 1) await recorder.kill()
  }
  await record(place, 4_000)
  const { clean, judged, epochs } = await audit(place)
  assert.deepEqual([clean, judged, epochs.count], [true, 4_000, 2])
})

test('what the history queue lost is named: from which number to which, and where', async (t) => {
  const place = await newExchange(t)
  const { url, exchange } = place
  await using publisher = openPublisher({ broker: url, exchange, source })
  await publish(publisher, ids(1, 10))
  await record(place, 10)
  await publish(publisher, ids(11, 14))
  const channel = await plainChannel(t, url)
  await channel.purgeQueue(historyQueueOf(exchange))
  await publish(publisher, ids(15, 20))
  await plainPublish(channel, exchange, { appId: '/legacy', messageId: 'm1' })
  await record(place, 17)
  const { holes, removed, changed, late, repeated, unjudged, epochs } = await audit(place)
  const { epoch } = epochs.listed[0]!
  assert.deepEqual(holes.listed, [{ source, epoch, from: 11, to: 14, after: 10, before: 11 }])
  assert.deepEqual([removed.count, changed.count, late.count, repeated.count], [0, 0, 0, 0])
  assert.deepEqual(unjudged.sources, [{ source: '/legacy', count: 1 }])
})

test('a consumer stops before a position that was removed by hand, names it, and goes on when it is back', async (t: TestContext) => {
  const name = 'production'
  const place = await newExchange(t, { consumers: [name] })
  const { url: broker, exchange, history } = place
  await using publisher = openPublisher({ broker, exchange, source })
  await using recorder = startRecorder({ broker, exchange, history })
  const definition = effectsConsumer(name, exchange)
  const options = { broker, history, store: place.store(name), settleMs: 0, auditMs: 10 }
  await publish(publisher, ids(1, 3))
  {
    await using consumer = await startConsumer(definition, options)
    await consumer.caughtUp()
    await until('its cursor is there', () => consumer.status.cursor === 3)
  }
  await publish(publisher, ids(4, 10))
  await until('all are recorded', () => recorder.status.head === 10)
  tamper(
    place,
    'CREATE TABLE aside AS SELECT * FROM events WHERE position = 7; DELETE FROM events WHERE position = 7',
  )
  {
    await using consumer = await startConsumer(definition, options)
    await assert.rejects(consumer.stopped, { code: 'HISTORY_CORRUPT', message: /no event at position 7,/ })
    await assert.rejects(consumer.caughtUp(), { code: 'HISTORY_CORRUPT' })
  }
  tamper(place, 'INSERT INTO events SELECT * FROM aside; DROP TABLE aside')
  await using consumer = await startConsumer(definition, options)
  await consumer.caughtUp()
  await until('it is level', async () => (await consumer.certificate()).level)
  const effects = readEffects(place.store(name))
  assert.deepEqual(compare(effects, new Map([[source, ids(1, 10)]])), flawless)
})

test('what a consumer has missed is named by position, and after a repair it applies that and only that', async (t) => {
  const place = await newExchange(t, { consumers: ['shipping'] })
  const { url: broker, exchange, folder: cwd, history } = place
  const store = place.store('shipping')
  const module = join(cwd, 'shipping.ts')
  writeFileSync(
    module,
    `import { defineConsumer } from '${new URL('../index.ts', import.meta.url)}'
    export default defineConsumer({
      name: 'shipping',
      exchange: '${exchange}',
      prepare: (database) => database.exec('CREATE TABLE IF NOT EXISTS done (id TEXT)') && database,
      on: { '*': ({ id }, { tx }) => void tx.prepare('INSERT INTO done VALUES (?)').run(id) },
    })`,
  )
  await using publisher = openPublisher({ broker, exchange, source })
  await using recorder = startRecorder({ broker, exchange, history })
  await publish(publisher, ids(1, 50))
  await until('all are recorded', () => recorder.status.head === 50)
  const audited = (...more: readonly string[]) =>
    runCli(['audit', exchange, '--consumer', 'shipping.ts', '--history', 'history.db', ...more], { cwd })
  const run = async () => {
    const { default: definition } = await import(module)
    await using consumer = await startConsumer(definition, {
      broker,
      history,
      store,
      settleMs: 0,
      auditMs: 10,
    })
    await until('it is at the head', () => consumer.status.cursor === 50 && consumer.status.phase === 'live')
  }

  const early = await audited()
  assert.deepEqual([early.code, early.stdout], [2, ''])
  assert.match(early.stderr, /^CLI_FILE_UNREADABLE: shipping\.db does not exist/)
  await run()
  const clean = await audited()
  assert.deepEqual(
    [clean.code, clean.stderr],
    [0, 'Consumer shipping has missed nothing up to position 50\n'],
  )

  forgetEvent(store, { position: 17, source, id: '17' })
  removeEffect(store, '17')
  const found = await audited('--json')
  assert.equal(found.code, 1)
  const { missing, certificate } = JSON.parse(found.stdout)
  const event = { position: 17, source, id: '17', type: 'order.placed' }
  assert.deepEqual(missing, { count: 1, events: [event] })
  assert.equal(certificate.complete, false)
  const repaired = await audited('--repair')
  assert.equal(repaired.code, 1)
  assert.match(repaired.stdout, /^17 +\/sales +17 +order\.placed +-$/m)
  assert.match(repaired.stderr, /has missed 1 of 50 events; .*\n.*goes back to position 16: /)

  await run()
  const after = await audited('--repair')
  assert.equal(after.code, 0, after.stdout)
  const database = new Database(store, { readonly: true })
  const done = database.prepare('SELECT id FROM done ORDER BY rowid').pluck().all()
  database.close()
  assert.deepEqual(done, [...ids(1, 16), ...ids(18, 50), '17'])

  forgetEvent(store, { position: 5, source, id: '5' })
  await recorder.close()
  tamper(place, 'DELETE FROM events WHERE position <= 20')
  const gone = await audited('--repair')
  assert.equal(gone.code, 5)
  assert.match(gone.stdout, /^5 +- +- +- +-$/m)
  assert.match(gone.stderr, /^CONSUMER_HISTORY_TRUNCATED: /m)
  await using _recorder = startRecorder({ broker, exchange, history })
  await run()
})

function removeEffect(store: string, id: string): void {
  const database = new Database(store)
  database.prepare('DELETE FROM done WHERE id = ?').run(id)
  database.close()
}
