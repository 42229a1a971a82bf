import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { openHistory } from '../index.ts'
import { runCli } from '../scripts/cli/run-cli.fixture.ts'
import { placeFor, type Running } from './fixtures/backstory.ts'
import { testBroker } from './fixtures/broker.ts'
import { startFlow } from './fixtures/flow.ts'
import { deleteTopology, uniqueName } from './fixtures/names.ts'
import { startProxy } from './fixtures/proxy.ts'
import { until } from './fixtures/until.ts'

async function setup(t: TestContext) {
  const url = await testBroker()
  const exchange = uniqueName()
  t.after(() => deleteTopology(url, exchange, [`${exchange}.shipping`]))
  const place = placeFor(t, url)
  const orders = (from: number, to: number) =>
    Array.from(
      { length: to - from + 1 },
      (_, index) => `{"type":"order.placed","subject":"EC-${from + index}","data":1}\n`,
    ).join('')
  /** In this process, where it matters not that it is one of its own. */
  const run = async (line: string, stdin?: string) =>
    await runCli(line.split(' '), { cwd: place.folder, env: { BACKSTORY_BROKER: url }, stdin })
  const publish = async (from: number, to: number) => {
    assert.equal((await run(`publish ${exchange} -`, orders(from, to))).code, 0)
  }
  return { ...place, run, url, exchange, publish }
}

/** Keeps the subject of each event in a table without a key: one that took effect twice is there twice. */
function writeConsumer({ folder, exchange }: { folder: string; exchange: string }, before = ''): void {
  writeFileSync(
    join(folder, 'shipping.ts'),
    `import { defineConsumer } from 'backstory'
    export default defineConsumer({
      name: 'shipping',
      exchange: '${exchange}',
      prepare(database) {
        database.exec('CREATE TABLE IF NOT EXISTS orders (subject TEXT)')
        return database.prepare('INSERT INTO orders VALUES (?)')
      },
      on: { 'order.placed': async ({ subject }, { tx }) => { tx.run(subject); ${before} } },
    })`,
  )
}

function subjects(folder: string): string[] {
  const database = new Database(join(folder, 'shipping.db'), { readonly: true })
  try {
    return database.prepare('SELECT subject FROM orders ORDER BY rowid').pluck().all() as string[]
  } finally {
    database.close()
  }
}

/** What it answers at a path, once it has said where it is. */
async function healthOf(process: Running) {
  await process.says(/Health at http/)
  const [, url] = /Health at (http:\S+)\/readyz/.exec(process.stderr)!
  return async (path: string) => {
    const response = await fetch(`${url}${path}`)
    return { status: response.status, text: await response.text() }
  }
}

const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => `EC-${from + index}`)

test('recorder and consumer tell over HTTP what they do, and what the broker takes from them', async (t) => {
  const setting = await setup(t)
  const { exchange, start, publish, url } = setting
  const proxy = await startProxy(t, url)
  const recorder = start(`record ${exchange} --health 0 --broker ${proxy.url}`)
  const ofRecorder = await healthOf(recorder)
  await until('the recorder is ready', async () => (await ofRecorder('/readyz')).status === 200)
  await publish(1, 30)
  writeConsumer(setting)
  const consumer = start('bootstrap shipping.ts --live --settle 0 --health 0')
  const ofConsumer = await healthOf(consumer)
  await until('the consumer is ready', async () => (await ofConsumer('/readyz')).status === 200)
  const labels = `consumer="shipping",exchange="${exchange}"`
  const shows = async (of: typeof ofConsumer, line: string) =>
    (await of('/metrics')).text.split('\n').includes(line)
  assert.ok(await shows(ofConsumer, `backstory_consumer_replayed_events_total{${labels}} 30`))
  await publish(31, 35)
  await until('5 are applied live', () =>
    shows(ofConsumer, `backstory_consumer_live_events_total{${labels}} 5`),
  )
  await until('the cursor follows', () => shows(ofConsumer, `backstory_consumer_lag_events{${labels}} 0`))
  assert.ok(await shows(ofRecorder, `backstory_recorder_recorded_events_total{exchange="${exchange}"} 35`))
  assert.match((await ofRecorder('/metrics')).text, /backstory_recorder_batch_events_sum\{[^}]+\} 35/)

  proxy.cut()
  await until('it has connected again', () =>
    shows(ofRecorder, `backstory_recorder_reconnects_total{exchange="${exchange}"} 1`),
  )
  await until('it is ready again', async () => (await ofRecorder('/readyz')).status === 200)
  for (const process of [recorder, consumer]) {
    process.signal('SIGTERM')
    assert.equal((await process.ended).code, 0)
  }
})

test('while the broker is away a process is alive and not ready', async (t) => {
  const { exchange, start } = await setup(t)
  const recorder = start(`record ${exchange} --health 0 --broker amqp://127.0.0.1:1`)
  const health = await healthOf(recorder)
  assert.equal((await health('/livez')).status, 200)
  assert.equal((await health('/readyz')).status, 503)
})

test('SIGTERM in mid-flow: recorder and consumer finish what is in hand, and nothing is missed or twice', async (t) => {
  const setting = await setup(t)
  const { exchange, folder, start, run, url } = setting
  writeConsumer(setting)
  const flow = startFlow({ url, exchange, perSecond: 1_500 })
  const [first, consumer] = [start(`record ${exchange}`), start('bootstrap shipping.ts --live --settle 0')]
  await consumer.says(/has caught up/)
  const { confirmed } = flow
  await until('it flows', () => flow.confirmed > confirmed + 500)
  for (const process of [consumer, first]) process.signal('SIGTERM')
  assert.equal((await consumer.ended).code, 0, consumer.stderr)
  assert.equal((await first.ended).code, 0, first.stderr)
  const published = await flow.stop()
  start(`record ${exchange}`)
  const total = [...published.values()].reduce((sum, ids) => sum + ids.length, 0)
  const history = openHistory({ path: join(folder, 'backstory-history.db') })
  t.after(() => history.close())
  await until('all are recorded', async () => (await history.bounds()).head === total)
  assert.equal((await run('bootstrap shipping.ts --settle 0')).code, 0)
  assert.equal((await run('consumers certificate shipping.db --level')).code, 0)
  assert.equal(subjects(folder).length, total)
})

test('a handler that hangs: the consumer ends after its time with 124, and the event is applied after a restart', async (t) => {
  const setting = await setup(t)
  const { exchange, folder, start, run, publish } = setting
  const recorder = start(`record ${exchange}`)
  await recorder.says(/Recording/)
  await publish(1, 20)
  writeConsumer(setting, `if (subject === 'EC-25') { console.error('hangs'); await new Promise(() => {}) }`)
  const consumer = start('bootstrap shipping.ts --live --settle 0 --shutdown-timeout 0.5')
  await consumer.says(/has caught up/)
  await publish(21, 30)
  await consumer.says(/hangs/)
  consumer.signal('SIGTERM')
  const { code, stderr } = await consumer.ended
  assert.equal(code, 124)
  assert.match(stderr, /CLI_SHUTDOWN_TIMEOUT: Not done within 0\.5 s after SIGTERM[^\n]+\n$/)
  assert.ok(subjects(folder).length < 25)
  writeConsumer(setting)
  assert.equal((await run('bootstrap shipping.ts --settle 0')).code, 0)
  assert.deepEqual(subjects(folder), range(1, 30))
  assert.equal((await run('consumers certificate shipping.db --level')).code, 0)
})
