import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { ConsumeMessage } from 'amqplib'
import type Database from 'better-sqlite3'
import { sequenceOf } from '../events/index.ts'
import {
  connectBroker,
  historyQueueOf,
  openOutbox,
  PublishError,
  type Relay,
  type RelayOptions,
  type RelayStatus,
  type SqliteOutbox,
  startRelay,
} from '../index.ts'
import { newExchange } from './fixtures/exchange.ts'
import { type Desk, postgresDesk, postgresPool, sqliteDatabase, sqliteDesk } from './fixtures/outbox-desk.ts'
import { plainChannel } from './fixtures/plain.ts'
import { ownPostgres } from './fixtures/postgres.ts'
import { startProgram } from './fixtures/program.ts'
import { startProxy } from './fixtures/proxy.ts'
import { until } from './fixtures/until.ts'

const source = '/sales'

interface Shop {
  readonly url: string
  readonly exchange: string
  readonly path: string
  readonly database: Database.Database
  readonly outbox: SqliteOutbox
  /** Commits events with these ids, a transaction each. */
  sell(...ids: string[]): void
  relay(options?: Partial<RelayOptions>): Relay
}

/** An outbox in SQLite, for an exchange of its own. */
async function openShop(t: TestContext, { url: given }: { url?: string } = {}): Promise<Shop> {
  const { url, exchange, folder } = await newExchange(t, given === undefined ? {} : { url: given })
  const path = join(folder, 'sales.db')
  const database = sqliteDatabase(t, path)
  const outbox = openOutbox({ database, exchange, source })
  const add = database.transaction((id: string) => outbox.add(database, { type: 't', id }))
  return {
    url,
    exchange,
    path,
    database,
    outbox,
    sell: (...ids) => ids.forEach((id) => void add(id)),
    relay(options) {
      const relay = startRelay({ broker: url, outbox, ...options })
      t.after(() => relay.close())
      return relay
    },
  }
}

const numbered = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => String(from + index))

/** `id: sequence` of all that has arrived, the first of each only; and that they are of one epoch. */
async function arrived(t: TestContext, { url, exchange }: Pick<Shop, 'url' | 'exchange'>): Promise<string[]> {
  const channel = await plainChannel(t, url)
  const queue = historyQueueOf(exchange)
  const { messageCount } = await channel.checkQueue(queue)
  const epochs = new Set<string | undefined>()
  const texts: string[] = []
  const take = (message: ConsumeMessage | null) => {
    const { messageId, headers } = message!.properties
    const { epoch, sequence } = sequenceOf({ headers: headers! }) ?? {}
    epochs.add(epoch)
    texts.push(`${messageId}: ${sequence}`)
  }
  await channel.consume(queue, take, { noAck: true })
  await until('all that is in the history queue is here', () => texts.length === messageCount)
  assert.ok(epochs.size <= 1 && !epochs.has(undefined), `epochs ${[...epochs]}`)
  return [...new Set(texts)]
}

const rowsIn = (database: Database.Database) =>
  database.prepare('SELECT count(*) FROM backstory_outbox').pluck().get()

for (const [name, openDesk] of [
  ['SQLite', sqliteDesk],
  ['PostgreSQL', postgresDesk],
] as const) {
  test(`${name}: what is committed, before the relay starts and after, is published in that order and deleted`, async (t) => {
    const { url, exchange } = await newExchange(t)
    const desk: Desk = await openDesk(t, { exchange, source })
    const commit = async (ids: readonly string[]) => {
      const tx = await desk.begin()
      for (const id of ids) await tx.add({ type: 't', id, subject: 's', data: { id } })
      await tx.commit()
    }
    await commit(numbered(1, 700))
    const relay = startRelay({ broker: url, outbox: desk, inFlightMax: 50 })
    t.after(() => relay.close())
    const undone = await desk.begin()
    await undone.add({ type: 't', id: 'never' })
    await undone.rollback()
    await commit(numbered(701, 1_400))
    await relay.caughtUp()
    for (const id of numbered(1_401, 1_420)) await commit([id])
    await relay.caughtUp()
    const { state, pending, relayed, sequence, epoch, confirmsPending } = relay.status
    assert.deepEqual(
      { state, pending, relayed, sequence, confirmsPending },
      { state: 'relaying', pending: 0, relayed: 1_420, sequence: 1_420, confirmsPending: 0 },
    )
    assert.equal(epoch, (await desk.rows.head()).epoch)
    assert.equal((await desk.rows.head()).first, undefined)
    await relay.close()
    assert.equal(relay.status.state, 'stopped')
    assert.deepEqual(
      await arrived(t, { url, exchange }),
      numbered(1, 1_420).map((id) => `${id}: ${id}`),
    )
  })
}

