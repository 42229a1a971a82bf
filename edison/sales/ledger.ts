/**
 * The ledger: sales' database, which alone knows what was sold.
 *
 * An order and the event that it owes the world are written in one transaction, so a crash leaves
 * both or neither; the event stays `to publish` until it is marked. Nothing of the ledger is held in
 * memory, however many orders it has.
 */
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { eq, sql } from 'drizzle-orm'
import { type BetterSQLite3Database, drizzle } from 'drizzle-orm/better-sqlite3'
import { migrate } from 'drizzle-orm/better-sqlite3/migrator'
import type { OrderPlaced } from '../events.ts'
import { SalesError } from './errors.ts'
import { orderEvents, orders } from './schema.ts'

const migrationsFolder = fileURLToPath(new URL('./migrations', import.meta.url))

/** An event of an order, as the ledger keeps it. */
export interface OwedEvent {
  /** The order in which to publish: rising, with holes where a transaction was rolled back. */
  readonly sequence: number
  readonly type: 'order.placed' | 'order.cancelled'
  readonly externalId: string
  /** The order, as JSON. */
  readonly content: string
}

export interface Ledger {
  /** What the ledger has under an order's number. */
  find(externalId: string): { readonly content: string; readonly cancelled: boolean } | undefined
  /** Enters a new order and its `order.placed`. */
  enter(order: OrderPlaced, content: string): void
  /** Takes an order back and owes its `order.cancelled`. */
  cancel(externalId: string): void
  /** The events to publish after `sequence`, the oldest first. */
  toPublish(options: { after: number; limit: number }): OwedEvent[]
  /** Marks events as published. */
  markPublished(sequences: readonly number[]): void
  /** Runs `work`, which must be synchronous, in one durable transaction. */
  transaction<Result>(work: () => Result): Result
  close(): void
}

/**
 * Opens the ledger in the SQLite file `path`, made and migrated where needed.
 *
 * @throws SalesError `SALES_DATABASE_UNUSABLE`
 */
export function openLedger(path: string): Ledger {
  let database: Database.Database | undefined
  try {
    database = new Database(path)
    database.pragma('journal_mode = WAL')
    // An event must not leave before its order is on the disk, even if the power fails.
    database.pragma('synchronous = FULL')
    const db = drizzle(database)
    migrate(db, { migrationsFolder })
    return ledgerOn(database, db)
  } catch (cause) {
    database?.close()
    const { message } = cause as Error
    throw new SalesError('SALES_DATABASE_UNUSABLE', `Sales cannot use the database ${path}: ${message}`, {
      cause,
    })
  }
}

function ledgerOn(database: Database.Database, db: BetterSQLite3Database): Ledger {
  const { placeholder } = sql
  const find = db
    .select({ content: orders.content, cancelled: orders.cancelled })
    .from(orders)
    .where(eq(orders.externalId, placeholder('externalId')))
    .prepare()
  const insertOrder = db
    .insert(orders)
    .values({
      externalId: placeholder('externalId'),
      name: placeholder('name'),
      price: placeholder('price'),
      orderDate: placeholder('orderDate'),
      deliveryDate: placeholder('deliveryDate'),
      customerName: placeholder('customerName'),
      content: placeholder('content'),
    })
    .prepare()
  const cancelOrder = db
    .update(orders)
    .set({ cancelled: true })
    .where(eq(orders.externalId, placeholder('externalId')))
    .prepare()
  const owe = db
    .insert(orderEvents)
    .values({ type: placeholder('type'), externalId: placeholder('externalId') })
    .prepare()
  const toPublish = db
    .select({
      sequence: orderEvents.sequence,
      type: orderEvents.type,
      externalId: orderEvents.externalId,
      content: orders.content,
    })
    .from(orderEvents)
    .innerJoin(orders, eq(orders.externalId, orderEvents.externalId))
    // `published = 0` spelt out: SQLite uses a partial index only for the index's own condition.
    .where(sql`${orderEvents.published} = 0 and ${orderEvents.sequence} > ${placeholder('after')}`)
    .orderBy(orderEvents.sequence)
    .limit(placeholder('limit'))
    .prepare()
  const markPublished = db
    .update(orderEvents)
    .set({ published: true })
    .where(eq(orderEvents.sequence, placeholder('sequence')))
    .prepare()
  const transaction = <Result>(work: () => Result) => database.transaction(work).immediate()

  return {
    find: (externalId) => find.get({ externalId }),
    enter(order, content) {
      insertOrder.run({
        externalId: order.external_id,
        name: order.name,
        price: order.price,
        orderDate: order.order_date,
        deliveryDate: order.delivery_date,
        customerName: order.customer_name,
        content,
      })
      owe.run({ type: 'order.placed', externalId: order.external_id })
    },
    cancel(externalId) {
      cancelOrder.run({ externalId })
      owe.run({ type: 'order.cancelled', externalId })
    },
    toPublish: (options) => toPublish.all(options),
    markPublished: (sequences) =>
      transaction(() => {
        for (const sequence of sequences) markPublished.run({ sequence })
      }),
    transaction,
    close: () => database.close(),
  }
}
