import assert from 'node:assert/strict'
import { existsSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { HistoryWriter, NewEvent } from '../writer.ts'
import { noSmallDisk, smallDisk } from './full-disk.fixture.ts'
import { keepReserve, lacksReserve, withReserve } from './reserve.ts'
import { openSqlite } from './sqlite.ts'
import { openSqliteKeeper } from './sqlite-keeper.ts'
import { openSqliteWriter } from './sqlite-writer.ts'

const bytes = 6 * 1024 * 1024
const small = { bytes, historyBytes: 0 }

test('a history without a recorder can be deleted from on a disk that is full to its last byte', {
  skip: noSmallDisk,
}, async (t) => {
  const disk = smallDisk(t, { mebibytes: 32 })
  const path = join(disk.folder, 'history.db')
  const writer = await openSqliteWriter({ path, exchange: 'orders' })
  assert.equal(await keepReserve(path, small), true)
  await appendUntilFull(writer)
  await writer.close()
  disk.fill()
  assert.equal(disk.room, 0)
  await assert.rejects(deleteOldest(path, 500), 'without the reserve it could not even begin')
  let released = 0
  await withReserve(path, { work: () => deleteOldest(path, 5_000), onReleased: () => (released += 1) })
  assert.equal(released, 1)
  const next = await openSqliteWriter({ path, exchange: 'orders' })
  await next.append(batchOf(1_000, 'after'))
  await next.close()
})

test('beside a recorder that holds, deleting makes the room that it goes on with', {
  skip: noSmallDisk,
}, async (t) => {
  const disk = smallDisk(t, { mebibytes: 32 })
  const path = join(disk.folder, 'history.db')
  const writer = await openSqliteWriter({ path, exchange: 'orders' })
  await keepReserve(path, small)
  const head = await appendUntilFull(writer)
  disk.fill()
  const held = batchOf(1_000, 'held')
  await assert.rejects(writer.append(held), { code: 'HISTORY_UNAVAILABLE' })
  await withReserve(path, { work: () => deleteOldest(path, 5_000) })
  const { head: after, recorded } = await writer.append(held)
  assert.deepEqual([after, recorded], [head + 1_000, 1_000])
  for (let n = 1; n <= 20; n++) await writer.append(batchOf(100, `more-${n}`))
  await writer.close()
})

test('a subject is erased on a disk that is full to its last byte', { skip: noSmallDisk }, async (t) => {
  const disk = smallDisk(t, { mebibytes: 32 })
  const path = join(disk.folder, 'history.db')
  const writer = await openSqliteWriter({ path, exchange: 'orders' })
  await keepReserve(path, small)
  await appendUntilFull(writer)
  await writer.close()
  disk.fill()
  const keeper = await openSqliteKeeper({ path })
  const erasure = await keeper.erase({ subject: 'EC-7', reason: 'asked for', by: 'test' })
  assert.ok(erasure!.events > 50)
  assert.equal(await keeper.countErasable('EC-7'), 0)
  await keeper.close()
})

test('a history is pruned on a disk that is full to its last byte', { skip: noSmallDisk }, async (t) => {
  const disk = smallDisk(t, { mebibytes: 32 })
  const path = join(disk.folder, 'history.db')
  const writer = await openSqliteWriter({ path, exchange: 'orders' })
  await keepReserve(path, small)
  const head = await appendUntilFull(writer)
  await writer.close()
  disk.fill()
  const keeper = await openSqliteKeeper({ path })
  const { events } = await keeper.prune({ keepEvents: 1_000 })
  await keeper.close()
  assert.equal(events, head - 1_000)
  const next = await openSqliteWriter({ path, exchange: 'orders' })
  await next.append(batchOf(1_000, 'after'))
  await next.close()
})

test('without a reserve a full disk is told, with what to do', { skip: noSmallDisk }, async (t) => {
  const disk = smallDisk(t, { mebibytes: 8 })
  const path = join(disk.folder, 'history.db')
  const writer = await openSqliteWriter({ path, exchange: 'orders' })
  await appendUntilFull(writer)
  await writer.close()
  disk.fill()
  await assert.rejects(withReserve(path, { work: () => deleteOldest(path, 500) }), {
    code: 'HISTORY_UNAVAILABLE',
    message: /has no reserve .* make a few MB of room/,
  })
})

test('a reserve is made for a history that is large, where there is room, and once', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'backstory-reserve-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'history.db')
  writeFileSync(path, Buffer.alloc(10_000))
  assert.deepEqual([await keepReserve(path), await lacksReserve(path)], [false, false])
  assert.equal(existsSync(`${path}-reserve`), false)
  assert.equal(await keepReserve(path, { bytes: 10_000, historyBytes: 10_000 }), true)
  const { size, mtimeMs } = statSync(`${path}-reserve`)
  assert.equal(size, 10_000)
  assert.equal(await keepReserve(path, { bytes: 10_000, historyBytes: 10_000 }), true)
  assert.equal(statSync(`${path}-reserve`).mtimeMs, mtimeMs)
  truncateSync(path, 32 * 1024 * 1024)
  assert.equal(await lacksReserve(path), false)
  await rm(`${path}-reserve`)
  assert.equal(await lacksReserve(path), true)
})

test('work that fails for another reason leaves the reserve, and is done once', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'backstory-reserve-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'history.db')
  writeFileSync(path, Buffer.alloc(10_000))
  await keepReserve(path, { bytes: 10_000, historyBytes: 0 })
  let runs = 0
  const work = async () => {
    runs += 1
    throw Object.assign(new Error('busy'), { code: 'SQLITE_BUSY' })
  }
  await assert.rejects(withReserve(path, { work }), /busy/)
  assert.equal(runs, 1)
  assert.ok(existsSync(`${path}-reserve`))
})

/** @returns The head. */
async function appendUntilFull(writer: HistoryWriter): Promise<number> {
  for (let n = 1; ; n++) {
    try {
      await writer.append(batchOf(200, `fill-${n}`))
    } catch (error) {
      assert.equal((error as { code?: unknown }).code, 'HISTORY_UNAVAILABLE')
      return await writer.head()
    }
  }
}

/** In small transactions, as what deletes must. */
async function deleteOldest(path: string, count: number): Promise<void> {
  const database = await openSqlite(path)
  try {
    const statement = database.prepare(
      'DELETE FROM events WHERE position IN (SELECT position FROM events ORDER BY position LIMIT 200)',
    )
    for (let left = count; left > 0; left -= 200) {
      statement.run()
      database.pragma('wal_checkpoint(TRUNCATE)')
    }
  } finally {
    database.close()
  }
}

function batchOf(count: number, name: string) {
  const events = Array.from({ length: count }, (_, index): NewEvent => {
    const message = { exchange: 'orders', routingKey: '', properties: {}, body: Buffer.alloc(400, 'x') }
    return { id: `${name}-${index}`, source: '/s', type: 't', subject: `EC-${index}`, message }
  })
  return { events, fences: [] }
}
