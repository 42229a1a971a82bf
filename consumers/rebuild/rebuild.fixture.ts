/** A history and a store to rebuild, without a broker: what a consumer does to its store is done by hand. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type CloudEvent, MessageEvent, silentLogger, toMessage } from '../../events/index.ts'
import {
  openHistory,
  openHistoryWriter,
  openSqlite,
  type SqliteDatabase,
  type StoredEvent,
} from '../../history/index.ts'
import { Applier } from '../applier.ts'
import { certify } from '../certificate.ts'
import {
  type ConsumerDefinition,
  defineConsumer,
  type Handlers,
  type ParkingPolicy,
  resolveParking,
} from '../definition.ts'
import { HandlerTable } from '../handler-table.ts'
import { openSqliteStore } from '../sqlite/sqlite-store.ts'
import { readSqliteStore } from '../sqlite/sqlite-store-reader.ts'

const source = '/sales'
const exchange = 'orders'

export interface RebuildPlace {
  readonly folder: string
  readonly history: string
  readonly store: string
  /** Records order.placed events with these ids and subjects `EC-0` to `EC-9`. */
  record(ids: readonly number[]): Promise<void>
  /** Applies the history up to a position, then these ids live, as a consumer that then stops. */
  consume(definition: ConsumerDefinition, upTo: number, live?: readonly number[]): Promise<void>
  /** The consumer, taken in hand as a running one has it. */
  open(definition: ConsumerDefinition): Promise<OpenConsumer>
  /** Events of the history. */
  page(after: number, upTo: number): Promise<StoredEvent[]>
  query<Row = unknown>(sql: string): Promise<Row[]>
  /** Changes the store by another hand's connection. */
  exec(sql: string): Promise<void>
  level(consumer?: string): Promise<boolean>
  /** Files that a rebuild has left behind. */
  leftovers(): Promise<string[]>
}

export interface OpenConsumer {
  readonly applier: Applier<SqliteDatabase>
  close(): Promise<void>
}

export async function rebuildPlace(t: TestContext): Promise<RebuildPlace> {
  const folder = await mkdtemp(join(tmpdir(), 'backstory-rebuild-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const [history, store] = [join(folder, 'history.db'), join(folder, 'store.db')]
  const open = async (definition: ConsumerDefinition): Promise<OpenConsumer> => {
    const { name, prepare } = definition
    const opened = await openSqliteStore({
      path: store,
      consumer: name,
      exchange,
      ...(prepare && { prepare }),
    })
    const { signal } = new AbortController()
    await opened.acquire(signal)
    const applier = await Applier.open<SqliteDatabase>({
      consumer: name,
      store: opened,
      handlers: new HandlerTable<SqliteDatabase>(definition),
      parking: resolveParking(definition.parking),
      carefulMax: 0,
      rememberMs: 0,
      clock: { now: Date.now, sleep: async () => {} },
      signal,
      logger: silentLogger,
    })
    return { applier, close: () => opened.close() }
  }
  const onStore = async <Result>(work: (database: SqliteDatabase) => Result): Promise<Result> => {
    const database = await openSqlite(store)
    try {
      return work(database)
    } finally {
      database.close()
    }
  }
  return {
    folder,
    history,
    store,
    open,
    async record(ids) {
      const writer = await openHistoryWriter({ history, exchange })
      const events = ids.map((id) => {
        const { source, type, subject, message } = orderPlaced(id)
        return { id: String(id), source, type, subject, message }
      })
      for (let from = 0; from < events.length; from += 1_000)
        await writer.append({ events: events.slice(from, from + 1_000), fences: [] })
      await writer.close()
    },
    async consume(definition, upTo, live = []) {
      const { applier, close } = await open(definition)
      const reader = openHistory({ history })
      for (;;) {
        const page = await reader.read({ after: applier.state.cursor, upTo })
        if (page.length === 0) break
        await applier.replay(page)
      }
      if (live.length > 0) await applier.live(live.map(orderPlaced), () => {})
      await reader.close()
      await close()
    },
    async page(after, upTo) {
      const reader = openHistory({ history })
      const page = await reader.read({ after, upTo })
      await reader.close()
      return page
    },
    query: (sql) => onStore((database) => database.prepare(sql).all() as never[]),
    exec: (sql) => onStore((database) => void database.exec(sql)),
    async level(consumer = 'shipping') {
      const reader = openHistory({ history })
      const { name, ...marks } = (await readSqliteStore(store)).find(({ name }) => name === consumer)!
      const certificate = await certify({ consumer: name, ...marks }, reader)
      await reader.close()
      return certificate.level
    },
    leftovers: async () =>
      (await readdir(folder)).filter((file) => file.includes('-rebuild') && !file.endsWith('-rebuild')),
  }
}

/** An event as it comes out of the queue. */
export function orderPlaced(id: number): CloudEvent {
  const subject = `EC-${id % 10}`
  const message = toMessage(
    { type: 'order.placed', id: String(id), subject, data: { id } },
    { exchange, source },
  )
  return new MessageEvent({ id: String(id), source, type: 'order.placed', subject }, message)
}

export function idsUpTo(last: number, first = 1): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
}

/**
 * A consumer with two tables that go together: the number of rows in one is the sum in the other, and all
 * rows are of one version.
 */
export function ordersConsumer(
  version: number,
  {
    name = 'shipping',
    on = {},
    parking,
  }: {
    name?: string
    on?: Handlers<Record<never, never>, SqliteDatabase>
    parking?: ParkingPolicy | false
  } = {},
): ConsumerDefinition {
  return defineConsumer({
    name,
    exchange,
    prepare(database: SqliteDatabase) {
      database.exec(ordersTables)
      return database
    },
    on: { '*': (event, { tx }) => placeOrder(tx, event, version), ...on } as ConsumerDefinition['on'],
    retry: { attempts: 1 },
    ...(parking !== undefined && { parking }),
  })
}

export const ordersTables = `
  CREATE TABLE IF NOT EXISTS orders (source TEXT NOT NULL, id TEXT NOT NULL, subject TEXT,
    version INTEGER NOT NULL, PRIMARY KEY (source, id));
  CREATE INDEX IF NOT EXISTS orders_subject ON orders (subject);
  CREATE TABLE IF NOT EXISTS totals (subject TEXT PRIMARY KEY, orders INTEGER NOT NULL, version INTEGER NOT NULL)
    WITHOUT ROWID;`

export function placeOrder(tx: SqliteDatabase, { source, id, subject }: CloudEvent, version: number): void {
  tx.prepare('INSERT INTO orders VALUES (?, ?, ?, ?)').run(source, id, subject, version)
  tx.prepare(
    `INSERT INTO totals VALUES (?, 1, ?)
     ON CONFLICT (subject) DO UPDATE SET orders = orders + 1, version = excluded.version`,
  ).run(subject, version)
}
