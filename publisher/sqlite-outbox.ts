/**
 * The outbox in a SQLite database of the application's own, by its own better-sqlite3 connection.
 *
 * The next number is taken from a counter in the application's transaction. SQLite has one writer at a
 * time, so the numbers are in the order of the commits, and a rollback takes them back: no holes. Where
 * the application's connection is in a transaction, the relay waits for its end: it would see what is not
 * committed.
 */
import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Catalog, type EventInput, newEpoch } from '../events/index.ts'
import { knownSource, outsideTransaction } from './bounds.ts'
import { toRow } from './outbox-message.ts'
import type { OutboxHead, OutboxRow, OutboxRows, OutboxSession } from './outbox-rows.ts'
import type { EventOf } from './publisher.ts'

/** What an outbox uses of a database of better-sqlite3. */
export interface SqliteOutboxDatabase {
  /** The path that it was opened with. */
  readonly name: string
  readonly memory: boolean
  readonly open: boolean
  readonly inTransaction: boolean
  prepare(sql: string): SqliteOutboxStatement
  exec(sql: string): unknown
}

export interface SqliteOutboxStatement {
  run(...values: unknown[]): unknown
  get(...values: unknown[]): unknown
  iterate(...values: unknown[]): IterableIterator<unknown>
  safeIntegers(toggle: boolean): this
}

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
    this.rows = new TableRows(settings, this.#commits)
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

/** Learns of the commits of this process: looks after each addition whether its transaction has ended. */
class Commits {
  readonly #awaited = new Set<SqliteOutboxDatabase>()
  listener: (() => void) | undefined

  expect(tx: SqliteOutboxDatabase): void {
    if (this.listener === undefined || this.#awaited.has(tx)) return
    this.#awaited.add(tx)
    setImmediate(() => this.#look(tx))
  }

  #look(tx: SqliteOutboxDatabase): void {
    if (tx.open && tx.inTransaction) {
      setTimeout(() => this.#look(tx), lookMs).unref()
      return
    }
    this.#awaited.delete(tx)
    this.listener?.()
  }
}

/** How often to look whether the application's transaction is over. */
const lookMs = 2

class TableRows implements OutboxRows {
  readonly exchange: string
  readonly #database: SqliteOutboxDatabase
  readonly #commits: Commits
  readonly #head: SqliteOutboxStatement
  readonly #page: SqliteOutboxStatement
  readonly #remove: SqliteOutboxStatement
  readonly #lockPath: string

  constructor({ database, exchange }: SqliteOutboxSettings, commits: Commits) {
    this.exchange = exchange
    this.#database = database
    this.#commits = commits
    this.#head = database
      .prepare(
        `SELECT epoch, sequence,
          (SELECT min(sequence) FROM backstory_outbox WHERE exchange = counter.exchange) AS first
        FROM backstory_outbox_counter AS counter WHERE exchange = ?`,
      )
      .safeIntegers(false)
    this.#page = database
      .prepare(
        `SELECT sequence, id, routing_key AS routingKey, properties, body
        FROM backstory_outbox WHERE exchange = ? AND sequence > ? ORDER BY sequence LIMIT ?`,
      )
      .safeIntegers(false)
    this.#remove = database.prepare('DELETE FROM backstory_outbox WHERE exchange = ? AND sequence <= ?')
    this.#lockPath = `${resolve(database.name)}-${fileNameOf(exchange)}-relay`
  }

  async head(): Promise<OutboxHead> {
    await this.#outsideTransaction()
    const { epoch, sequence, first } = this.#head.get(this.exchange) as {
      epoch: string
      sequence: number
      first: number | null
    }
    return { epoch, sequence, first: first ?? undefined }
  }

  async acquire(): Promise<OutboxSession | undefined> {
    const lock = lockFile(this.#database, this.#lockPath)
    if (lock === undefined) return undefined
    const head = () => this.head()
    const commits = this.#commits
    return {
      pollMs,
      head,
      page: (options) => this.#readPage(options),
      remove: async ({ upTo }) => {
        await this.#outsideTransaction()
        this.#remove.run(this.exchange, upTo)
      },
      async onCommit(listener) {
        commits.listener = listener
      },
      async release() {
        commits.listener = undefined
        lock.close()
      },
    }
  }

  async #readPage({
    after,
    limit,
    bytesMax,
  }: {
    after: number
    limit: number
    bytesMax: number
  }): Promise<OutboxRow[]> {
    await this.#outsideTransaction()
    const rows: OutboxRow[] = []
    let bytes = 0
    for (const row of this.#page.iterate(this.exchange, after, limit) as Iterable<OutboxRow>) {
      rows.push(row)
      bytes += row.body.length
      if (bytes >= bytesMax) break
    }
    return rows
  }

  async #outsideTransaction(): Promise<void> {
    while (this.#database.inTransaction) await sleep(lookMs)
  }
}

/** A look is one probe of an index: some microseconds. */
const pollMs = 20

function fileNameOf(exchange: string): string {
  const name = encodeURIComponent(exchange)
  return name.length <= fileNameMax ? name : createHash('sha256').update(exchange).digest('hex')
}

const fileNameMax = 100

interface Lock {
  close(): void
}

/**
 * A lock that ends with the process, however that ends: an open transaction on an empty file, as recorders
 * and consumers have theirs. The driver is the application's: the class of its own connection opens the file.
 */
function lockFile(database: SqliteOutboxDatabase, path: string): Lock | undefined {
  if (database.memory) return { close() {} }
  const Driver = database.constructor as new (
    path: string,
    options: { timeout: number },
  ) => SqliteOutboxDatabase & Lock
  const file = new Driver(path, { timeout: 0 })
  try {
    file.exec('BEGIN EXCLUSIVE')
    return file
  } catch (error) {
    file.close()
    if (String((error as { code?: unknown }).code).startsWith('SQLITE_BUSY')) return undefined
    throw error
  }
}