test('over connections that are cut in mid-flow, each arrives, in order', async (t) => {
  const shop = await openShop(t)
  const proxy = await startProxy(t, shop.url)
  const broker = connectBroker({ url: proxy.url, reconnectMs: 20 })
  t.after(() => broker.close())
  const relay = shop.relay({ broker, inFlightMax: 100 })
  let sold = 0
  const sellTo = (last: number) => {
    shop.sell(...numbered(sold + 1, last))
    sold = last
  }
  for (let faults = 0; faults < 3; faults++) {
    sellTo(sold + 700)
    const { relayed } = relay.status
    await until('some are relayed', () => relay.status.relayed > relayed)
    sellTo(sold + 300)
    // What the broker has and what it has not is as good as random.
    proxy.mute()
    await until('some are on their way', () => relay.status.confirmsPending > 0)
    proxy.cut()
  }
  await relay.caughtUp()
  assert.ok(relay.status.reconnects >= 2)
  assert.deepEqual(
    await arrived(t, shop),
    numbered(1, 3_000).map((id) => `${id}: ${id}`),
  )
})

test('an event that a full queue refuses is held with all that follow it, and told, until it has room', async (t) => {
  const shop = await openShop(t)
  let retries = 0
  const count = (event: string) => {
    if (event === 'relay.retrying') retries += 1
  }
  const relay = shop.relay({ logger: { debug: count, info: count, warn: count, error: count } })
  shop.sell('1')
  await relay.caughtUp()
  const channel = await plainChannel(t, shop.url)
  const full = `${shop.exchange}.full`
  const rejecting = { 'x-max-length': 1, 'x-overflow': 'reject-publish' }
  await channel.assertQueue(full, { exclusive: true, arguments: rejecting })
  await channel.bindQueue(full, shop.exchange, '')
  // One page: its first is confirmed, the others are not.
  shop.database.transaction(() => shop.sell(...numbered(2, 5)))()
  await until('it has tried twice', () => retries >= 2)
  assert.equal(relay.status.state, 'holding')
  assert.match(relay.status.lastError!, /could not keep event [23]/)
  assert.equal(rowsIn(shop.database), 4)
  await until('it has counted', () => relay.status.pending === 4)
  await channel.unbindQueue(full, shop.exchange, '')
  await relay.caughtUp()
  assert.equal(relay.status.state, 'relaying')
  assert.deepEqual(
    await arrived(t, shop),
    numbered(1, 5).map((id) => `${id}: ${id}`),
  )
})

test('where the history queue was deleted, nothing leaves the outbox until it is there again', async (t) => {
  const shop = await openShop(t)
  const relay = shop.relay()
  shop.sell('1')
  await relay.caughtUp()
  const channel = await plainChannel(t, shop.url)
  await channel.deleteQueue(historyQueueOf(shop.exchange))
  shop.sell(...numbered(2, 50))
  await relay.caughtUp()
  const sequences = (await arrived(t, shop)).map((text) => Number(text.split(': ')[1]))
  assert.deepEqual(
    sequences.sort((a, b) => a - b),
    numbered(2, 50).map(Number),
  )
})

