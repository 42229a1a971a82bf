/** The audits at the size that they are for; history/audit/history-audit.test.ts has what they find. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { attributesOf, newEpoch, sequenceHeader, sequenceText, toMessage } from '../../events/index.ts'
import { openHistoryWriter } from '../../history/index.ts'
import { type ConsumerAudit, type HistoryAudit, startConsumer, startRecorder } from '../../index.ts'
import { orderEvent } from '../../scripts/bench/order-placed.ts'
import { newExchange } from '../fixtures/exchange.ts'
import { forgetEvent } from '../fixtures/forget-event.ts'

const batch = 1_000
const script = fileURLToPath(new URL('../../scripts/backstory.ts', import.meta.url))
const tellsMemory =
  'data:text/javascript,process.on("exit",()=>console.error("kB",process.resourceUsage().maxRSS))'

interface Audited<Audit> {
  readonly code: number
  readonly audit: Audit
  readonly seconds: number
  readonly residentMb: number
}

/** The command, as a process of its own. */
async function audited<Audit>(...args: readonly string[]): Promise<Audited<Audit>> {
  const command = [...process.execArgv, '--import', tellsMemory, script, 'audit', ...args, '--json']
  const started = performance.now()
  return await new Promise((resolve, reject) => {
    execFile(process.execPath, command, { maxBuffer: 1e8 }, (error, stdout, stderr) => {
      if (stdout === '') return reject(new Error(stderr))
      const seconds = (performance.now() - started) / 1_000
      const residentMb = Number(/kB (\d+)\n$/.exec(stderr)![1]) / 1_024
      resolve({ code: Number(error?.code ?? 0), audit: JSON.parse(stdout), seconds, residentMb })
    })
  })
}

/** In seconds, and in memory that does not grow with the number of events. */
function assertLight(t: TestContext, runs: Readonly<Record<string, Audited<unknown>>>): void {
  const all = Object.entries(runs)
  for (const [name, { seconds, residentMb }] of all) {
    t.diagnostic(`${name}: ${seconds.toFixed(1)} s, ${residentMb.toFixed(0)} MB resident`)
    assert.ok(seconds < 60)
    assert.ok(residentMb < 200)
    assert.ok(residentMb < all[0]![1].residentMb * 1.25)
  }
}

interface Place {
  readonly path: string
  readonly exchange: string
}

/** Appends orders until the history has so many: of three publishers, one of which starts again and again. */
async function fill({ path, exchange }: Place, { from, to }: { from: number; to: number }): Promise<void> {
  const writer = await openHistoryWriter({ history: path, exchange })
  const publishers = ['/sales', '/web', '/shop'].map((source) => ({ source, epoch: newEpoch(), sequence: 0 }))
  for (let number = from; number < to; number += batch) {
    publishers[2] = { source: '/shop', epoch: newEpoch(), sequence: 0 }
    const events = Array.from({ length: Math.min(batch, to - number) }, (_, index) => {
      const publisher = publishers[index % 3]!
      publisher.sequence += 1
      const sequence = sequenceText(publisher.epoch, publisher.sequence)
      const made = toMessage(orderEvent(number + index), { exchange, source: publisher.source })
      const headers = { ...made.properties.headers, [sequenceHeader]: sequence }
      const message = { ...made, properties: { ...made.properties, headers } }
      return { ...attributesOf(message), message }
    })
    await writer.append({ events, fences: [] })
  }
  await writer.close()
}

