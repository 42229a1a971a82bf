/** What has to be known of a table of MySQL before a row of it is changed by its key. */
import type { RowDataPacket } from 'mysql2/promise'
import { ActionFailure } from '../../action.ts'
import { compared } from './mysql-statements.ts'
import type { Row, WriteFailure } from './sql-database.ts'
import type { TableWrite } from './table-write.ts'

export interface MysqlTable {
  /** Whether it has unique indexes besides the key's. */
  readonly hasOtherKeys: boolean
  /** Columns of the key that hold numbers, by their place in a row. */
  readonly numericKeys: readonly number[]
}

/**
 * @param options.table - As it stands in statements.
 * @throws ActionFailure where an upsert would add a row each time, since nothing says that the key is one. What
 *   `query` throws.
 */
export async function readMysqlTable(
  query: (sql: string) => Promise<RowDataPacket[]>,
  { table, write }: { table: string; write: TableWrite },
): Promise<MysqlTable> {
  const types = new Map<string, string>()
  for (const { Field, Type } of await query(`SHOW COLUMNS FROM ${table}`))
    types.set(String(Field).toLowerCase(), String(Type))
  const numericKeys = write.key
    .filter((name) => numeric.test(types.get(name.toLowerCase()) ?? ''))
    .map((name) => write.columns.indexOf(name))
  if (write.mode === 'delete') return { hasOtherKeys: false, numericKeys }
  const indexes = uniqueIndexes(await query(`SHOW INDEX FROM ${table}`))
  const key = write.key.map((name) => name.toLowerCase())
  const others = indexes.filter(
    (columns) => !(columns.length === key.length && columns.every((name) => key.includes(name ?? ''))),
  )
  if (others.length < indexes.length) return { hasOtherKeys: others.length > 0, numericKeys }
  const message = `${table} has no unique index of exactly ${write.key.join(', ')}: without one each upsert adds a row`
  throw new ActionFailure('refused', 'REPLAY_KEY_NOT_UNIQUE', message)
}

const numeric = /^(tinyint|smallint|mediumint|int|bigint|decimal|numeric|float|double|bit|year)\b/i

/** The columns of each, in lower case; undefined for a part of a column, or an expression, which is no key of it. */
function uniqueIndexes(rows: readonly RowDataPacket[]): (string | undefined)[][] {
  const indexes = new Map<string, (string | undefined)[]>()
  for (const { Non_unique, Key_name, Column_name, Sub_part } of rows) {
    if (Number(Non_unique) !== 0) continue
    const columns = indexes.get(Key_name) ?? []
    columns.push(Sub_part === null && Column_name !== null ? String(Column_name).toLowerCase() : undefined)
    indexes.set(Key_name, columns)
  }
  return [...indexes.values()]
}

/** In a condition a text that is no number is 0 to a column of numbers, in strict mode too: another row's key. */
export function firstWrongKey(
  { numericKeys }: MysqlTable,
  { rows, write }: { rows: readonly Row[]; write: TableWrite },
): WriteFailure | undefined {
  if (numericKeys.length === 0) return undefined
  const row = rows.findIndex((values) => numericKeys.some((at) => !isNumber(compared(values[at]))))
  if (row === -1) return undefined
  const at = numericKeys.find((one) => !isNumber(compared(rows[row]![one])))!
  const message = `ER_TRUNCATED_WRONG_VALUE: ${write.columns[at]} is a column of numbers, and the key is none`
  return { failure: new ActionFailure('refused', '1292', message), row }
}

function isNumber(value: unknown): boolean {
  return typeof value === 'string' && /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value)
}
