/** The audit at the size that it is for; history/history-audit.test.ts has what it finds. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { attributesOf, newEpoch, sequenceText, toMessage } from '../../events/index.ts'
import { type HistoryAudit, openHistoryWriter, openSqlite } from '../../history/index.ts'
import { orderEvent } from '../../scripts/bench/order-placed.ts'

const exchange = 'orders'
const batch = 1_000
const script = fileURLToPath(new URL('../../scripts/backstory.ts', import.meta.url))
const tellsMemory =
  'data:text/javascript,process.on("exit",()=>console.error("kB",process.resourceUsage().maxRSS))'

interface Audited {
  readonly code: number
  readonly audit: HistoryAudit
  readonly seconds: number
  readonly residentMb: number
}

/** The command, as a process of its own. */
async function audited(path: string): Promise<Audited> {
  const args = [
    '--import',
    'tsx',
    '--import',
    tellsMemory,
    script,
    'audit',
    exchange,
    '--history',
    path,
    '--json',
  ]
  const started = performance.now()
  return await new Promise((resolve, reject) => {
    execFile(process.execPath, args, { maxBuffer: 1e8 }, (error, stdout, stderr) => {
      if (stdout === '') return reject(new Error(stderr))
      const seconds = (performance.now() - started) / 1_000
      const residentMb = Number(/kB (\d+)\n$/.exec(stderr)![1]) / 1_024
      resolve({ code: Number(error?.code ?? 0), audit: JSON.parse(stdout), seconds, residentMb })
    })
  })
}

/** Appends orders until the history has so many: of three publishers, one of which starts again and again. */
async function fill(path: string, { from, to }: { from: number; to: number }): Promise<void> {
  const writer = await openHistoryWriter({ path, exchange })
  const publishers = ['/sales', '/web', '/shop'].map((source) => ({ source, epoch: newEpoch(), sequence: 0 }))
  for (let number = from; number < to; number += batch) {
    publishers[2] = { source: '/shop', epoch: newEpoch(), sequence: 0 }
    const events = Array.from({ length: Math.min(batch, to - number) }, (_, index) => {
      const publisher = publishers[index % 3]!
      publisher.sequence += 1
      const message = toMessage(orderEvent(number + index), { exchange, source: publisher.source })
      const sequence = sequenceText(publisher.epoch, publisher.sequence)
      const headers = { ...message.properties.headers, 'ce-sequence': sequence }
      return {
        ...attributesOf(message),
        message: { ...message, properties: { ...message.properties, headers } },
      }
    })
    await writer.append({ events, fences: [] })
  }
  await writer.close()
}

test('of a million events, one removed by hand is named exactly, in under a minute, in memory that does not grow', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'backstory-audit-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'orders.db')

  await fill(path, { from: 0, to: 100_000 })
  const small = await audited(path)
  assert.deepEqual([small.code, small.audit.clean, small.audit.held], [0, true, 100_000])

  await fill(path, { from: 100_000, to: 1_000_000 })
  const whole = await audited(path)
  assert.deepEqual([whole.code, whole.audit.clean, whole.audit.held], [0, true, 1_000_000])

  const database = await openSqlite(path)
  const position = 654_322
  const row = database.prepare('SELECT source, properties FROM events WHERE position = ?').get(position)
  const { source, properties } = row as { source: string; properties: string }
  const [epoch, sequence] = properties.split(' ')[2]!.split('.')
  database.prepare('DELETE FROM events WHERE position = ?').run(position)
  database.close()

  const damaged = await audited(path)
  assert.equal(damaged.code, 1)
  const number = Number(sequence)
  const { removed, changed, holes, late, repeated, held } = damaged.audit
  assert.deepEqual(removed, {
    count: 1,
    listed: [{ from: position, to: position, sequences: [{ source, epoch, from: number, to: number }] }],
  })
  assert.deepEqual(
    [changed, holes, late, repeated].map(({ count }) => count),
    [0, 0, 0, 0],
  )
  assert.equal(held, 999_999)

  for (const [name, { seconds, residentMb }] of Object.entries({ small, whole, damaged })) {
    t.diagnostic(`${name}: ${seconds.toFixed(1)} s, ${residentMb.toFixed(0)} MB resident`)
    assert.ok(seconds < 60)
    assert.ok(residentMb < 200)
  }
  assert.ok(damaged.residentMb < small.residentMb * 1.25)
})
