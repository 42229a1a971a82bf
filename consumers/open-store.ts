/**
 * A consumer's store by its address: a `postgres://` URL is a PostgreSQL database, anything else the path of
 * a SQLite file.
 */
import { isPostgresUrl } from '../history/index.ts'
import type { StoreDatabase } from './definition.ts'
import { openPostgresStore } from './postgres/postgres-store.ts'
import { readPostgresStore } from './postgres/postgres-store-reader.ts'
import { openSqliteStore } from './sqlite/sqlite-store.ts'
import { readSqliteStore, type StoredConsumer } from './sqlite/sqlite-store-reader.ts'
import type { ConsumerStore } from './store.ts'

/**
 * Opens, or makes, a consumer's store.
 *
 * @param options.prepare - See ConsumerDefinition. It says which kind of store it is written for; whoever
 *   names the address must name one of that kind.
 * @throws as `openSqliteStore` and `openPostgresStore` do.
 */
export async function openStore<Tx, Database extends StoreDatabase>(
  address: string,
  {
    consumer,
    exchange,
    prepare,
  }: { consumer: string; exchange: string; prepare?: (database: Database) => Tx | Promise<Tx> },
): Promise<ConsumerStore<Tx>> {
  const options = {
    consumer,
    exchange,
    ...(prepare && { prepare: (database: StoreDatabase) => prepare(database as Database) }),
  }
  return isPostgresUrl(address)
    ? await openPostgresStore<Tx>({ url: address, ...options })
    : await openSqliteStore<Tx>({ path: address, ...options })
}

/**
 * Reads the consumers that a store holds, without disturbing them.
 *
 * @throws as `readSqliteStore` and `readPostgresStore` do.
 */
export async function readStore(address: string): Promise<StoredConsumer[]> {
  return isPostgresUrl(address) ? await readPostgresStore(address) : await readSqliteStore(address)
}
