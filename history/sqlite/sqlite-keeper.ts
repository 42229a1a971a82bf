/**
 * The keeper of a history in a SQLite file: a second writer of the file, beside its recorder.
 *
 * SQLite's own write lock lets one transaction in after the other, so each is short. What is erased goes from
 * the pages (`secure_delete`), and the write-ahead log is emptied into the file and truncated: the bytes of the
 * file, `-wal` and `-shm` have it no more. A file that was begun before the recorder wrote with `secure_delete`
 * too may have copies in the slack of its pages: it is rewritten as a whole, once, while its recorder holds.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { HistoryError } from '../errors.ts'
import type { ErasureOptions, HistoryKeeper } from '../keeper.ts'
import { packErased } from '../packed-properties.ts'
import { type Pruned, type PruneOptions, prune } from '../prune.ts'
import type { Erasure } from '../reader.ts'
import { canonicalPath } from './file-identity.ts'
import { withReserve } from './reserve.ts'
import { checkSchema, createSchema } from './schema.ts'
import { openSqlite, type SqliteDatabase, sqliteError } from './sqlite.ts'
import { SqlitePruning } from './sqlite-pruning.ts'
import { erasureColumns } from './sqlite-removals.ts'

/**
 * @throws HistoryError `HISTORY_NOT_FOUND`, `HISTORY_CORRUPT`, `HISTORY_FOREIGN`, `HISTORY_TOO_NEW`,
 *   `HISTORY_UNAVAILABLE`, `HISTORY_DRIVER_MISSING`.
 */
export async function openSqliteKeeper({
  path,
  clearWaitMs = 100,
}: {
  path: string
  clearWaitMs?: number
}): Promise<HistoryKeeper> {
  return await withReserve(path, { work: () => openKeeper({ path, clearWaitMs }) })
}

async function openKeeper({
  path,
  clearWaitMs,
}: {
  path: string
  clearWaitMs: number
}): Promise<HistoryKeeper> {
  const file = canonicalPath(path)
  // Only a history is opened for writing.
  const reader = await openSqlite(file, { readonly: true })
  let exchange: string
  try {
    exchange = checkSchema(reader, { path })
  } finally {
    reader.close()
  }
  const database = await openSqlite(file)
  try {
    database.pragma('secure_delete = ON')
    createSchema(database, { path, exchange })
    return new SqliteKeeper(database, { path, clearWaitMs })
  } catch (error) {
    database.close()
    throw sqliteError(error, path)
  }
}

/** Short enough for a recorder to wait, which gives up after five seconds. */
const rowsATransaction = 200
/** A recorder gets its turn between two transactions. */
const breathMs = 2
const clearTries = 50

class SqliteKeeper implements HistoryKeeper {
  readonly #database: SqliteDatabase
  readonly #path: string
  readonly #clearWaitMs: number
  readonly #statements: ReturnType<typeof prepareStatements>
  readonly #pruning: SqlitePruning

  constructor(database: SqliteDatabase, { path, clearWaitMs }: { path: string; clearWaitMs: number }) {
    this.#database = database
    this.#path = path
    this.#clearWaitMs = clearWaitMs
    this.#statements = prepareStatements(database)
    this.#pruning = new SqlitePruning(database, path)
  }

  async countErasable(subject: string): Promise<number> {
    return this.#guard(() => this.#statements.countWhole.get(subject) as number)
  }

