import assert from 'node:assert/strict'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { openOutbox, serveHealth, startRelay } from '../index.ts'
import type { Running } from './fixtures/backstory.ts'
import { newExchange } from './fixtures/exchange.ts'
import { startProxy } from './fixtures/proxy.ts'
import { startShipping } from './fixtures/shipping.ts'
import { until } from './fixtures/until.ts'

/** What it answers at a path, once it has said where it is. */
async function healthOf(process: Running) {
  await process.says(/Health at http/)
  const [, url] = /Health at (http:\S+)\/readyz/.exec(process.stderr)!
  return async (path: string) => {
    const response = await fetch(`${url}${path}`)
    return { status: response.status, text: await response.text() }
  }
}

test('recorder and consumer tell over HTTP what they do, and what the broker takes from them', async (t) => {
  const { exchange, start, publish, url, writeModule } = await startShipping(t)
  const proxy = await startProxy(t, url)
  const recorder = start(`record ${exchange} --health 0 --broker ${proxy.url}`)
  const ofRecorder = await healthOf(recorder)
  await until('the recorder is ready', async () => (await ofRecorder('/readyz')).status === 200)
  await publish(1, 30)
  writeModule()
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
  assert.match((await ofConsumer('/metrics')).text, /backstory_consumer_batch_events_sum\{[^}]+\} 35/)
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
  const { exchange, start } = await startShipping(t)
  const recorder = start(`record ${exchange} --health 0 --broker amqp://127.0.0.1:1`)
  const health = await healthOf(recorder)
  assert.equal((await health('/livez')).status, 200)
  assert.equal((await health('/readyz')).status, 503)
})

test('a relay tells what waits in its outbox, and what it has published', async (t) => {
  const place = await newExchange(t)
  const { url, exchange } = place
  const proxy = await startProxy(t, url)
  const database = new Database(place.store('sales'))
  t.after(() => database.close())
  const outbox = openOutbox({ database, exchange, source: '/sales' })
  const add = (id: string) =>
    database.transaction(() => outbox.add(database, { type: 'order.placed', id, data: {} }))()
  add('1')
  await using relay = startRelay({ broker: proxy.url, outbox })
  await using health = await serveHealth({ port: 0, parts: { relay } })
  const get = async (path: string) => await fetch(`${health.url}${path}`)
  const shows = async (line: string) => (await (await get('/metrics')).text()).split('\n').includes(line)
  await relay.caughtUp()
  assert.equal((await get('/readyz')).status, 200)
  assert.ok(await shows(`backstory_relay_relayed_events_total{exchange="${exchange}"} 1`))
  proxy.refuse()
  await until('it has no channel', async () => (await get('/readyz')).status === 503)
  assert.equal((await get('/livez')).status, 200)
  add('2')
  await until('one waits', () => shows(`backstory_relay_pending_events{exchange="${exchange}"} 1`))
})
