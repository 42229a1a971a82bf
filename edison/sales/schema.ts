/**
 * Sales' own database: the orders. The outbox beside them has tables of its own.
 *
 * After a change here, write the next migration with
 * `npx drizzle-kit generate --dialect sqlite --schema edison/sales/schema.ts --out edison/sales/migrations`.
 */
import { integer, real, sqliteTable, text } from 'drizzle-orm/sqlite-core'

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