  async erase(options: ErasureOptions): Promise<Erasure | undefined> {
    // What was begun is gone on with, so it may be called again.
    return await withReserve(this.#path, { work: () => this.#erase(options) })
  }

  async #erase({ subject, reason, by, onProgress, signal }: ErasureOptions): Promise<Erasure | undefined> {
    const { unfinished, begin, earlier } = this.#statements
    const total = await this.countErasable(subject)
    const resumed = this.#guard(() => unfinished.get(subject) as number | undefined)
    if (total === 0 && resumed === undefined) return undefined
    const number = resumed ?? this.#guard(() => begin.get(subject, reason, by, Date.now()) as number)
    for (const other of this.#guard(() => earlier.all(number) as { number: number; subject: string }[])) {
      await this.#finish(other.subject, other.number, { signal })
    }
    return await this.#finish(subject, number, {
      signal,
      onEmptied: (done) => onProgress?.({ done, total: Math.max(total, done) }),
    })
  }

  async #finish(
    subject: string,
    number: number,
    { signal, onEmptied }: { signal: AbortSignal | undefined; onEmptied?: (done: number) => void },
  ): Promise<Erasure> {
    for (let done = 0, after = 0; ; await sleep(breathMs)) {
      signal?.throwIfAborted()
      const emptied = this.#empty(subject, { after, number })
      done += emptied.events
      onEmptied?.(done)
      if (emptied.events < rowsATransaction) break
      after = emptied.through
    }
    await this.#clear()
    return this.#guard(() => {
      const erasure = this.#statements.finish.get(number) as Omit<Erasure, 'at'> & { at: number }
      return { ...erasure, at: new Date(erasure.at) }
    })
  }

  async prune(options: PruneOptions): Promise<Pruned> {
    return await withReserve(this.#path, { work: () => prune(this.#pruning, options) })
  }

  async forgetConsumer(name: string): Promise<boolean> {
    return this.#guard(() => this.#statements.forgetConsumer.run(name).changes > 0)
  }

  async close(): Promise<void> {
    await this.#pruning.reader.close()
    this.#database.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** One transaction. */
  #empty(
    subject: string,
    { after, number }: { after: number; number: number },
  ): { events: number; through: number } {
    const { whole, empty, count } = this.#statements
    const work = this.#database.transaction(() => {
      const rows = whole.all(subject, after, rowsATransaction) as Row[]
      for (const row of rows) empty.run(packErased(row, number), row.position)
      const through = rows.at(-1)?.position ?? after
      if (rows.length > 0) count.run(rows.length, through, number)
      return { events: rows.length, through }
    })
    return this.#guard(work.immediate)
  }

  /** Leaves nothing of what was erased in the file's slack and in the write-ahead log. */
  async #clear(): Promise<void> {
    const wasAlwaysSecure = this.#guard(() => this.#database.pragma('auto_vacuum', { simple: true })) !== 0
    if (!wasAlwaysSecure) {
      this.#guard(() => {
        this.#database.pragma('auto_vacuum = INCREMENTAL')
        this.#database.exec('VACUUM')
      })
    }
    for (let tries = 0; tries < clearTries; tries++) {
      // It keeps the recorder out while it waits for readers.
      this.#database.pragma(`busy_timeout = ${this.#clearWaitMs}`)
      const [cleared] = this.#guard(
        () => this.#database.pragma('wal_checkpoint(TRUNCATE)') as { busy: number }[],
      )
      if (cleared!.busy === 0) return
      await sleep(this.#clearWaitMs)
    }
    throw new HistoryError(
      'HISTORY_UNAVAILABLE',
      `${this.#path}-wal may still hold what was erased: a reader has been at one query all the time. End it and erase again`,
    )
  }

  #guard<Result>(work: () => Result): Result {
    if (!this.#database.open)
      throw new HistoryError('HISTORY_CLOSED', `The keeper of ${this.#path} was closed`)
    try {
      return work()
    } catch (error) {
      throw sqliteError(error, this.#path)
    }
  }
}

interface Row {
  readonly position: number
  readonly id: string
  readonly source: string
  readonly type: string
  readonly subject: string
  readonly contentType: string | null
  readonly properties: string
}

function prepareStatements(database: SqliteDatabase) {
  const isWhole = `subject = ? AND properties NOT LIKE '!%'`
  return {
    countWhole: database.prepare(`SELECT count(*) FROM events WHERE ${isWhole}`).pluck(),
    whole: database.prepare(
      `SELECT position, id, source, type, subject, content_type AS "contentType", properties FROM events
       WHERE ${isWhole} AND position > ? ORDER BY position LIMIT ?`,
    ),
    unfinished: database
      .prepare('SELECT number FROM erasures WHERE subject = ? AND finished = 0 ORDER BY number LIMIT 1')
      .pluck(),
    // Those of any subject: consumers are told by number, and look for none below the last.
    earlier: database.prepare(
      'SELECT number, subject FROM erasures WHERE number < ? AND finished = 0 ORDER BY number',
    ),
    begin: database
      .prepare(
        `INSERT INTO erasures (subject, reason, erased_by, erased_at, events, last_position, finished)
         VALUES (?, ?, ?, ?, 0, 0, 0) RETURNING number`,
      )
      .pluck(),
    empty: database.prepare(
      `UPDATE events SET body = '', routing_key = '', properties = ? WHERE position = ?`,
    ),
    count: database.prepare(
      `UPDATE erasures SET events = events + ?, last_position = max(last_position, ?) WHERE number = ?`,
    ),
    forgetConsumer: database.prepare('DELETE FROM consumers WHERE name = ?'),
    finish: database.prepare(`UPDATE erasures SET finished = 1 WHERE number = ? RETURNING ${erasureColumns}`),
  }
}
