/**
 * Shipping's tables: what to deliver, when and where.
 *
 * After a change here, write the next migration with
 * `npx drizzle-kit generate --dialect sqlite --schema edison/shipping/schema.ts --out edison/shipping/migrations`.
 */
import { sqliteTable, text } from 'drizzle-orm/sqlite-core'

export const deliveries = sqliteTable('deliveries', {
  externalId: text('external_id').primaryKey(),
  model: text('model').notNull(),
  customerName: text('customer_name').notNull(),
  /** As the order has it, JSON; NULL where it has none. */
  address: text('address'),
  /** YYYY-MM-DD. */
  deliveryDate: text('delivery_date').notNull(),
})