for (const [what, properties] of [
  ['that can never be published', { headers: {}, messageId: '2', appId: source, priority: 'no number' }],
  ['that somebody made illegible', 'no properties'],
] as const)
  test(`an event ${what} ends the relay with an error that names its row`, async (t) => {
    const shop = await openShop(t)
    shop.sell('1')
    shop.database.transaction(() => {
      shop.outbox.add(shop.database, { type: 't', id: '2' })
      shop.database
        .prepare('UPDATE backstory_outbox SET properties = ? WHERE id = ?')
        .run(JSON.stringify(properties), '2')
    })()
    shop.sell('3')
    const relay = shop.relay()
    await assert.rejects(relay.stopped, (error: PublishError) => {
      assert.ok(error instanceof PublishError)
      assert.equal(error.code, 'PUBLISH_OUTBOX_BLOCKED')
      assert.equal(error.eventId, '2')
      assert.match(error.message, /sequence = 2/)
      assert.ok(error.cause instanceof Error)
      return true
    })
    assert.equal(relay.status.state, 'stopped')
    await assert.rejects(relay.caughtUp(), { code: 'PUBLISH_OUTBOX_BLOCKED' })
    assert.ok(Number(rowsIn(shop.database)) >= 1)
    shop.database.prepare('DELETE FROM backstory_outbox WHERE sequence = 2').run()
    await shop.relay().caughtUp()
    assert.equal(rowsIn(shop.database), 0)
    assert.deepEqual(await arrived(t, shop), ['1: 1', '3: 3'])
  })

for (const database of ['SQLite', 'PostgreSQL'] as const) {
  test(`${database}: where a relay is killed, the one that stands by goes on, and nothing is missing or out of order`, async (t) => {
    const { url, exchange, folder } = await newExchange(t)
    const path = join(folder, 'sales.db')
    const desk =
      database === 'SQLite'
        ? await sqliteDesk(t, { exchange, source, path })
        : await postgresDesk(t, { exchange, source })
    const options = { broker: url, exchange, source, database: desk.place }
    const relays = [0, 1].map(() => startProgram<RelayStatus>(t, 'relay', options))
    const stateOf = (state: string) => relays.filter(({ report }) => report?.state === state)
    await until('one relays, one stands by', () => {
      return stateOf('relaying').length === 1 && stateOf('standby').length === 1
    })
    const [first] = stateOf('relaying')
    const [second] = stateOf('standby')
    let sold = 0
    const sell = async (count: number) => {
      for (const last = sold + count; sold < last; ) {
        const tx = await desk.begin()
        for (let n = 0; n < 10; n++) {
          sold += 1
          await tx.add({ type: 't', id: String(sold) })
        }
        await tx.commit()
      }
    }
    await sell(2_000)
    await first!.until('some are relayed', ({ relayed }) => relayed > 0)
    await Promise.all([first!.kill(), sell(1_000)])
    await second!.until('the rest is relayed', ({ pending, sequence }) => sequence === sold && pending === 0)
    assert.deepEqual(
      await arrived(t, { url, exchange }),
      numbered(1, sold).map((id) => `${id}: ${id}`),
    )
    assert.equal(await second!.stop(), 0)
  })
}

test('while the broker is away the outbox grows, the relay holds a bounded part of it, and close() ends at once', async (t) => {
  const shop = await openShop(t)
  const proxy = await startProxy(t, shop.url)
  proxy.refuse()
  shop.sell(...numbered(1, 2_000))
  const relay = shop.relay({ broker: proxy.url, inFlightMax: 100 })
  await until('it has looked', () => relay.status.pending === 2_000)
  await until('it has read ahead', () => relay.status.confirmsPending === 100)
  assert.equal(relay.status.state, 'connecting')
  const closed = performance.now()
  await relay.close()
  assert.ok(performance.now() - closed < 1_500)
  await relay.stopped
  await assert.rejects(relay.caughtUp(), { code: 'PUBLISH_CLOSED' })
  assert.equal(rowsIn(shop.database), 2_000)
  await shop.relay().caughtUp()
  assert.equal((await arrived(t, shop)).length, 2_000)
})

