/** The database of a seller: its orders, which must be equal to its events. */
import { openSqlite, type SqliteDatabase } from '../../history/index.ts'

export async function openOrders(path: string): Promise<SqliteDatabase> {
  const database = await openSqlite(path)
  database.exec('CREATE TABLE IF NOT EXISTS orders (number INTEGER PRIMARY KEY)')
  return database
}

/** The numbers of the orders, as the ids of their events, in their order; none where there is no database yet. */
export async function readOrders(path: string): Promise<string[]> {
  const database = await openSqlite(path, { readonly: true }).catch(() => undefined)
  if (database === undefined) return []
  try {
    const numbers = database.prepare('SELECT number FROM orders ORDER BY number').pluck().all() as number[]
    return numbers.map(String)
  } finally {
    database.close()
  }
}
