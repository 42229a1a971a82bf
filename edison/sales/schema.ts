/**
 * Sales' own database: the orders, and the events that they owe the world.
 *
 * After a change here, write the next migration with
 * `npx drizzle-kit generate --dialect sqlite --schema edison/sales/schema.ts --out edison/sales/migrations`.
 */
import { sql } from 'drizzle-orm'
import { index, integer, real, sqliteTable, text } from 'drizzle-orm/sqlite-core'

export const orders = sqliteTable('orders', {
  externalId: text('external_id').primaryKey(),
  name: text('name').notNull(),
  price: real('price').notNull(),
  orderDate: text('order_date').notNull(),
  deliveryDate: text('delivery_date').notNull(),
  customerName: text('customer_name').notNull(),
  /** The whole order, as JSON with sorted keys: two orders are the same when this is. */
  content: text('content').notNull(),
  cancelled: integer('cancelled', { mode: 'boolean' }).notNull().default(false),
})

/** Written in the transaction that sells or cancels; `published` once the broker has confirmed. */
export const orderEvents = sqliteTable(
  'order_events',
  {
    /** The order in which to publish. */
    sequence: integer('sequence').primaryKey({ autoIncrement: true }),
    type: text('type', { enum: ['order.placed', 'order.cancelled'] }).notNull(),
    externalId: text('external_id')
      .notNull()
      .references(() => orders.externalId),
    published: integer('published', { mode: 'boolean' }).notNull().default(false),
  },
  // Only what is still to publish, so that finding it costs the same in a table of any size.
  (table) => [index('order_events_to_publish').on(table.sequence).where(sql`${table.published} = 0`)],
)
