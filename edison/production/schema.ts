/**
 * Production's tables: the cars to build.
 *
 * After a change here, write the next migration with
 * `npx drizzle-kit generate --dialect sqlite --schema edison/production/schema.ts --out edison/production/migrations`.
 */
import { sqliteTable, text } from 'drizzle-orm/sqlite-core'

export const cars = sqliteTable('cars', {
  /** The order that the car is built for. */
  externalId: text('external_id').primaryKey(),
  model: text('model').notNull(),
  /** As the order has them, JSON. */
  options: text('options').notNull(),
  /** YYYY-MM-DD: the day on which the customer wants it. */
  dueDate: text('due_date').notNull(),
})
