import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { auditHistory } from '../audit/history-audit.ts'
import { keeperContract } from '../keeper.contract.ts'
import { openHistory, openHistoryKeeper, openHistoryWriter } from '../open-history.ts'
import { openSqlite } from './sqlite.ts'

async function temporaryFile(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'backstory-keeper-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return join(folder, 'history.db')
}

/** Which of the bytes on the disk have it. */
function tracesIn(path: string, text: string): string[] {
  const files = [path, `${path}-wal`, `${path}-shm`]
  return files.filter((file) => existsSync(file) && readFileSync(file).includes(text))
}

keeperContract('sqlite file', async (t) => {
  const path = await temporaryFile(t)
  return {
    openWriter: () => openHistoryWriter({ history: path, exchange: 'orders' }),
    openReader: () => openHistory({ history: path }),
    openKeeper: () => openHistoryKeeper({ history: path }),
    traces: async (text) => tracesIn(path, text),
  }
})

const erasing = { subject: 'EC-1', reason: 'asked for', by: 'the office' }

test('a file that was begun without secure deletion is rewritten, so that no slack keeps what was erased', async (t) => {
  const path = await temporaryFile(t)
  const writer = await openHistoryWriter({ history: path, exchange: 'orders' })
  await writer.close()
  const old = await openSqlite(path)
  old.pragma('auto_vacuum = NONE')
  old.exec('VACUUM')
  const insert = old.prepare(
    `INSERT INTO events (position, source, id, type, subject, recorded_at, unidentified, routing_key, properties, body)
     VALUES (?, '/s', ?, 't', 'EC-1', 0, 0, '', '{}', ?)`,
  )
  for (let position = 1; position <= 30; position++)
    insert.run(position, `${position}`, `secret ${'x'.repeat(300)}`)
  // Freed without a thought, as an older version did.
  old.prepare('DELETE FROM events WHERE position > 20').run()
  old.pragma('wal_checkpoint(TRUNCATE)')
  old.close()
  const keeper = await openHistoryKeeper({ history: path })
  await keeper.erase(erasing)
  assert.deepEqual(tracesIn(path, 'secret'), [])
  await keeper.close()
})

test('a reader that is at one query all the time keeps an erasure from being finished, by name', async (t) => {
  const path = await temporaryFile(t)
  const writer = await openHistoryWriter({ history: path, exchange: 'orders' })
  const message = { exchange: 'orders', routingKey: '', properties: {}, body: Buffer.from('secret') }
  const event = { id: '1', source: '/s', type: 't', subject: 'EC-1', message }
  await writer.append({ events: [event], fences: [] })
  const slow = await openSqlite(path, { readonly: true })
  slow.exec('BEGIN')
  slow.prepare('SELECT count(*) FROM events').get()
  const keeper = await openHistoryKeeper({ history: path, clearWaitMs: 1 })
  await assert.rejects(keeper.erase(erasing), { code: 'HISTORY_UNAVAILABLE', message: /-wal may still hold/ })
  slow.exec('COMMIT')
  assert.equal((await keeper.erase(erasing))?.events, 1)
  assert.deepEqual(tracesIn(path, 'secret'), [])
  slow.close()
  await keeper.close()
  await writer.close()
})

test('an audit judges the batches that retention has thinned out, and takes pruned numbers for none lost', async (t) => {
  const path = await temporaryFile(t)
  const writer = await openHistoryWriter({ history: path, exchange: 'orders' })
  const events = Array.from({ length: 60 }, (_, index) => {
    const headers = { 'ce-sequence': `0lx3f9k2ab7qz.${String(index + 1).padStart(16, '0')}` }
    const message = { exchange: 'orders', routingKey: '', properties: { headers }, body: Buffer.from('{}') }
    const type = index % 4 === 0 ? 'order' : 'price'
    return { id: `${index}`, source: '/s', type, subject: undefined, message }
  })
  // The 29th number is in no event: that is a loss, among pruned ones too.
  const published = events.filter((_event, index) => index !== 28)
  for (let from = 0; from < published.length; from += 10)
    await writer.append({ events: published.slice(from, from + 10), fences: [] })
  await writer.close()
  const reader = openHistory({ history: path })
  const holes = async () => (await auditHistory(reader)).holes.listed.map(({ from, to }) => [from, to])
  assert.deepEqual(await holes(), [[29, 29]])
  const keeper = await openHistoryKeeper({ history: path })
  await keeper.prune({ type: 'price', keepEvents: 3 })
  await keeper.close()
  const audit = await auditHistory(reader)
  assert.deepEqual(
    [audit.pruned, audit.removed.count, audit.changed.count, audit.late.count, audit.repeated.count],
    [42, 0, 0, 0, 0],
  )
  assert.deepEqual(await holes(), [[26, 32]], 'fewer positions were pruned there than numbers are missing')
  const hand = await openSqlite(path)
  hand.prepare("UPDATE events SET id = 'another' WHERE position = 5").run()
  hand.close()
  assert.equal((await auditHistory(reader)).changed.count, 1)
  await reader.close()
})