test('of a million events, one removed by hand is named exactly, in seconds, in memory that does not grow', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'backstory-audit-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const place = { path: join(folder, 'orders.db'), exchange: 'orders' }
  const audit = () => audited<HistoryAudit>('orders', '--history', place.path)

  await fill(place, { from: 0, to: 100_000 })
  const small = await audit()
  assert.deepEqual([small.code, small.audit.clean, small.audit.held], [0, true, 100_000])

  await fill(place, { from: 100_000, to: 1_000_000 })
  const whole = await audit()
  assert.deepEqual([whole.code, whole.audit.clean, whole.audit.held], [0, true, 1_000_000])

  const position = 654_322
  const database = new Database(place.path)
  const row = database.prepare('SELECT source, properties FROM events WHERE position = ?').get(position)
  database.prepare('DELETE FROM events WHERE position = ?').run(position)
  database.close()
  const { source, properties } = row as { source: string; properties: string }
  const [epoch, number] = properties.split(' ')[2]!.split('.')

  const damaged = await audit()
  assert.equal(damaged.code, 1)
  const { removed, changed, holes, late, repeated, held } = damaged.audit
  const sequences = [{ source, epoch, from: Number(number), to: Number(number) }]
  assert.deepEqual(removed, { count: 1, listed: [{ from: position, to: position, sequences }] })
  assert.deepEqual(
    [changed, holes, late, repeated].map(({ count }) => count),
    [0, 0, 0, 0],
  )
  assert.equal(held, 999_999)
  assertLight(t, { 'of 100,000': small, 'of 1,000,000': whole, 'with one removed': damaged })
})

test('of a million events that a consumer has applied, one removed from it is named exactly, and brought back', async (t) => {
  const place = await newExchange(t, { consumers: ['shipping'] })
  const { url: broker, exchange, folder, history } = place
  const store = place.store('shipping')
  const module = join(folder, 'shipping.ts')
  writeFileSync(
    module,
    `import { defineConsumer } from '${new URL('../../index.ts', import.meta.url)}'
    export default defineConsumer({
      name: 'shipping',
      exchange: '${exchange}',
      prepare(database) {
        database.exec('CREATE TABLE IF NOT EXISTS done (id TEXT)')
        return database.prepare('INSERT INTO done VALUES (?)')
      },
      on: { '*': ({ id }, { tx }) => void tx.run(id) },
    })`,
  )
  const apply = async () => {
    const { default: definition } = await import(module)
    await using _recorder = startRecorder({ broker, exchange, history })
    await using consumer = await startConsumer(definition, { broker, history, store, settleMs: 0 })
    await consumer.caughtUp()
  }
  const options = [exchange, '--consumer', module, '--history', history, '--store', store]
  const audit = (...more: readonly string[]) => audited<ConsumerAudit>(...options, ...more)

  await fill({ path: history, exchange }, { from: 0, to: 100_000 })
  await apply()
  const small = await audit()
  assert.deepEqual([small.code, small.audit.clean], [0, true])

  await fill({ path: history, exchange }, { from: 100_000, to: 1_000_000 })
  await apply()
  const whole = await audit()
  assert.deepEqual([whole.code, whole.audit.clean, whole.audit.certificate.cursor], [0, true, 1_000_000])

  const position = 654_322
  const recorded = new Database(history, { readonly: true })
  const event = recorded
    .prepare('SELECT position, source, id, type, subject FROM events WHERE position = ?')
    .get(position) as { position: number; source: string; id: string }
  recorded.close()
  forgetEvent(store, event)
  const damaged = await audit()
  assert.equal(damaged.code, 1)
  assert.deepEqual(damaged.audit.missing, { count: 1, events: [event] })
  const repaired = await audit('--repair')
  t.diagnostic(`--repair: ${repaired.seconds.toFixed(1)} s, ${repaired.residentMb.toFixed(0)} MB resident`)
  assert.ok(repaired.residentMb < 200)

  await apply()
  const mended = await audit()
  assert.deepEqual([mended.code, mended.audit.clean], [0, true])
  const effects = new Database(store, { readonly: true })
  const count = effects.prepare('SELECT count(*), count(DISTINCT id) FROM done').raw().get()
  const again = effects.prepare('SELECT count(*) FROM done WHERE id = ?').pluck().get(event.id)
  effects.close()
  // Its first effect was left there: what was applied again is this one event.
  assert.deepEqual([count, again], [[1_000_001, 1_000_000], 2])
  assertLight(t, { 'of 100,000': small, 'of 1,000,000': whole, 'with one missing': damaged, mended })
})
