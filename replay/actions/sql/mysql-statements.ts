/** The statements of MySQL and MariaDB, and what goes into their places. */
import type { MappedValue } from '../../mapping/mapped-value.ts'
import type { Row } from './sql-database.ts'
import { insertStatement, otherColumns, type Spelling, selectStatement, tableName } from './statements.ts'
import type { TableWrite } from './table-write.ts'

const spelling: Spelling = {
  quote: (name) => `\`${name.replaceAll('`', '``')}\``,
  parameter: () => '?',
}

export class MysqlStatements {
  /** As it stands in statements. */
  readonly table: string
  /** Of one row. */
  readonly insert: string
  /** Finds a row with these values. */
  readonly select: string
  /** Undefined where there is nothing but the key. */
  readonly update: { readonly statement: string; parametersOf(row: Row): unknown[] } | undefined
  readonly #write: TableWrite
  readonly #ofRows = new Map<number, string>()

  constructor(write: TableWrite) {
    this.#write = write
    this.table = tableName(write, spelling)
    this.insert = insertStatement(write, spelling)
    this.select = selectStatement(write, spelling, (column, parameter) => `${column} <=> ${parameter}`)
    this.update = updateStatement(write, this.table)
  }

  /** Writes so many rows. */
  ofRows(count: number): string {
    let statement = this.#ofRows.get(count)
    if (statement === undefined) {
      statement = this.#write.mode === 'delete' ? this.#delete(count) : this.#insert(count)
      this.#ofRows.set(count, statement)
    }
    return statement
  }

  parametersOf(rows: readonly Row[]): unknown[] {
    return this.#write.mode === 'delete' ? rows.flat().map(compared) : rows.flat()
  }

  #insert(count: number): string {
    const { columns, mode } = this.#write
    const more = `, (${columns.map(() => '?').join(', ')})`.repeat(count - 1)
    if (mode === 'insert') return this.insert + more
    const rest = otherColumns(this.#write)
    // With nothing to change, what changes nothing.
    const changes = (rest.length === 0 ? columns.slice(0, 1) : rest).map((name) => {
      const column = spelling.quote(name)
      return `${column} = VALUES(${column})`
    })
    return `${this.insert}${more} ON DUPLICATE KEY UPDATE ${changes.join(', ')}`
  }

  #delete(count: number): string {
    const row = this.#write.columns.map((name) => `${spelling.quote(name)} = ?`).join(' AND ')
    return `DELETE FROM ${this.table} WHERE ${Array.from({ length: count }, () => `(${row})`).join(' OR ')}`
  }
}

function updateStatement(write: TableWrite, table: string): MysqlStatements['update'] {
  const rest = otherColumns(write)
  if (rest.length === 0) return undefined
  const equal = (name: string) => `${spelling.quote(name)} = ?`
  const at = (name: string) => write.columns.indexOf(name)
  return {
    statement: `UPDATE ${table} SET ${rest.map(equal).join(', ')} WHERE ${write.key.map(equal).join(' AND ')}`,
    parametersOf: (row) => [
      ...rest.map((name) => row[at(name)]),
      ...write.key.map((name) => compared(row[at(name)])),
    ],
  }
}

/** A text column that is compared with a number is read as one: `5 apples` would be the row of key 5. */
export function compared(value: unknown): unknown {
  return typeof value === 'number' || typeof value === 'boolean' ? String(Number(value)) : value
}

/** A double is written with an exponent in a text column from here on. */
const exponentFrom = 1e15

export function mysqlParameter(value: MappedValue): unknown {
  switch (value?.type) {
    case undefined:
      return null
    case 'integer': {
      const { value: integer } = value
      return typeof integer === 'number' && Math.abs(integer) < exponentFrom ? integer : String(integer)
    }
    case 'json':
      return value.text
    case 'timestamp':
      return dateTime(value.value)
    default:
      return value!.value
  }
}

/** Of RFC 3339 in UTC, which is the session's time zone. It has microseconds. */
function dateTime(timestamp: string): string {
  const [, date, time, fraction = ''] = /^(.*)T([^.Z]*)(\.\d{1,6})?/.exec(timestamp)!
  return `${date} ${time}${fraction}`
}