test('bodies in flight are bounded by their size', async (t) => {
  const shop = await openShop(t)
  const proxy = await startProxy(t, shop.url)
  proxy.refuse()
  const megabyte = Buffer.alloc(1024 * 1024)
  shop.database.transaction(() => {
    for (let n = 0; n < 60; n++) shop.outbox.add(shop.database, { type: 't', data: megabyte })
  })()
  const relay = shop.relay({ broker: proxy.url })
  await until('it has read ahead', () => relay.status.confirmsPending === 16)
  proxy.accept()
  await relay.caughtUp()
  assert.equal(relay.status.relayed, 60)
})

test('while the application is in a transaction, the relay neither reads nor deletes on its connection', async (t) => {
  const shop = await openShop(t)
  const relay = shop.relay()
  shop.sell('1')
  await relay.caughtUp()
  shop.database.exec('BEGIN')
  shop.outbox.add(shop.database, { type: 't', id: 'taken back' })
  // More than enough for a relay that would read it.
  for (let n = 0; n < 20; n++) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.equal(shop.database.inTransaction, true)
  shop.database.exec('ROLLBACK')
  shop.sell('2')
  await relay.caughtUp()
  assert.deepEqual(await arrived(t, shop), ['1: 1', '2: 2'])
})

test('a database that cannot be read is told and tried again', async (t) => {
  const shop = await openShop(t)
  const relay = shop.relay()
  await until('it relays', () => relay.status.state === 'relaying')
  shop.database.exec('ALTER TABLE backstory_outbox RENAME TO away')
  await until('it holds', () => relay.status.state === 'holding')
  assert.match(relay.status.lastError!, /backstory_outbox/)
  shop.database.exec('ALTER TABLE away RENAME TO backstory_outbox')
  shop.sell('1')
  await relay.caughtUp()
  assert.equal(relay.status.state, 'relaying')
  assert.deepEqual(await arrived(t, shop), ['1: 1'])
})

test('PostgreSQL: a server that is killed while it relays, and started again, costs nothing but time', async (t) => {
  const { url, exchange } = await newExchange(t)
  const server = await ownPostgres(t)
  const database = postgresPool(t, server.url)
  const outbox = await openOutbox({ database, exchange, source })
  const relay = startRelay({ broker: url, outbox })
  t.after(() => relay.close())
  let sold = 0
  const sell = async (count: number) => {
    const client = await database.connect()
    client.on('error', () => {})
    await client.query('BEGIN')
    for (let n = 0; n < count; n++) {
      sold += 1
      await outbox.add(client, { type: 't', id: String(sold) })
    }
    await client.query('COMMIT')
    client.release()
  }
  await sell(300)
  await until('some are relayed', () => relay.status.relayed > 0)
  await server.kill()
  await until('it holds', () => relay.status.state === 'holding')
  await server.start()
  await sell(300)
  await relay.caughtUp()
  assert.deepEqual(
    await arrived(t, { url, exchange }),
    numbered(1, 600).map((id) => `${id}: ${id}`),
  )
})

test('a database that the application closes too early ends the relay', async (t) => {
  const shop = await openShop(t)
  const relay = shop.relay()
  await until('it relays', () => relay.status.state === 'relaying')
  shop.database.close()
  await assert.rejects(relay.stopped, TypeError)
})

test('a broker that refuses the login ends the relay, also while there is nothing to publish', async (t) => {
  const shop = await openShop(t)
  const wrong = new URL(shop.url)
  wrong.password = 'wrong'
  await assert.rejects(shop.relay({ broker: wrong.href }).stopped, { code: 'BROKER_ACCESS_REFUSED' })
})

test('a wrong option is a TypeError that names it', async (t) => {
  const { outbox, url } = await openShop(t)
  assert.throws(() => startRelay({ broker: url, outbox, inFlightMax: 0 }), /`inFlightMax`/)
  assert.throws(() => startRelay({ broker: url, outbox: undefined as never }), /`outbox`/)
  assert.throws(() => startRelay({ broker: 'http://x', outbox }), TypeError)
})
