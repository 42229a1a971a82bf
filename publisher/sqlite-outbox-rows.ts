/**
 * The rows of an outbox in SQLite, for its relay, on the application's own connection.
 *
 * Where that is in a transaction, they wait for its end: they would see what is not committed, and delete
 * what a rollback brings back.
 */
import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { OutboxHead, OutboxRow, OutboxRows, OutboxSession } from './outbox-rows.ts'
import { type Commits, lookMs } from './sqlite-commits.ts'
import type { SqliteOutboxDatabase, SqliteOutboxStatement } from './sqlite-outbox-database.ts'

export class SqliteRows implements OutboxRows {
  readonly exchange: string
  readonly #database: SqliteOutboxDatabase
  readonly #commits: Commits
  readonly #head: SqliteOutboxStatement
  readonly #page: SqliteOutboxStatement
  readonly #remove: SqliteOutboxStatement
  readonly #lockPath: string

  constructor({
    database,
    exchange,
    commits,
  }: { database: SqliteOutboxDatabase; exchange: string; commits: Commits }) {
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
