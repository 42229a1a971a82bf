/**
 * Production: the cars to build, and no other.
 *
 * The handlers need not guard against repeats or strange orders: each event takes effect once, and an
 * order's cancellation comes after the order. They say so aloud, with an insert that fails on a second
 * car and a removal that fails without one, so that a broken promise stops production instead of
 * building a car twice.
 */
import { fileURLToPath } from 'node:url'
import { defineConsumer } from 'backstory'
import { eq, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import { migrate } from 'drizzle-orm/better-sqlite3/migrator'
import { orderEvents } from '../events.ts'
import { cars } from './schema.ts'

const migrationsFolder = fileURLToPath(new URL('./migrations', import.meta.url))

export default defineConsumer({
  name: 'production',
  exchange: 'orders',
  events: orderEvents,
  prepare(database) {
    const db = drizzle(database)
    migrate(db, { migrationsFolder })
    const { placeholder } = sql
    return {
      addCar: db
        .insert(cars)
        .values({
          externalId: placeholder('externalId'),
          model: placeholder('model'),
          options: placeholder('options'),
          dueDate: placeholder('dueDate'),
        })
        .prepare(),
      removeCar: db
        .delete(cars)
        .where(eq(cars.externalId, placeholder('externalId')))
        .prepare(),
    }
  },
  on: {
    'order.placed'({ data }, { tx }) {
      tx.addCar.run({
        externalId: data.external_id,
        model: data.name,
        options: JSON.stringify(data.options ?? []),
        dueDate: data.delivery_date,
      })
    },
    'order.cancelled'({ data }, { tx }) {
      const { changes } = tx.removeCar.run({ externalId: data.external_id })
      if (changes !== 1) throw new Error(`Order ${data.external_id} is cancelled, but has no car to build`)
    },
  },
})
