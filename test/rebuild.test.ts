/**
 * A consumer rebuilt while it runs, in processes of their own: live events come all the time, a reader looks
 * at the tables in a loop, and the rebuild is killed at every step. At each moment all that a reader sees is
 * of before or of after, and fits the consumer's marks.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import {
  type Certificate,
  type ConsumerStatus,
  certify,
  type Identity,
  openHistory,
  type Rebuilt,
  readSqliteStore,
  rebuildConsumer,
  startRecorder,
} from '../index.ts'
import { compare, flawless } from './fixtures/effects.ts'
import { newExchange, type TestExchange } from './fixtures/exchange.ts'
import { startFlow } from './fixtures/flow.ts'
import type { LedgerOptions } from './fixtures/ledger.program.ts'
import { type LedgerReading, ledgerConsumer, openLedger } from './fixtures/ledger.ts'
import { type Program, startProgram } from './fixtures/program.ts'
import { until } from './fixtures/until.ts'

const name = 'shipping'

type RebuildReport = {
  readonly phase?: string
  readonly position?: number
  readonly error?: string
} & Partial<Rebuilt>
type ReaderReport = LedgerReading & { readonly reads: number; readonly begun: readonly number[] }

test('a rebuild beside a running consumer: readers see the old tables or the new, and each event once', async (t) => {
  const place = await ledgerPlace(t)
  await using live = await liveLedger(t, place)
  const { flow, consumer, reader } = live
  await consumer.until('has live events', ({ live }) => live > 500)
  const rebuild = rebuildOf(t, place, { version: 2 })
  await rebuild.until('builds', ({ phase }) => phase !== undefined)
  rebuild.signal('SIGSTOP')
  await assert.rejects(rebuildConsumer(ledgerConsumer({ ...place, name, version: 3 }), place), {
    code: 'CONSUMER_REBUILD_RUNNING',
  })
  rebuild.signal('SIGCONT')
  const rebuilt = await ended(rebuild)
  assert.equal(rebuilt.error, undefined)
  t.diagnostic(`built ${rebuilt.applied} in ${rebuilt.tookMs} ms, writes waited ${rebuilt.lockedMs} ms`)
  const { reads } = await reader.until('sees the new tables', ({ begun }) => begun.includes(2))
  await reader.until('goes on reading them', (report) => report.reads > reads + 100)
  await consumer.until(
    'has more live events',
    ({ live, replayed }) => live + replayed > rebuilt.applied! + 200,
  )
  const ids = await flow.stop()
  await assertLevel(place)
  assert.equal(reader.report?.contradiction, undefined)
  assert.deepEqual(reader.report?.begun, [1, 2])
  await reader.stop()
  // It never left its live queue for the rebuild.
  assert.equal(consumer.errors.filter((line) => line.includes('"consumer.live"')).length, 1)
  await consumer.stop()
  assertOnce(place, ids)
  assert.deepEqual(reactionsOf(place, 2), [])
  assert.ok(reactionsOf(place, 1).length > 0)
})

test('a rebuild that is killed at any step leaves the old tables or the new ones, whole, and the next one works', async (t) => {
  const place = await ledgerPlace(t)
  await using live = await liveLedger(t, place)
  const { flow, consumer, reader } = live
  await consumer.until('has live events', ({ live }) => live > 500)
  let version = 1
  for (const dieAt of deaths) {
    version += 1
    const rebuild = rebuildOf(t, place, { version, dieAt })
    await until('its death', () => rebuild.hasEnded)
    const isNew = begunOf(place) === version
    t.diagnostic(
      `${dieAt.phase} for ${dieAt.afterMs} ms when killed: ${isNew ? 'the new' : 'the old'} tables`,
    )
    if (dieAt.afterMs === 0) assert.equal(isNew, false)
  }
  // The consumer may be dead too: what comes meanwhile stays in its queue.
  await consumer.kill()
  version += 1
  await rebuildConsumer(ledgerConsumer({ ...place, name, version }), place)
  const again = programOf<ConsumerStatus>(t, place, { role: 'consume', version })
  await again.until('is live', ({ phase }) => phase === 'live')
  const ids = await flow.stop()
  await assertLevel(place)
  await reader.until('sees the new tables', ({ begun }) => begun.at(-1) === version)
  assert.equal(reader.report?.contradiction, undefined)
  assert.equal(existsSync(`${place.store}-${name}-rebuild.db`), false)
  await again.stop()
  assertOnce(place, ids)
})

/** What comes later than the first is in the middle of a statement, or behind the commit. */
const deaths = [
  { phase: 'building', afterMs: 0 },
  { phase: 'swapping', afterMs: 0 },
  { phase: 'swapping', afterMs: 6 },
]

