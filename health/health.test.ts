import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { serveHealth } from './health.ts'
import { metrics } from './metrics.ts'
import type { ConsumerHealth, HealthParts, RecorderHealth, RelayHealth } from './parts.ts'

const batchSizes = { bounds: [1, 10, 100], counts: [2, 3, 0, 1], sum: 130 }

const recording: RecorderHealth = {
  exchange: 'orders',
  state: 'recording',
  head: 42,
  recorded: 40,
  duplicates: 3,
  conflicts: 1,
  held: 5,
  backlog: 6,
  deadLetters: 0,
  batchSizes,
  reconnects: 2,
  lastError: undefined,
  lastErrorAt: new Date(1_500),
}

const live: ConsumerHealth = {
  consumer: 'shipping',
  exchange: 'orders',
  phase: 'live',
  waitingFor: undefined,
  cursor: 40,
  head: 42,
  lag: 2,
  lagSeconds: 1.5,
  replayed: 30,
  live: 10,
  duplicates: 0,
  repairs: 1,
  parked: 7,
  parkedReactions: 6,
  discarded: 5,
  batchSizes,
  reconnects: 0,
  lastError: undefined,
  lastErrorAt: undefined,
}

const relaying: RelayHealth = {
  exchange: 'orders',
  state: 'relaying',
  pending: 9,
  relayed: 100,
  confirmsPending: 4,
  reconnects: 0,
  lastError: undefined,
  lastErrorAt: undefined,
}

const never = new Promise<void>(() => {})
const partOf = <Status>(status: Status, stopped: Promise<void> = never) => ({ status, stopped })

async function served(t: TestContext, parts: HealthParts) {
  const health = await serveHealth({ port: 0, parts })
  t.after(() => health.close())
  const get = async (path: string, init?: RequestInit) => {
    const response = await fetch(`${health.url}${path}`, init)
    return { status: response.status, text: await response.text(), headers: response.headers }
  }
  return { health, get, json: async (path: string) => JSON.parse((await get(path)).text) as unknown }
}

test('a process whose parts all work is alive and ready, and says how each one is', async (t) => {
  const parts = { recorder: partOf(recording), consumers: [partOf(live)], relay: partOf(relaying) }
  const { get, json } = await served(t, parts)
  assert.equal((await get('/livez')).status, 200)
  assert.equal((await get('/readyz?verbose')).status, 200)
  assert.deepEqual(await json('/readyz'), {
    live: true,
    ready: true,
    parts: [
      { part: 'recorder', name: 'orders', state: 'recording', ready: true, live: true },
      { part: 'consumer', name: 'shipping', state: 'live', ready: true, live: true },
      { part: 'relay', name: 'orders', state: 'relaying', ready: true, live: true },
    ],
  })
})

for (const [what, parts, reason] of [
  [
    'a recorder that cannot write',
    { recorder: partOf({ ...recording, state: 'holding', lastError: 'disk full' } as const) },
    'the history cannot be written: disk full',
  ],
  [
    'a recorder that stands by',
    { recorder: partOf({ ...recording, state: 'standby' } as const) },
    'another recorder writes the history',
  ],
  [
    'a consumer that replays',
    { recorder: partOf(recording), consumers: [partOf(live), partOf({ ...live, phase: 'replaying' })] },
    'it has not caught up',
  ],
  [
    'a consumer that waits',
    { consumers: [partOf({ ...live, phase: 'replaying', waitingFor: 'recorder' })] },
    'waits for the recorder',
  ],
  [
    'a relay without a channel',
    { relay: partOf({ ...relaying, state: 'connecting' }) },
    'no channel to the broker',
  ],
] as const satisfies [string, HealthParts, string][]) {
  test(`${what} is alive and not ready, and the answer says why`, async (t) => {
    const { get } = await served(t, parts)
    assert.equal((await get('/livez')).status, 200)
    const { status, text } = await get('/readyz')
    assert.equal(status, 503)
    const answer = JSON.parse(text) as { parts: { ready: boolean; live: boolean; reason?: string }[] }
    const [one, ...more] = answer.parts.filter(({ ready }) => !ready)
    assert.deepEqual([one?.reason, one?.live, more], [reason, true, []])
  })
}

test('a live consumer is ready while its history is away, and says so, but not without its broker', async (t) => {
  const away = await served(t, { consumers: [partOf({ ...live, waitingFor: 'history' })] })
  const { status, text } = await away.get('/readyz')
  assert.equal(status, 200)
  assert.match(text, /"reason":"waits for the history"/)
  const cut = await served(t, { consumers: [partOf({ ...live, waitingFor: 'broker' })] })
  assert.equal((await cut.get('/readyz')).status, 503)
})

test('a part that has failed for good makes the process not alive, one that was stopped does not', async (t) => {
  const failed = partOf({ ...live, phase: 'stopped' }, Promise.reject(new Error('handler gave up')))
  const { get } = await served(t, { recorder: partOf(recording), consumers: [failed] })
  const { status, text } = await get('/livez')
  assert.equal(status, 503)
  assert.match(text, /"reason":"handler gave up"/)
  assert.equal((await get('/readyz')).status, 503)
  const stopped = partOf({ ...recording, state: 'stopped' } as const, Promise.resolve())
  const orderly = await served(t, { recorder: stopped })
  assert.equal((await orderly.get('/livez')).status, 200)
  assert.equal((await orderly.get('/readyz')).status, 503)
})

