/**
 * Pages of filtered events in a SQLite history.
 *
 * One subject, or one type, is found by its index, in position order. Any other filter is a scan, which
 * looks at so many positions a call, so that no call takes long and each tells how far it came.
 */
import { type EventFilter, isIndexed, scannedMax } from '../event-filter.ts'
import type { SelectPage } from '../reader.ts'
import { type EventRow, eventColumns } from '../stored-event.ts'
import type { SqliteDatabase } from './sqlite.ts'

export class SqliteSelect {
  readonly #database: SqliteDatabase
  readonly #statements = new Map<string, { iterate(...values: unknown[]): Iterable<unknown> }>()

  constructor(database: SqliteDatabase) {
    this.#database = database
  }

  /**
   * @param page.upTo - The head, or a position below it.
   * @returns Rows in the order asked for, read one by one; `through` as it is once all of them are read.
   */
  page({ filter, after, upTo, limit, newestFirst }: Required<SelectPage>): {
    rows: Iterable<EventRow>
    /** How far the page reaches where fewer rows than `limit` come. */
    end: number
  } {
    let from = after
    let to = upTo
    if (!isIndexed(filter)) {
      if (newestFirst) from = Math.max(after, upTo - scannedMax)
      else to = Math.min(upTo, after + scannedMax)
    }
    const values = [from, to, ...valuesOf(filter), limit]
    const rows = this.#statement(filter, newestFirst).iterate(...values) as Iterable<EventRow>
    return { rows, end: newestFirst ? from + 1 : Math.max(to, after) }
  }

  #statement(filter: EventFilter, newestFirst: boolean) {
    const sql = `SELECT ${eventColumns} FROM events WHERE position > ? AND position <= ?${conditions(filter)}
      ORDER BY position ${newestFirst ? 'DESC' : 'ASC'} LIMIT ?`
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#database.prepare(sql).raw()
      // Filters of many lengths, such as a client may send, must not fill the memory.
      if (this.#statements.size >= statementsMax) this.#statements.clear()
      this.#statements.set(sql, statement)
    }
    return statement
  }
}

const statementsMax = 50

/** `+` keeps SQLite from an index: where two could serve, and in a scan, which goes by position. */
function conditions(filter: EventFilter): string {
  const { types, subjects, sources } = filter
  const bySubject = isIndexed(filter) && subjects !== undefined
  const byType = isIndexed(filter) && subjects === undefined
  return [
    oneOf(bySubject ? 'subject' : '+subject', subjects),
    oneOf(byType ? 'type' : '+type', types),
    oneOf('+source', sources),
  ].join('')
}

function oneOf(column: string, values: readonly string[] | undefined): string {
  return values === undefined ? '' : ` AND ${column} IN (${values.map(() => '?').join(', ')})`
}

/** In the order of `conditions`. */
function valuesOf({ types = [], subjects = [], sources = [] }: EventFilter): readonly string[] {
  return [...subjects, ...types, ...sources]
}