interface LedgerPlace extends Omit<TestExchange, 'store'> {
  readonly store: string
  readonly reactions: string
}

async function ledgerPlace(t: TestContext): Promise<LedgerPlace> {
  const place = await newExchange(t, { consumers: [name] })
  const { url: broker, exchange, history, folder } = place
  const recorder = startRecorder({ broker, exchange, history })
  t.after(() => recorder.close())
  await recorder.started()
  return { ...place, store: place.store(name), reactions: join(folder, 'reactions') }
}

/** A flow, a consumer of version 1 that runs, and a reader. */
async function liveLedger(t: TestContext, place: LedgerPlace) {
  const flow = startFlow({ ...place, perSecond: 300 })
  const consumer = programOf<ConsumerStatus>(t, place, { role: 'consume', version: 1 })
  await consumer.until('is live', ({ phase }) => phase === 'live')
  const reader = programOf<ReaderReport>(t, place, { role: 'read', version: 1 })
  await reader.until('reads', ({ reads }) => reads > 0)
  // Before the exchange goes, whatever the test comes to.
  return { flow, consumer, reader, [Symbol.asyncDispose]: () => flow.stop().then(() => {}) }
}

function programOf<Report>(
  t: TestContext,
  { url, exchange, history, store, reactions }: LedgerPlace,
  how: Pick<LedgerOptions, 'role' | 'version' | 'dieAt'>,
): Program<Report> {
  const options: LedgerOptions = { ...how, url, exchange, name, history, store, reactions }
  return startProgram<Report>(t, 'ledger', options)
}

function rebuildOf(
  t: TestContext,
  place: LedgerPlace,
  options: Pick<LedgerOptions, 'version' | 'dieAt'>,
): Program<RebuildReport> {
  return programOf<RebuildReport>(t, place, { role: 'rebuild', ...options })
}

async function ended(rebuild: Program<RebuildReport>): Promise<RebuildReport> {
  return await rebuild.until('ends', ({ error, tookMs }) => error !== undefined || tookMs !== undefined)
}

/** The version of the code that began the tables, which must fit together. */
function begunOf({ store }: LedgerPlace): number {
  const ledger = openLedger(store)
  try {
    const { begun, contradiction } = ledger.read()
    assert.equal(contradiction, undefined)
    return begun
  } finally {
    ledger.close()
  }
}

async function assertLevel({ store, history: path }: LedgerPlace): Promise<void> {
  await using history = openHistory({ history: path })
  let certificate: Certificate | undefined
  await until('a level certificate', async () => {
    const [stored] = await readSqliteStore(store)
    certificate = await certify({ ...stored!, consumer: stored!.name }, history)
    return certificate.level
  }).catch((error: Error) => assert.fail(`${error.message}: ${JSON.stringify(certificate)}`))
}

function assertOnce({ store }: LedgerPlace, ids: ReadonlyMap<string, readonly string[]>): void {
  const database = new Database(store, { readonly: true })
  const rows = database.prepare('SELECT source, id FROM orders ORDER BY number').all() as Identity[]
  database.close()
  assert.deepEqual(compare(rows, ids), flawless)
}

function reactionsOf({ reactions }: LedgerPlace, version: number): string[] {
  return readFileSync(reactions, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith(`${version} `))
}
