/** Parking at the size that it is for; parking-live.test.ts has what it does. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parkedError } from '../../consumers/parking/fingerprint.ts'
import { openSqliteStore } from '../../consumers/sqlite/sqlite-store.ts'
import { initialState } from '../../consumers/store.ts'
import { MessageEvent, toMessage } from '../../events/index.ts'
import { openSqlite, type SqliteDatabase } from '../../history/index.ts'
import {
  type CloudEvent,
  defineConsumer,
  type HandlerContext,
  openParkedEvents,
  redriveParked,
  startConsumer,
  startRecorder,
} from '../../index.ts'
import { fillHistory } from '../../scripts/bench/fill.ts'
import { newExchange } from '../fixtures/exchange.ts'

const exchange = 'orders'
const index = fileURLToPath(new URL('../../index.ts', import.meta.url))
const script = fileURLToPath(new URL('../../scripts/backstory.ts', import.meta.url))
const tellsMemory =
  'data:text/javascript,process.on("exit",()=>process.stderr.write("rss "+process.resourceUsage().maxRSS))'

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'backstory-parking-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Parks events as a consumer would, without a broker. */
async function park(
  path: string,
  events: Iterable<{ id: string; subject: string; error?: Error; behind?: boolean }>,
): Promise<void> {
  const store = await openSqliteStore({ path, consumer: 'shipping', exchange })
  await store.transaction((unit) => unit.save(initialState))
  let batch: { id: string; subject: string; error?: Error; behind?: boolean }[] = []
  const write = async () => {
    const parked = batch.map(({ id, subject, error, behind = false }) => {
      const message = toMessage(
        { type: 'order.placed', id, subject, data: { id, text: 'x'.repeat(300) } },
        { exchange, source: '/sales' },
      )
      const event = new MessageEvent({ id, source: '/sales', type: 'order.placed', subject }, message)
      const reason = behind ? ('behind' as const) : ('failed' as const)
      const place = { part: 'apply', event, position: undefined, dueAt: undefined } as const
      return {
        ...place,
        reason,
        error: error && parkedError(error),
        attempts: behind ? 0 : 5,
        parkedAt: Date.now(),
      }
    })
    await store.transaction((unit) => unit.parking.park(parked))
    batch = []
  }
  for (const event of events) if (batch.push(event) === 5_000) await write()
  if (batch.length > 0) await write()
  await store.close()
}

/** A consumer with a row an event, as a module for the command line and for this test. */
const definitionText = `import { defineConsumer } from ${JSON.stringify(index)}
export default defineConsumer({
  name: 'shipping',
  exchange: 'orders',
  prepare: (database) => {
    database.exec('CREATE TABLE IF NOT EXISTS effects (id TEXT, subject TEXT)')
    return database.prepare('INSERT INTO effects VALUES (?, ?)')
  },
  on: { '*': ({ id, subject }, { tx }) => void tx.run(id, subject) },
})
`

async function effects(path: string): Promise<{ id: string; subject: string }[]> {
  const database = await openSqlite(path, { readonly: true })
  try {
    return database.prepare('SELECT id, subject FROM effects ORDER BY rowid').all() as never
  } finally {
    database.close()
  }
}

function cli(cwd: string, line: string): Promise<{ code: number; stdout: string; residentMb: number }> {
  const args = ['--import', import.meta.resolve('tsx'), '--import', tellsMemory, script, ...line.split(' ')]
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd }, (error, stdout, stderr) => {
      const residentMb = Number(/rss (\d+)$/.exec(stderr)?.[1]) / 1_024
      resolve({ code: Number(error?.code ?? 0), stdout, residentMb })
    })
  })
}

const kinds = [new TypeError('no paint'), new RangeError('no wheels'), new SyntaxError('no words')]

