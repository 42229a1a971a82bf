/**
 * What a SQLite history knows of what was removed from it, and of the consumers that keep it from being.
 *
 * A file that an older version has made lacks these tables until its next recorder adds them: until then
 * nothing was removed and nobody is known.
 */
import type { KnownConsumer } from '../reader.ts'
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

  #statements(): ReturnType<typeof prepareStatements> | undefined {
    if (this.#prepared === undefined && hasTables(this.#database))
      this.#prepared = prepareStatements(this.#database)
    return this.#prepared
  }
}

function hasTables(database: SqliteDatabase): boolean {
  return (
    database.prepare(`SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'erasures'`).get() !==
    undefined
  )
}

function prepareStatements(database: SqliteDatabase) {
  return {
    consumers: database.prepare(`SELECT name, cursor, told_at AS "toldAt" FROM consumers ORDER BY name`),
  }
}
