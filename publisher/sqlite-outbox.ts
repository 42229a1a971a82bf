/**
 * The outbox in a SQLite database of the application's own, by its own better-sqlite3 connection.
 *
 * The next number is taken from a counter in the application's transaction. SQLite has one writer at a
 * time, so the numbers are in the order of the commits, and a rollback takes them back: no holes.
 */
import { type Catalog, type EventInput, newEpoch } from '../events/index.ts'
import { knownSource, outsideTransaction } from './bounds.ts'
import { toRow } from './outbox-message.ts'
import type { OutboxRows } from './outbox-rows.ts'
import type { EventOf } from './publisher.ts'
import { Commits } from './sqlite-commits.ts'
import type { SqliteOutboxDatabase, SqliteOutboxStatement } from './sqlite-outbox-database.ts'
import { SqliteRows } from './sqlite-outbox-rows.ts'

export interface SqliteOutbox<Events extends Catalog = Catalog> {
  readonly exchange: string
  readonly source: string
  /** For the relay. */
  readonly rows: OutboxRows
  /**
   * Adds an event, to be published once the transaction has committed. Events leave in the order of the
   * commits, and of the calls within one.
   *
   * @param tx - The database, in a transaction; another connection to the same file will do.
   * @returns The event's id.
   * @throws PublishError `PUBLISH_OUTSIDE_TRANSACTION`, `PUBLISH_TOO_LARGE`. TypeError for an event that
   *   AMQP cannot carry. What the database throws.
   */
  add(tx: SqliteOutboxDatabase, event: EventOf<Events>): { readonly id: string }
}

export interface SqliteOutboxSettings {
  readonly database: SqliteOutboxDatabase
  readonly exchange: string
  /** Undefined: as the outbox was made. */
  readonly source: string | undefined
  readonly partitions: number | undefined
  readonly bodyBytesMax: number
}

const tables = `
  CREATE TABLE IF NOT EXISTS backstory_outbox_counter (
    exchange TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    epoch TEXT NOT NULL,
    sequence INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS backstory_outbox (
    exchange TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    id TEXT NOT NULL,
    routing_key TEXT NOT NULL,
    properties TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (exchange, sequence)
  ) WITHOUT ROWID;
`

export function openSqliteOutbox(settings: SqliteOutboxSettings): SqliteOutbox {
  const { database, exchange } = settings
  if (database.inTransaction)
    throw new TypeError('Expected to open the outbox before a transaction, which may take its tables back')
  database.exec(tables)
  return new TableOutbox({ ...settings, source: sourceIn(database, { exchange, source: settings.source }) })
}

/** The source that the outbox was made with, made now where it is new. */
function sourceIn(
  database: SqliteOutboxDatabase,
  { exchange, source }: { exchange: string; source: string | undefined },
): string {
  const find = database.prepare('SELECT source FROM backstory_outbox_counter WHERE exchange = ?')
  if (source !== undefined && find.get(exchange) === undefined) {
    // Two processes may open it at once: the first one makes it.
    database
      .prepare('INSERT INTO backstory_outbox_counter VALUES (?, ?, ?, 0) ON CONFLICT DO NOTHING')
      .run(exchange, source, newEpoch())
  }
  const found = find.get(exchange) as { source: string } | undefined
  return knownSource(found?.source, { exchange, source, where: database.name })
}

interface Statements {
  readonly next: SqliteOutboxStatement
  readonly insert: SqliteOutboxStatement
}

class TableOutbox implements SqliteOutbox {
  readonly exchange: string
  readonly source: string
  readonly rows: OutboxRows
  readonly #settings: SqliteOutboxSettings & { readonly source: string }
  readonly #commits = new Commits()
  readonly #statements = new WeakMap<SqliteOutboxDatabase, Statements>()

  constructor(settings: SqliteOutboxSettings & { readonly source: string }) {
    this.exchange = settings.exchange
    this.source = settings.source
    this.rows = new SqliteRows({ ...settings, commits: this.#commits })
    this.#settings = settings
  }

  add(tx: SqliteOutboxDatabase, event: EventInput): { readonly id: string } {
    if (typeof tx?.prepare !== 'function')
      throw new TypeError('Expected `tx` to be the database of better-sqlite3 whose transaction it is')
    if (!tx.inTransaction) throw outsideTransaction()
    const { exchange } = this
    const { id, routingKey, properties, body } = toRow(event, this.#settings)
    const { next, insert } = this.#statementsOn(tx)
    const { sequence } = next.get(exchange) as { sequence: number }
    insert.run(exchange, sequence, id, routingKey, properties, body)
    this.#commits.expect(tx)
    return { id }
  }

  #statementsOn(tx: SqliteOutboxDatabase): Statements {
    const known = this.#statements.get(tx)
    if (known !== undefined) return known
    const statements = {
      next: tx
        .prepare(
          'UPDATE backstory_outbox_counter SET sequence = sequence + 1 WHERE exchange = ? RETURNING sequence',
        )
        .safeIntegers(false),
      insert: tx.prepare('INSERT INTO backstory_outbox VALUES (?, ?, ?, ?, ?, ?)'),
    }
    this.#statements.set(tx, statements)
    return statements
  }
}
