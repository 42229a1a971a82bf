/**
 * What a SQLite history knows of what was removed from it, and of the consumers that keep it from being.
 *
 * A file that an older version has made lacks these tables until its next recorder adds them: until then
 * nothing was removed and nobody is known.
 */
import type { Erasure, KnownConsumer, PrunedRange } from '../reader.ts'
import type { SqliteDatabase } from './sqlite.ts'

export class SqliteRemovals {
  readonly #database: SqliteDatabase
  #prepared: ReturnType<typeof prepareStatements> | undefined

  constructor(database: SqliteDatabase) {
    this.#database = database
  }

  consumers(): KnownConsumer[] {
    const rows = (this.#statements()?.consumers.all() ?? []) as {
      name: string
      cursor: number
      toldAt: number
    }[]
    return rows.map(({ name, cursor, toldAt }) => ({ name, cursor, toldAt: new Date(toldAt) }))
  }

  erasures({ after, limit }: { after: number; limit: number }): Erasure[] {
    const rows = (this.#statements()?.erasures.all(after, limit) ?? []) as (Omit<Erasure, 'at'> & {
      at: number
    })[]
    return rows.map((row) => ({ ...row, at: new Date(row.at) }))
  }

  pruned({ after, upTo, limit }: { after: number; upTo: number; limit: number }): PrunedRange[] {
    const rows = (this.#statements()?.pruned.all(after, after, upTo, limit) ?? []) as PrunedRow[]
    return rows.map((row) => ({ ...row, at: new Date(row.at) }))
  }

  #statements(): ReturnType<typeof prepareStatements> | undefined {
    if (this.#prepared === undefined && hasTables(this.#database))
      this.#prepared = prepareStatements(this.#database)
    return this.#prepared
  }
}

type PrunedRow = Omit<PrunedRange, 'at'> & { readonly at: number }

/** Those of an `Erasure`. */
export const erasureColumns = `number, subject, reason, erased_by AS "by", erased_at AS "at", events,
  last_position AS "lastPosition"`

function hasTables(database: SqliteDatabase): boolean {
  return (
    database.prepare(`SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'erasures'`).get() !==
    undefined
  )
}

function prepareStatements(database: SqliteDatabase) {
  return {
    consumers: database.prepare(`SELECT name, cursor, told_at AS "toldAt" FROM consumers ORDER BY name`),
    // The last one that begins at or below `after`, and those that begin above.
    pruned: database.prepare(
      `SELECT first, last, checksum, unidentified, reason, pruned_at AS "at" FROM pruned
       WHERE first >= coalesce((SELECT max(first) FROM pruned WHERE first <= ?), 0) AND last > ? AND first <= ?
       ORDER BY first LIMIT ?`,
    ),
    erasures: database.prepare(
      `SELECT ${erasureColumns} FROM erasures WHERE number > ? AND finished = 1 ORDER BY number LIMIT ?`,
    ),
  }
}