test('of 10,000 failing events in three groups one is retried as a group in under 10 s, in order per subject', async (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'shipping.db')
  writeFileSync(join(folder, 'shipping.ts'), definitionText)
  // Half of the events of a group hold a subject alone; of the others each has four events behind it.
  await park(
    path,
    (function* () {
      for (let n = 0; n < 10_000; n++) yield { id: `${n} 0`, subject: `s${n}`, error: kinds[n % 3]! }
      for (let k = 1; k <= 4; k++)
        for (let n = 0; n < 10_000; n += 2) yield { id: `${n} ${k}`, subject: `s${n}`, behind: true }
    })(),
  )
  const parked = await openParkedEvents({ store: path })
  t.after(() => parked.close())
  const groups = await parked.groups()
  assert.deepEqual(groups.map(({ events, waiting }) => `${events} ${waiting}`).sort(), [
    '3333 6664',
    '3333 6668',
    '3334 6668',
  ])
  const [first, second] = groups
  let started = performance.now()
  const mark = await parked.retry({ group: first!.group }, { reason: 'mended' })
  const markedMs = performance.now() - started
  const { default: definition } = await import(join(folder, 'shipping.ts'))
  const progress = await redriveParked(definition, { store: path })
  const apiSeconds = (performance.now() - started) / 1_000
  assert.deepEqual(
    [mark.events, progress.applied, progress.failed],
    [3_334, first!.events + first!.waiting, 0],
  )
  started = performance.now()
  const run = await cli(folder, `parked retry ./shipping.ts --group ${second!.group} --json`)
  const cliSeconds = (performance.now() - started) / 1_000
  assert.equal(run.code, 0)
  const { events, applied, followed, seconds } = JSON.parse(run.stdout)
  assert.deepEqual([events, applied, followed], [second!.events, second!.events, second!.waiting])
  t.diagnostic(
    `marked in ${markedMs.toFixed(0)} ms; API ${apiSeconds.toFixed(1)} s; command ${seconds} s, its process ${cliSeconds.toFixed(1)} s`,
  )
  assert.ok(apiSeconds < 10 && cliSeconds < 10)
  const next = new Map<string, number>()
  for (const { id, subject } of await effects(path)) {
    const [, k] = id.split(' ')
    assert.equal(Number(k), next.get(subject) ?? 0, id)
    next.set(subject, Number(k) + 1)
  }
  assert.equal((await parked.groups()).length, 1)
})

