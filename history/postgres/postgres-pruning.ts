/**
 * What retention does in PostgreSQL: as in a SQLite file, but for two things. The keys of pruned events stay in
 * `identities`, so that their duplicates are still known. Room is given back by VACUUM, to the table.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { joined, type PruneStore, type RemovedRun, runsOf } from '../prune.ts'
import type { HistoryReader } from '../reader.ts'
import { toText } from './postgres-text.ts'

type Query = <Row extends readonly unknown[]>(text: string, values: readonly unknown[]) => Promise<Row[]>

const rowsATransaction = 1_000
/** The recorder gets its turn between two transactions. */
const breathMs = 2
const scannedRows = 5_000

export class PostgresPruning implements PruneStore {
  readonly reader: HistoryReader
  readonly #rows: Query
  readonly #schema: string

  constructor(reader: HistoryReader, { rows, schema }: { rows: Query; schema: string }) {
    this.reader = reader
    this.#rows = rows
    this.#schema = schema
  }

  async behindEvents(type: string | undefined, events: number): Promise<number> {
    const [row] = await this.#rows<[number]>(
      `SELECT position FROM ${this.#ofType} ORDER BY position DESC LIMIT 1 OFFSET $2`,
      [textOrNull(type), events],
    )
    return row?.[0] ?? 0
  }

  async behindBytes(type: string | undefined, bytes: number): Promise<number> {
    let [kept, below] = [0, Number.MAX_SAFE_INTEGER]
    for (;;) {
      const page = await this.#rows<[position: number, bytes: number]>(
        `SELECT position, octet_length(body) + octet_length(properties) FROM ${this.#ofType}
         AND position < $2 ORDER BY position DESC LIMIT ${scannedRows}`,
        [textOrNull(type), below],
      )
      for (const [position, size] of page) {
        kept += size
        if (kept > bytes) return position
      }
      if (page.length < scannedRows) return 0
      ;[below] = page.at(-1)!
    }
  }

  async count(type: string | undefined, upTo: number): Promise<number> {
    const [row] = await this.#rows<[number]>(`SELECT count(*) FROM ${this.#ofType} AND position <= $2`, [
      textOrNull(type),
      upTo,
    ])
    return row![0]
  }

  async remove(
    type: string | undefined,
    { after, upTo, reason }: { after: number; upTo: number; reason: string },
  ): Promise<{ events: number; through: number; isLast: boolean }> {
    await this.#rows('BEGIN', [])
    try {
      // Another that prunes would find the same events, and remember them twice.
      await this.#rows(`LOCK TABLE ${this.#schema}.pruned IN SHARE ROW EXCLUSIVE MODE`, [])
      const found = await this.#rows<[position: number, source: string, id: string, unidentified: number]>(
        `SELECT position, source, id, unidentified FROM ${this.#ofType}
         AND position > $2 AND position <= $3 ORDER BY position LIMIT ${rowsATransaction}`,
        [textOrNull(type), after, upTo],
      )
      const rows = found.map(([position, source, id, unidentified]) => ({
        position,
        source,
        id,
        unidentified,
      }))
      for (const run of runsOf(rows)) await this.#forget(run, reason)
      await this.#rows('COMMIT', [])
      const through = rows.at(-1)?.position ?? upTo
      return { events: rows.length, through, isLast: rows.length < rowsATransaction }
    } catch (error) {
      await this.#rows('ROLLBACK', []).catch(() => {})
      throw error
    }
  }

  async giveBack(): Promise<void> {
    await this.#rows(`VACUUM ${this.#schema}.events`, [])
  }

  async breathe(): Promise<void> {
    await sleep(breathMs)
  }

  /** Deletes a run of events, and puts it together with the ranges beside it. */
  async #forget(run: RemovedRun, reason: string): Promise<void> {
    const pruned = `${this.#schema}.pruned`
    await this.#rows(`DELETE FROM ${this.#schema}.events WHERE position BETWEEN $1 AND $2`, [
      run.first,
      run.last,
    ])
    const beside = await this.#rows<[first: number, last: number, checksum: string, unidentified: number]>(
      `DELETE FROM ${pruned} WHERE last = $1 AND first = (SELECT max(first) FROM ${pruned} WHERE first < $2)
         OR first = $3 RETURNING first, last, checksum, unidentified`,
      [run.first - 1, run.first, run.last + 1],
    )
    const runs = beside.map(([first, last, checksum, unidentified]) => ({
      first,
      last,
      checksum,
      unidentified,
    }))
    const { first, last, checksum, unidentified } = joined(
      [...runs, run].sort((one, other) => one.first - other.first),
    )
    await this.#rows(`INSERT INTO ${pruned} VALUES ($1, $2, $3, $4, $5, $6)`, [
      first,
      last,
      checksum,
      unidentified,
      toText(reason),
      Date.now(),
    ])
  }

  /** `$1` is the type, or NULL for all. */
  get #ofType(): string {
    return `${this.#schema}.events WHERE ($1::text IS NULL
      OR (hashtextextended(type, 0) = hashtextextended($1, 0) AND type = $1))`
  }
}

function textOrNull(type: string | undefined): string | null {
  return type === undefined ? null : toText(type)
}
