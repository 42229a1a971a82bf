/**
 * A disk that is full, cannot be written or is locked by another process: in the middle of a flow each of
 * them stops nothing for good. What was published meanwhile is in the history and in the consumer once.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { noSmallDisk, type SmallDisk, smallDisk } from '../../history/sqlite/full-disk.fixture.ts'
import { type Consumer, openHistory, type Recorder, startConsumer, startRecorder } from '../../index.ts'
import { compare, effectsConsumer, flawless, readEffects } from '../fixtures/effects.ts'
import { newExchange } from '../fixtures/exchange.ts'
import { startFlow } from '../fixtures/flow.ts'
import { until } from '../fixtures/until.ts'

const name = 'production'

/** Recorder and consumer, live, each on a disk of its own. */
async function setup(t: TestContext) {
  const { url, exchange } = await newExchange(t, { consumers: [name] })
  const disks = { history: smallDisk(t, { mebibytes: 32 }), store: smallDisk(t, { mebibytes: 32 }) }
  const history = join(disks.history.folder, 'history.db')
  const store = join(disks.store.folder, 'store.db')
  const recorder = startRecorder({ broker: url, exchange, history })
  t.after(() => recorder.close())
  await recorder.started()
  const consumer = await startConsumer(effectsConsumer(name, exchange), { broker: url, history, store })
  t.after(() => consumer.close())
  await consumer.caughtUp()
  const flow = startFlow({ url, exchange })
  t.after(() => flow.stop().catch(() => {}))
  await until('events take effect', () => consumer.status.applied > 500)
  const assertComplete = async () => {
    const published = await flow.stop()
    const total = [...published.values()].reduce((sum, ids) => sum + ids.length, 0)
    await until('all are recorded', () => recorder.status.head === total)
    await until('all took effect', () => consumer.status.applied === total)
    assert.deepEqual(compare(readEffects(store), published), flawless)
    const reader = openHistory({ history })
    t.after(() => reader.close())
    assert.deepEqual(compare(await reader.identities({ after: 0, limit: total + 1 }), published), flawless)
  }
  return { recorder, consumer, disks, flow, history, store, assertComplete }
}

test('a history on a full disk: the recorder holds and says so, and goes on by itself', {
  skip: noSmallDisk,
}, async (t) => {
  const { recorder, disks, history, assertComplete } = await setup(t)
  fill(disks.history, history)
  await holds(recorder, /full/)
  disks.history.empty()
  await until('it records', () => recorder.status.state === 'recording')
  await assertComplete()
})

test('a store on a full disk: the consumer waits and says so, and goes on by itself', {
  skip: noSmallDisk,
}, async (t) => {
  const { consumer, recorder, disks, store, assertComplete } = await setup(t)
  fill(disks.store, store)
  await waits(consumer, /full/)
  assert.equal(recorder.status.state, 'recording', 'one full disk is not the other')
  disks.store.empty()
  await assertComplete()
})

test('history and store locked by another process: both wait, and go on by themselves', {
  skip: noSmallDisk,
}, async (t) => {
  const { consumer, recorder, history, store, assertComplete } = await setup(t)
  const others = [history, store].map((path) => new Database(path))
  t.after(() => others.forEach((other) => void other.close()))
  for (const other of others) other.exec('BEGIN IMMEDIATE')
  await Promise.all([holds(recorder, /locked/), waits(consumer, /locked/)])
  for (const other of others) other.exec('COMMIT')
  await until('it records', () => recorder.status.state === 'recording')
  await assertComplete()
})

test('a recorder that is started on a file system for reading only says so; once it can be written it records all', {
  skip: noSmallDisk,
}, async (t) => {
  const { url, exchange } = await newExchange(t)
  const disk = smallDisk(t, { mebibytes: 8 })
  const options = { broker: url, exchange, history: join(disk.folder, 'history.db') }
  await using first = startRecorder(options)
  await first.started()
  await first.close()
  remount(disk, 'ro')
  const refused = startRecorder(options)
  await assert.rejects(refused.stopped, { code: 'HISTORY_UNAVAILABLE', message: /look at its rights/ })
  const flow = startFlow({ url, exchange })
  await until('some are published', () => flow.confirmed > 200)
  remount(disk, 'rw')
  await using next = startRecorder(options)
  const published = await flow.stop()
  const total = [...published.values()].reduce((sum, ids) => sum + ids.length, 0)
  await until('all are recorded', () => next.status.head === total)
})

/** The log is emptied first, or there would be room in it for seconds. */
function fill(disk: SmallDisk, path: string): void {
  const database = new Database(path)
  database.pragma('wal_checkpoint(TRUNCATE)')
  disk.fill()
  database.close()
}

async function holds(recorder: Recorder, error: RegExp): Promise<void> {
  await until('the recorder holds', () => recorder.status.state === 'holding')
  assert.match(recorder.status.lastError ?? '', error)
  const { head } = recorder.status
  await until('the broker keeps the rest', () => recorder.status.held > 0)
  assert.equal(recorder.status.head, head)
}

async function waits(consumer: Consumer, error: RegExp): Promise<void> {
  await until('the consumer waits', () => error.test(consumer.status.lastError ?? ''))
}

function remount(disk: SmallDisk, mode: 'ro' | 'rw'): void {
  execFileSync('mount', ['-o', `remount,${mode}`, disk.folder])
}
