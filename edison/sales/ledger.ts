/**
 * The ledger: sales' database, which alone knows what was sold.
 *
 * An order and the event that tells of it stand or fall together: the event goes into the outbox in the
 * transaction that enters the order, and a relay publishes it from there. Nothing of the ledger is held in
 * memory, however many orders it has.
 */
import { fileURLToPath } from 'node:url'
import { openOutbox, type SqliteOutbox } from 'backstory'
import Database from 'better-sqlite3'
import { eq, sql } from 'drizzle-orm'
import { type BetterSQLite3Database, drizzle } from 'drizzle-orm/better-sqlite3'
import { migrate } from 'drizzle-orm/better-sqlite3/migrator'
import { type OrderPlaced, orderEvents } from '../events.ts'
import { SalesError } from './errors.ts'
import { orders } from './schema.ts'

const migrationsFolder = fileURLToPath(new URL('./migrations', import.meta.url))

export interface Ledger {
  /** For the relay. */
  readonly outbox: OrderOutbox
  /** What the ledger has under an order's number. */
  find(externalId: string): { readonly content: string; readonly cancelled: boolean } | undefined
  /** Enters a new order, and its `order.placed` into the outbox. Only in a `transaction`, like `cancel`. */
  enter(order: OrderPlaced, content: string): void
  /** Takes an order back, and adds its `order.cancelled`. */
  cancel(externalId: string): void
  /** Runs `work`, which must be synchronous, in one durable transaction. */
  transaction<Result>(work: () => Result): Result
  close(): void
}

type OrderOutbox = SqliteOutbox<typeof orderEvents>

/**
 * Opens the ledger in the SQLite file `path`, made and migrated where needed.
 *
 * @param options.exchange - Where the events of its orders are to go.
 * @throws SalesError `SALES_DATABASE_UNUSABLE`
 */
export function openLedger(path: string, { exchange }: { exchange: string }): Ledger {
  let database: Database.Database | undefined
  try {
    database = new Database(path)
    database.pragma('journal_mode = WAL')
    // An event must not leave before its order is on the disk, even if the power fails.
    database.pragma('synchronous = FULL')
    const db = drizzle(database)
    migrate(db, { migrationsFolder })
    const outbox = openOutbox({ database, exchange, source: '/edison/sales', events: orderEvents })
    return ledgerOn(db, { database, outbox })
  } catch (cause) {
    database?.close()
    // A failed migration has the reason in its cause.
    const { message } = ((cause as Error).cause ?? cause) as Error
    throw new SalesError('SALES_DATABASE_UNUSABLE', `Sales cannot use the database ${path}: ${message}`, {
      cause,
    })
  }
}

function ledgerOn(
  db: BetterSQLite3Database,
  { database, outbox }: { database: Database.Database; outbox: OrderOutbox },
): Ledger {
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
  const transaction = <Result>(work: () => Result) => database.transaction(work).immediate()

  return {
    outbox,
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
      const subject = order.external_id
      outbox.add(database, { type: 'order.placed', id: `order.placed:${subject}`, subject, data: order })
    },
    cancel(externalId) {
      cancelOrder.run({ externalId })
      const data = { external_id: externalId }
      const id = `order.cancelled:${externalId}`
      outbox.add(database, { type: 'order.cancelled', id, subject: externalId, data })
    },
    transaction,
    close: () => database.close(),
  }
}
