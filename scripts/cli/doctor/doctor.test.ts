import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { readStore, type StoredConsumer } from '../../../consumers/index.ts'
import { openHistory, openHistoryWriter, openSqlite } from '../../../history/index.ts'
import { noSmallDisk, smallDisk } from '../../../history/sqlite/full-disk.fixture.ts'
import { runCli, tempFolder } from '../run-cli.fixture.ts'
import { diskCheck, roomFinding } from './disk-check.ts'
import { type Check, examine, ok } from './examination.ts'
import { historyCheck } from './history-check.ts'
import { programCheck } from './program-check.ts'
import { storeCheck } from './store-check.ts'

/** Nothing listens there. */
const noBroker = 'amqp://guest:secret@127.0.0.1:1'

/** A folder with a history of ten events where commands look for it. */
async function place(t: TestContext) {
  const cwd = tempFolder(t)
  const history = join(cwd, 'backstory-history.db')
  const writer = await openHistoryWriter({ history, exchange: 'orders' })
  const events = Array.from({ length: 10 }, (_, index) => {
    const message = { exchange: 'orders', routingKey: '', properties: {}, body: Buffer.alloc(0) }
    return { id: `${index}`, source: '/s', type: 't', subject: undefined, message }
  })
  await writer.append({ events, fences: [] })
  t.after(() => writer.close())
  const run = (...args: string[]) =>
    runCli(['doctor', '--broker', noBroker, '--timeout', '1', ...args], { cwd })
  const look = (at = history) =>
    findingsOf(historyCheck({ shown: at, path: at, open: async () => openHistory({ history: at }) }))
  return { cwd, history, writer, run, look }
}

async function findingsOf(check: Check): Promise<string[]> {
  const { findings } = await examine([check], { timeoutMs: 30_000 })
  return findings.map(({ level, message }) => `${level} ${message}`)
}

test('a history that is well: it opens, has a recorder, and room', async (t) => {
  const { look, writer, history } = await place(t)
  const [opens, recorder, grew] = await look()
  assert.equal(opens, 'ok of exchange orders opens, with positions 1 to 10')
  assert.equal(recorder, 'ok a recorder has it open')
  assert.match(grew!, /^ok did not grow/)
  assert.match((await findingsOf(diskCheck({ path: history })))[0]!, /^ok .* MiB are free/)
  await writer.close()
  assert.match((await look())[1]!, /^warn no recorder has it open: .* start `backstory record`/)
})

test('a broker that is not there is told without its password, and the rest is looked at all the same', async (t) => {
  const { run } = await place(t)
  const { code, stdout, stderr } = await run(
    '--history',
    'postgres://user:secret@127.0.0.1:1/events',
    '--history',
    'backstory-history.db',
  )
  assert.equal(code, 1)
  assert.match(stdout, /^broker\n {2}fail {2}BROKER_UNREACHABLE: .*127\.0\.0\.1:1/m)
  assert.match(stdout, /^ {2}ok {4}of exchange orders opens/m)
  assert.match(stdout, /^ {2}fail {2}HISTORY_UNAVAILABLE: postgres:/m)
  assert.match(stderr, /^\d+ ok, \d+ to look at, 3 failed\n$/)
  assert.doesNotMatch(stdout + stderr, /secret/)
})

test('a part that hangs is told after its time, and does not keep the others', async (t) => {
  const { run } = await place(t)
  const silent = await silentServer(t)
  const startedAt = Date.now()
  const { code, stdout } = await run('--history', `postgres://user@127.0.0.1:${silent}/events`)
  assert.equal(code, 1)
  assert.match(stdout, /fail {2}did not answer within 1 s/)
  assert.match(stdout, /ok {4}Node\.js/)
  assert.ok(Date.now() - startedAt < 20_000)
})

test('a history that is missing, emptied at its beginning, or robbed of its newest event is told', async (t) => {
  const { history, look } = await place(t)
  assert.match((await look(`${history}.none`))[0]!, /^fail HISTORY_NOT_FOUND/)
  const database = await openSqlite(history)
  database.exec('DELETE FROM events WHERE position <= 3')
  assert.match((await look())[1]!, /^warn positions 1 to 3 are no longer held/)
  database.exec('DELETE FROM events WHERE position = 10')
  assert.match((await look())[0]!, /^fail its newest position 10 is missing/)
  database.close()
})