test('before its parts are there a process is alive and not ready, and then it is judged by them', async (t) => {
  const { health, get } = await served(t, {})
  assert.equal((await get('/livez')).status, 200)
  assert.equal((await get('/readyz')).status, 503)
  assert.equal((await get('/metrics')).text, '')
  health.watch({ recorder: partOf(recording) })
  assert.equal((await get('/readyz')).status, 200)
  assert.match((await get('/metrics')).text, /^backstory_recorder_head_position/m)
})

test('metrics are read from the status at the moment of the scrape', async (t) => {
  let status = recording
  const recorder = {
    stopped: never,
    get status() {
      return status
    },
  }
  const { get } = await served(t, { recorder, consumers: [partOf(live)], relay: partOf(relaying) })
  const { text, headers } = await get('/metrics')
  assert.match(headers.get('content-type')!, /^text\/plain; version=0\.0\.4/)
  for (const line of [
    '# TYPE backstory_recorder_recorded_events_total counter',
    'backstory_recorder_head_position{exchange="orders"} 42',
    'backstory_recorder_last_error_timestamp_seconds{exchange="orders"} 1.5',
    'backstory_recorder_state{exchange="orders",state="recording"} 1',
    'backstory_recorder_state{exchange="orders",state="holding"} 0',
    'backstory_recorder_batch_events_bucket{exchange="orders",le="10"} 5',
    'backstory_recorder_batch_events_bucket{exchange="orders",le="+Inf"} 6',
    'backstory_recorder_batch_events_sum{exchange="orders"} 130',
    'backstory_recorder_batch_events_count{exchange="orders"} 6',
    'backstory_consumer_batch_events_count{consumer="shipping",exchange="orders"} 6',
    'backstory_consumer_lag_events{consumer="shipping",exchange="orders"} 2',
    'backstory_consumer_lag_seconds{consumer="shipping",exchange="orders"} 1.5',
    'backstory_consumer_parked_events{consumer="shipping",exchange="orders"} 7',
    'backstory_consumer_phase{consumer="shipping",exchange="orders",phase="live"} 1',
    'backstory_relay_confirms_pending{exchange="orders"} 4',
  ]) {
    assert.ok(text.split('\n').includes(line), `${line} is missing in\n${text}`)
  }
  // What a status does not have is not there, rather than 0.
  assert.doesNotMatch(text, /backstory_consumer_last_error_timestamp_seconds/)
  status = { ...recording, head: 43 }
  assert.match((await get('/metrics')).text, /backstory_recorder_head_position\{exchange="orders"\} 43/)
})

test('a name cannot break out of its label', async (t) => {
  const { get } = await served(t, { recorder: partOf({ ...recording, exchange: 'a"} 1\nfake 2' }) })
  const { text } = await get('/metrics')
  assert.doesNotMatch(text, /^fake/m)
  assert.match(text, /backstory_recorder_head_position\{exchange="a\\"\} 1\\nfake 2"\} 42/)
})

test('it listens on the loopback interface alone, and answers nothing but its three pages', async (t) => {
  const { health, get } = await served(t, { recorder: partOf(recording) })
  assert.match(health.url, /^http:\/\/127\.0\.0\.1:\d+$/)
  assert.equal((await get('/')).status, 404)
  assert.equal((await get('/metrics', { method: 'POST', body: 'x' })).status, 405)
  assert.equal((await get('/readyz', { method: 'HEAD' })).text, '')
})

test('closing ends an answer that nobody reads, and is the same a second time', async () => {
  const health = await serveHealth({ port: 0, parts: { recorder: partOf(recording) } })
  const { hostname, port } = new URL(health.url)
  const socket = connect(Number(port), hostname)
  socket.write('GET /metrics HTTP/1.1\r\nhost: x\r\n')
  await new Promise((resolve) => socket.once('connect', resolve))
  const gone = new Promise((resolve) => socket.once('close', resolve))
  socket.on('error', () => {})
  await health.close()
  await health.close()
  await gone
})

test('a port that is taken is an error that says so, a port that is none a TypeError', async (t) => {
  const { health } = await served(t, {})
  const port = Number(new URL(health.url).port)
  await assert.rejects(serveHealth({ port, parts: {} }), { code: 'HEALTH_ADDRESS_UNAVAILABLE' })
  await assert.rejects(serveHealth({ port: 70_000, parts: {} }), TypeError)
})

test('docs/metrics.md lists every metric with its kind, labels and help, and none that there is not', () => {
  const text = readFileSync(join(import.meta.dirname, '../docs/metrics.md'), 'utf8')
  const documented = [...text.matchAll(/^\| `(backstory_\w+)` \| (\w+) \| ([^|]*) \| ([^|]*) \|$/gm)].map(
    ([, name, kind, labels, help]) => ({
      name,
      kind,
      labels: [...labels!.matchAll(/`(\w+)`/g)].map(([, label]) => label),
      help: help!.trim(),
    }),
  )
  assert.deepEqual(
    documented,
    metrics.map(({ name, kind, labels, help }) => ({ name, kind, labels, help })),
  )
  assert.equal(new Set(metrics.map(({ name }) => name)).size, metrics.length)
})
