/**
 * Shipping: what to deliver, when and where.
 *
 * It joins late: its first deliveries are the history's, and its handlers cannot tell. As in
 * production they rely on each event taking effect once and in order, and fail where one does not.
 */
import { fileURLToPath } from 'node:url'
import { defineConsumer } from 'backstory'
import { eq, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import { migrate } from 'drizzle-orm/better-sqlite3/migrator'
import { orderEvents } from '../events.ts'
import { deliveries } from './schema.ts'

const migrationsFolder = fileURLToPath(new URL('./migrations', import.meta.url))

export default defineConsumer({
  name: 'shipping',
  exchange: 'orders',
  events: orderEvents,
  prepare(database) {
    const db = drizzle(database)
    migrate(db, { migrationsFolder })
    const { placeholder } = sql
    return {
      addDelivery: db
        .insert(deliveries)
        .values({
          externalId: placeholder('externalId'),
          model: placeholder('model'),
          customerName: placeholder('customerName'),
          address: placeholder('address'),
          deliveryDate: placeholder('deliveryDate'),
        })
        .prepare(),
      removeDelivery: db
        .delete(deliveries)
        .where(eq(deliveries.externalId, placeholder('externalId')))
        .prepare(),
    }
  },
  on: {
    'order.placed'({ data }, { tx }) {
      tx.addDelivery.run({
        externalId: data.external_id,
        model: data.name,
        customerName: data.customer_name,
        address: data.address == null ? null : JSON.stringify(data.address),
        deliveryDate: data.delivery_date,
      })
    },
    'order.cancelled'({ data }, { tx }) {
      const { changes } = tx.removeDelivery.run({ externalId: data.external_id })
      if (changes !== 1)
        throw new Error(`Order ${data.external_id} is cancelled, but was not to be delivered`)
    },
  },
})