test('a recorder whose clock is ahead is told', async (t) => {
  const { history, look } = await place(t)
  const database = await openSqlite(history)
  database.prepare('UPDATE events SET recorded_at = ?').run(Date.now() + 3_600_000)
  database.close()
  assert.match((await look())[1]!, /^warn the clock of its recorder.* 3600 s ahead of ours/)
})

test('a consumer above its history and events that are parked are told', async () => {
  const state = { phase: 'live', cursor: 12 }
  const counts = { parked: 2, reactions: 1 }
  const consumer = {
    name: 'shipping',
    exchange: 'orders',
    state,
    counts,
    updatedAt: new Date(0),
    waiting: [],
  }
  const read = async () => [consumer as unknown as StoredConsumer]
  const look = (head: number) => findingsOf(storeCheck({ shown: 's', read, headOf: async () => head }))
  assert.match((await look(10))[1]!, /^fail consumer shipping is at position 12, above the head 10/)
  const [at, parked] = await look(20)
  assert.match(at!, /^ok consumer shipping of orders is live at position 12, .* 8 behind the head/)
  assert.equal(parked, 'warn consumer shipping has 3 parked events: see `backstory parked groups`')
})

test('what is no store is told', async (t) => {
  const { history } = await place(t)
  const look = (store: string) =>
    findingsOf(storeCheck({ shown: store, read: () => readStore(store), headOf: async () => undefined }))
  assert.match((await look(`${history}.none`))[0]!, /^fail CONSUMER_STORE_UNAVAILABLE/)
  assert.match((await look(history))[0]!, /^fail CONSUMER_STORE_FOREIGN/)
})

test('a disk that is full is told', { skip: noSmallDisk }, async (t) => {
  const disk = smallDisk(t, { mebibytes: 2 })
  mkdirSync(join(disk.folder, 'stores'))
  disk.fill()
  const [found] = await findingsOf(diskCheck({ path: join(disk.folder, 'stores', 'new', 'history.db') }))
  assert.match(found!, /^fail 0 MiB are free, the file has 0: the disk is full or nearly so/)
})

test('a history without the room that is kept to delete with is told', async (t) => {
  const { history } = await place(t)
  const look = (missing: boolean) =>
    findingsOf(diskCheck({ path: history, lacksReserve: async () => missing }))
  assert.match((await look(true))[1]!, /^warn no reserve is beside it/)
  assert.equal((await look(false)).length, 1)
})

test('room is judged by what was added in the last day', () => {
  const gibibyte = 1_024 ** 3
  const judged = (lastDay: number) =>
    roomFinding({ room: 10 * gibibyte, size: 10 * gibibyte, growth: { lastDay, all: 1_000 } })
  assert.equal(judged(0).level, 'ok')
  assert.match(judged(50).message, /enough for 20 days/)
  assert.match(judged(200).message, /enough for 5 days; make room/)
  assert.equal(judged(200).level, 'warn')
})

test('an old Node.js and a driver that does not load are told, the driver as a failure where it is needed', async () => {
  const load = () => Promise.reject(new Error('no such module\nand a stack'))
  const levels = async (version: string, isNeeded: boolean) => {
    const check = programCheck({ version, drivers: [{ name: 'pg', isNeeded, load }] })
    const { findings } = await examine([check], { timeoutMs: 1_000 })
    return findings.map(({ level, message }) => `${level} ${message}`)
  }
  const [node, driver] = await levels('v20.18.3', true)
  assert.match(node!, /^fail Node\.js v20\.18\.3 is too old/)
  assert.equal(driver, 'fail pg does not load (no such module): npm install pg')
  const [newer, unneeded] = await levels('v22.0.0', false)
  assert.match(newer!, /^ok/)
  assert.match(unneeded!, /^warn pg does not load/)
})

test('a check that fails in a way nobody thought of is a finding, and the others are done', async () => {
  const checks = [
    { name: 'broken', run: () => Promise.reject(new Error('nobody thought of it')) },
    { name: 'well', run: async () => [ok('fine')] },
  ]
  const { findings, isStuck } = await examine(checks, { timeoutMs: 1_000 })
  assert.deepEqual(findings, [
    { check: 'broken', level: 'fail', message: 'nobody thought of it' },
    { check: 'well', level: 'ok', message: 'fine' },
  ])
  assert.equal(isStuck, false)
})

/** Takes connections and says nothing. @returns Its port. */
async function silentServer(t: TestContext): Promise<number> {
  const sockets = new Set<{ destroy(): void }>()
  const server: Server = createServer((socket) => void sockets.add(socket.on('error', () => {})))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as { port: number }).port
}
