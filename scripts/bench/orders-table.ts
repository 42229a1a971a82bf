/** The table that a bootstrapped consumer keeps, written by our handler and by the bare loop alike. */
import type { OrderPlaced } from './order-placed.ts'

export const ordersTable = `
CREATE TABLE orders (
  external_id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  price REAL NOT NULL,
  order_date TEXT NOT NULL,
  delivery_date TEXT NOT NULL,
  customer_name TEXT NOT NULL
) STRICT, WITHOUT ROWID`

export const upsertSql = `
INSERT INTO orders (external_id, name, price, order_date, delivery_date, customer_name)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (external_id) DO UPDATE SET name = excluded.name, price = excluded.price,
  order_date = excluded.order_date, delivery_date = excluded.delivery_date,
  customer_name = excluded.customer_name`

export const postgresOrdersTable = `
CREATE TABLE orders (
  external_id text PRIMARY KEY,
  name text NOT NULL,
  price double precision NOT NULL,
  order_date text NOT NULL,
  delivery_date text NOT NULL,
  customer_name text NOT NULL
)`

/** The same with PostgreSQL's placeholders. */
export const postgresUpsertSql = upsertSql.replace('(?, ?, ?, ?, ?, ?)', '($1, $2, $3, $4, $5, $6)')

export function upsertValues(order: OrderPlaced): [string, string, number, string, string, string] {
  const { external_id, name, price, order_date, delivery_date, customer_name } = order
  return [external_id, name, price, order_date, delivery_date, customer_name]
}
