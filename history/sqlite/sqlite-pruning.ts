/**
 * What retention does in a SQLite file: picks by index, deletes, remembers the range, gives pages back.
 *
 * Pages are given back where the file was begun with incremental vacuum, as recorders do; an older file keeps
 * them and fills them again.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { joined, type PruneStore, type RemovedRun, runsOf } from '../prune.ts'
import type { HistoryReader } from '../reader.ts'
import { type SqliteDatabase, sqliteError } from './sqlite.ts'
import { openSqliteHistory } from './sqlite-reader.ts'

/** Short enough for a recorder to wait, which gives up after five seconds. */
const rowsATransaction = 500
const pagesATransaction = 500
/** A recorder gets its turn between two transactions. */
const breathMs = 2
const scannedRows = 5_000

export class SqlitePruning implements PruneStore {
  readonly reader: HistoryReader
  readonly #database: SqliteDatabase
  readonly #path: string
  readonly #statements: ReturnType<typeof prepareStatements>

  constructor(database: SqliteDatabase, path: string) {
    this.reader = openSqliteHistory({ path })
    this.#database = database
    this.#path = path
    this.#statements = prepareStatements(database)
  }

  async behindEvents(type: string | undefined, events: number): Promise<number> {
    const { newest } = this.#of(type)
    return this.#guard(() => (newest.get({ type: type ?? null, events }) as number | undefined) ?? 0)
  }

  async behindBytes(type: string | undefined, bytes: number): Promise<number> {
    const { sizes } = this.#of(type)
    let [kept, below] = [0, Number.MAX_SAFE_INTEGER]
    for (;;) {
      const page = this.#guard(
        () =>
          sizes.all({ type: type ?? null, below, limit: scannedRows }) as {
            position: number
            bytes: number
          }[],
      )
      for (const row of page) {
        kept += row.bytes
        if (kept > bytes) return row.position
      }
      if (page.length < scannedRows) return 0
      below = page.at(-1)!.position
      await this.breathe()
    }
  }

  async count(type: string | undefined, upTo: number): Promise<number> {
    const { count } = this.#of(type)
    return this.#guard(() => count.get({ type: type ?? null, upTo }) as number)
  }

  async remove(
    type: string | undefined,
    { after, upTo, reason }: { after: number; upTo: number; reason: string },
  ): Promise<{ events: number; through: number; isLast: boolean }> {
    const { page } = this.#of(type)
    const work = this.#database.transaction(() => {
      const rows = page.all({ type: type ?? null, after, upTo, limit: rowsATransaction }) as Row[]
      for (const run of runsOf(rows)) this.#forget(run, reason)
      const through = rows.at(-1)?.position ?? upTo
      return { events: rows.length, through, isLast: rows.length < rowsATransaction }
    })
    return this.#guard(work.immediate)
  }

  async giveBack(): Promise<void> {
    const free = () => this.#guard(() => this.#database.pragma('freelist_count', { simple: true }) as number)
    for (let left = free(); left > 0; await this.breathe()) {
      this.#guard(() => this.#database.pragma(`incremental_vacuum(${pagesATransaction})`))
      const now = free()
      if (now >= left) break
      left = now
    }
    this.#guard(() => this.#database.pragma('wal_checkpoint(PASSIVE)'))
  }

  async breathe(): Promise<void> {
    await sleep(breathMs)
  }

  /** Deletes a run of events, and puts it together with the ranges beside it. */
  #forget(run: RemovedRun, reason: string): void {
    const { remove, before, behind, drop, keep } = this.#statements
    remove.run(run.first, run.last)
    const left = before.get(run.first) as RemovedRun | undefined
    const right = behind.get(run.last + 1) as RemovedRun | undefined
    const runs = [left?.last === run.first - 1 ? left : undefined, run, right]
    const { first, last, checksum, unidentified } = joined(runs.filter((one) => one !== undefined))
    drop.run(first, last)
    keep.run(first, last, checksum, unidentified, reason, Date.now())
  }

  #of(type: string | undefined) {
    return type === undefined ? this.#statements.ofAll : this.#statements.ofType
  }

  #guard<Result>(work: () => Result): Result {
    try {
      return work()
    } catch (error) {
      throw sqliteError(error, this.#path)
    }
  }
}

interface Row {
  readonly position: number
  readonly source: string
  readonly id: string
  readonly unidentified: number
}

function prepareStatements(database: SqliteDatabase) {
  const of = (isOfType: string) => ({
    newest: database
      .prepare(`SELECT position FROM events WHERE ${isOfType} ORDER BY position DESC LIMIT 1 OFFSET @events`)
      .pluck(),
    sizes: database.prepare(
      `SELECT position, octet_length(body) + octet_length(properties) AS bytes FROM events
       WHERE ${isOfType} AND position < @below ORDER BY position DESC LIMIT @limit`,
    ),
    count: database.prepare(`SELECT count(*) FROM events WHERE ${isOfType} AND position <= @upTo`).pluck(),
    page: database.prepare(
      `SELECT position, source, id, unidentified FROM events
       WHERE ${isOfType} AND position > @after AND position <= @upTo ORDER BY position LIMIT @limit`,
    ),
  })
  const columns = 'first, last, checksum, unidentified'
  return {
    ofType: of('type = @type'),
    ofAll: of('@type IS NULL'),
    remove: database.prepare('DELETE FROM events WHERE position BETWEEN ? AND ?'),
    before: database.prepare(`SELECT ${columns} FROM pruned WHERE first < ? ORDER BY first DESC LIMIT 1`),
    behind: database.prepare(`SELECT ${columns} FROM pruned WHERE first = ?`),
    drop: database.prepare('DELETE FROM pruned WHERE first BETWEEN ? AND ?'),
    keep: database.prepare(`INSERT INTO pruned (${columns}, reason, pruned_at) VALUES (?, ?, ?, ?, ?, ?)`),
  }
}
