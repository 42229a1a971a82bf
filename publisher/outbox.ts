/**
 * The transactional outbox: an event and the change that it tells of are committed together, or neither is.
 *
 * The application adds the event in its own transaction, to a table in its own database; a relay publishes
 * it from there. To write to the database and then publish loses the event where the process dies in
 * between; to publish first tells of what a rollback takes back.
 *
 * The outbox has a sequence of its own that lives in the database: dense over restarts, and taken back
 * with a rollback. It is the order in which the events leave.
 */
import { requireExchangeName, requirePartitions } from '../broker/index.ts'
import type { Catalog } from '../events/index.ts'
import { bodyBytesCeiling, bodyBytesUsual, requireInteger, requireName } from './bounds.ts'
import { openPostgresOutbox, type PostgresOutbox } from './postgres-outbox.ts'
import type { PostgresOutboxPool } from './postgres-outbox-pool.ts'
import { openSqliteOutbox, type SqliteOutbox } from './sqlite-outbox.ts'
import type { SqliteOutboxDatabase } from './sqlite-outbox-database.ts'

export interface OutboxOptions<Database, Events extends Catalog = Catalog> {
  /** A database of better-sqlite3, or a pool of pg: the application's own, which stays open. */
  readonly database: Database
  /** The exchange that its events are for; an outbox each in one database. */
  readonly exchange: string
  /** The `source` of its events, kept with it. Default: the one that it was made with. */
  readonly source?: string
  /**
   * How many partitions the exchange is parted into: an event without a `routingKey` then has its subject for
   * one. Its relay is given the same number. Default: none.
   */
  readonly partitions?: number
  /** The event types of the exchange; types `add`. */
  readonly events?: Events
  /** Default 16 MiB, RabbitMQ 4's own limit. */
  readonly bodyBytesMax?: number
}

/**
 * Opens an outbox; makes its tables `backstory_outbox` and `backstory_outbox_counter` where missing.
 *
 * @returns At once with better-sqlite3; a promise with pg.
 * @throws PublishError `PUBLISH_OUTBOX_FOREIGN` the outbox has another source, or is to be made and no
 *   `source` is given. TypeError for an option out of its range. What the database throws.
 */
export function openOutbox<Events extends Catalog = Catalog>(
  options: OutboxOptions<SqliteOutboxDatabase, Events>,
): SqliteOutbox<Events>
export function openOutbox<Events extends Catalog = Catalog>(
  options: OutboxOptions<PostgresOutboxPool, Events>,
): Promise<PostgresOutbox<Events>>
export function openOutbox({
  database,
  exchange,
  source,
  partitions,
  bodyBytesMax = bodyBytesUsual,
}: OutboxOptions<SqliteOutboxDatabase | PostgresOutboxPool>): SqliteOutbox | Promise<PostgresOutbox> {
  requireExchangeName(exchange)
  if (source !== undefined) requireName({ source }, 'a non-empty text')
  if (partitions !== undefined) requirePartitions(partitions)
  requireInteger({ bodyBytesMax }, 1, bodyBytesCeiling)
  const settings = { exchange, source, partitions, bodyBytesMax }
  if (isSqlite(database)) return openSqliteOutbox({ database, ...settings })
  if (isPool(database)) return openPostgresOutbox({ database, ...settings })
  throw new TypeError('Expected `database` to be a database of better-sqlite3, or a pool of pg')
}

function isSqlite(database: SqliteOutboxDatabase | PostgresOutboxPool): database is SqliteOutboxDatabase {
  const { prepare, inTransaction } = (database ?? {}) as Partial<SqliteOutboxDatabase>
  return typeof prepare === 'function' && typeof inTransaction === 'boolean'
}

/** A client of pg can connect and query too, but there would be no second one once it is lost. */
function isPool(database: PostgresOutboxPool): boolean {
  const { connect, query, totalCount } = (database ?? {}) as Partial<PostgresOutboxPool>
  return typeof connect === 'function' && typeof query === 'function' && totalCount !== undefined
}
