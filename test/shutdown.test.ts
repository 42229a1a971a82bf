import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { sequenceOf } from '../events/index.ts'
import { openHistory, openOutbox, startRecorder } from '../index.ts'
import { startFlow } from './fixtures/flow.ts'
import { startShipping, subjectsFrom } from './fixtures/shipping.ts'
import { until } from './fixtures/until.ts'

test('SIGTERM in mid-flow: recorder and consumer finish what is in hand, and nothing is missed or twice', async (t) => {
  const { exchange, folder, start, run, url, writeModule, subjects } = await startShipping(t)
  writeModule()
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
  const history = openHistory({ history: join(folder, 'backstory-history.db') })
  t.after(() => history.close())
  await until('all are recorded', async () => (await history.bounds()).head === total)
  assert.equal((await run('bootstrap shipping.ts --settle 0')).code, 0)
  assert.equal((await run('consumers certificate shipping.db --level')).code, 0)
  assert.equal(subjects().length, total)
})

test('a handler that hangs: the consumer ends after its time with 124, and the event is applied after a restart', async (t) => {
  const { exchange, start, run, publish, writeModule, subjects } = await startShipping(t)
  const recorder = start(`record ${exchange}`)
  await recorder.says(/Recording/)
  await publish(1, 20)
  writeModule(`if (subject === 'EC-25') { console.error('hangs'); await new Promise(() => {}) }`)
  const consumer = start('bootstrap shipping.ts --live --settle 0 --shutdown-timeout 0.5')
  await consumer.says(/has caught up/)
  await publish(21, 30)
  await consumer.says(/hangs/)
  consumer.signal('SIGTERM')
  const { code, stderr } = await consumer.ended
  assert.equal(code, 124)
  assert.match(stderr, /CLI_SHUTDOWN_TIMEOUT: Not done within 0\.5 s after SIGTERM[^\n]+\n$/)
  assert.ok(subjects().length < 25)
  writeModule()
  assert.equal((await run('bootstrap shipping.ts --settle 0')).code, 0)
  assert.deepEqual(subjects(), subjectsFrom(1, 30))
  assert.equal((await run('consumers certificate shipping.db --level')).code, 0)
})

test('SIGTERM in mid-flow: what a relay has not had confirmed stays in the outbox for the next one', async (t) => {
  const { exchange, folder, start, url } = await startShipping(t)
  const history = join(folder, 'history.db')
  await using recorder = startRecorder({ broker: url, exchange, history })
  await recorder.started()
  const database = new Database(join(folder, 'sales.db'))
  t.after(() => database.close())
  const outbox = openOutbox({ database, exchange, source: '/sales' })
  const ids = subjectsFrom(1, 3_000)
  database.transaction(() => {
    for (const id of ids) outbox.add(database, { type: 'order.placed', id, data: { id } })
  })()
  const line = `relay sales.db --exchange ${exchange} --in-flight 10`
  const first = start(line)
  await until('it flows', () => recorder.status.head > 0)
  first.signal('SIGTERM')
  const { code, stderr } = await first.ended
  assert.equal(code, 0, stderr)
  const left = database.prepare('SELECT count(*) FROM backstory_outbox').pluck().get() as number
  assert.ok(left > 0 && left < ids.length, `${left} are left`)
  start(line)
  await until('the rest is recorded', () => recorder.status.head === ids.length)
  const reader = openHistory({ history })
  t.after(() => reader.close())
  const events = await reader.read({ after: 0, limit: ids.length })
  assert.deepEqual(
    events.map(({ id }) => id),
    ids,
  )
  assert.deepEqual(
    events.map(({ message }) => sequenceOf(message.properties)?.sequence),
    ids.map((_id, index) => index + 1),
  )
})

test('told to end while it still waits for its history, bootstrap --live ends in good order: 0', async (t) => {
  const { start, writeModule } = await startShipping(t)
  writeModule()
  const consumer = start('bootstrap shipping.ts --live --settle 0')
  await consumer.says(/waits for the history/)
  consumer.signal('SIGTERM')
  const { code, stdout, stderr } = await consumer.ended
  assert.equal(code, 0, stderr)
  assert.equal(stdout, '')
  assert.match(stderr, /No certificate: the history cannot be read now/)
})