test('a running consumer retries a group of 10,000 in under 10 s', async (t) => {
  const place = await newExchange(t, { consumers: ['shipping'] })
  const { url: broker, history } = place
  const path = place.store('shipping')
  await park(
    path,
    Array.from({ length: 10_000 }, (_, n) => ({
      id: String(n),
      subject: `s${n % 100}`,
      error: kinds[n % 3]!,
    })),
  )
  const recorder = startRecorder({ broker, exchange: place.exchange, history })
  t.after(() => recorder.close())
  await recorder.started()
  const database = await openSqlite(path)
  database.prepare('UPDATE backstory_consumers SET exchange = ?').run(place.exchange)
  database.close()
  const seen: number[] = []
  const on = { '*': ({ id }: { id: string }) => void seen.push(Number(id)) }
  const definition = defineConsumer({ name: 'shipping', exchange: place.exchange, on })
  const consumer = await startConsumer(definition, { broker, history, store: path, settleMs: 0 })
  t.after(() => consumer.close())
  await consumer.caughtUp()
  const parked = await openParkedEvents({ store: path })
  t.after(() => parked.close())
  const started = performance.now()
  const mark = await parked.retry({ all: true })
  for (;;) {
    const { pending, applied } = await parked.outcome(mark.id!)
    if (pending === 0) {
      assert.equal(applied, 10_000)
      break
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const seconds = (performance.now() - started) / 1_000
  t.diagnostic(`10,000 by the running consumer: ${seconds.toFixed(1)} s`)
  assert.ok(seconds < 10)
  const newest = new Map<number, number>()
  for (const n of seen) {
    assert.ok(n > (newest.get(n % 100) ?? -1), 'in order per subject')
    newest.set(n % 100, n)
  }
  assert.equal(seen.length, 10_000)
})

/** One that failed and so many that wait behind it, retried by the command. */
async function retryChain(t: TestContext, waiting: number) {
  const folder = temporaryFolder(t)
  const path = join(folder, 'shipping.db')
  writeFileSync(join(folder, 'shipping.ts'), definitionText)
  await park(
    path,
    (function* () {
      yield { id: '0', subject: 's', error: kinds[0]! }
      for (let n = 1; n <= waiting; n++) yield { id: String(n), subject: 's', behind: true }
    })(),
  )
  const parked = await openParkedEvents({ store: path })
  t.after(() => parked.close())
  const started = performance.now()
  const [group] = await parked.groups()
  const mark = await parked.retry({ all: true }, { dryRun: true })
  const page = await parked.list({ subject: 's', after: waiting / 2, limit: 10 })
  const looksMs = performance.now() - started
  assert.deepEqual([group!.waiting, mark.waiting, page[0]!.number], [waiting, waiting, waiting / 2 + 1])
  const { code, stdout, residentMb } = await cli(folder, 'parked retry ./shipping.ts --all --json')
  assert.equal(code, 0)
  const { followed, seconds } = JSON.parse(stdout)
  assert.equal(followed, waiting)
  const database = await openSqlite(path, { readonly: true })
  const [outOfOrder, all] = ['WHERE CAST(id AS INTEGER) <> rowid - 1', ''].map((where) =>
    database.prepare(`SELECT count(*) FROM effects ${where}`).pluck().get(),
  )
  database.close()
  assert.deepEqual([outOfOrder, all], [0, waiting + 1])
  const figures = `looks ${looksMs.toFixed(0)} ms, retried in ${seconds} s, ${residentMb.toFixed(0)} MB resident`
  t.diagnostic(`${waiting} behind one: ${figures}`)
  return { residentMb, perSecond: waiting / seconds }
}

test('a million events behind one are retried in order, in memory that does not grow, at a pace that does not fall', async (t) => {
  const small = await retryChain(t, 100_000)
  const large = await retryChain(t, 1_000_000)
  // What a process has at most depends on when its garbage is collected; ten times as many must not show.
  assert.ok(large.residentMb < small.residentMb * 1.25, `${large.residentMb} MB, and ${small.residentMb}`)
  assert.ok(large.perSecond > small.perSecond / 2, `${large.perSecond} a second, and ${small.perSecond}`)
})

test('a replay of a million events, twice, makes no outside call', async (t) => {
  const place = await newExchange(t, { consumers: ['shipping'] })
  const { url: broker, history } = place
  const events = 1_000_000
  await fillHistory(history, { exchange: place.exchange, events })
  const recorder = startRecorder({ broker, exchange: place.exchange, history })
  t.after(() => recorder.close())
  let calls = 0
  const definition = defineConsumer({
    name: 'shipping',
    exchange: place.exchange,
    prepare: (database: SqliteDatabase) =>
      database.exec('CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY)') &&
      database.prepare('INSERT INTO orders VALUES (?)'),
    on: {
      '*': {
        apply: ({ id }: CloudEvent, { tx }: HandlerContext<{ run(id: string): unknown }>) => void tx.run(id),
        react: () => {
          calls += 1
        },
      },
    },
  })
  for (const store of ['first', 'second']) {
    const started = performance.now()
    const consumer = await startConsumer(definition, {
      broker,
      history,
      store: place.store(store),
      settleMs: 0,
    })
    await consumer.caughtUp()
    assert.deepEqual(
      [consumer.status.applied, (await consumer.certificate()).level, calls],
      [events, true, 0],
    )
    await consumer.close()
    // And again, from where it was.
    const again = await startConsumer(definition, { broker, history, store: place.store(store), settleMs: 0 })
    await again.caughtUp()
    await again.close()
    t.diagnostic(`${store} store: ${((performance.now() - started) / 1_000).toFixed(1)} s, ${calls} calls`)
  }
  assert.equal(calls, 0)
})
