/** SQL that databases have in common. Names are quoted, values are always parameters. */
import type { TableWrite } from './table-write.ts'

export interface Spelling {
  quote(name: string): string
  /** Of a parameter, counted from 0. */
  parameter(at: number): string
}

export function tableName({ table }: TableWrite, { quote }: Spelling): string {
  return table.map(quote).join('.')
}

export function insertStatement(write: TableWrite, spelling: Spelling): string {
  const columns = write.columns.map(spelling.quote).join(', ')
  const values = write.columns.map((_, at) => spelling.parameter(at)).join(', ')
  return `INSERT INTO ${tableName(write, spelling)} (${columns}) VALUES (${values})`
}

export function deleteStatement(write: TableWrite, spelling: Spelling): string {
  return `DELETE FROM ${tableName(write, spelling)} WHERE ${keyCondition(write, spelling)}`
}

/** As PostgreSQL has it, and SQLite after it. */
export function onConflictStatement(write: TableWrite, spelling: Spelling): string {
  const rest = otherColumns(write).map(spelling.quote)
  const action =
    rest.length === 0
      ? 'NOTHING'
      : `UPDATE SET ${rest.map((name) => `${name} = excluded.${name}`).join(', ')}`
  const key = write.key.map(spelling.quote).join(', ')
  return `${insertStatement(write, spelling)} ON CONFLICT (${key}) DO ${action}`
}

/** @param same - Compares a column with a parameter, NULL with NULL too. */
export function selectStatement(
  write: TableWrite,
  spelling: Spelling,
  same: (column: string, parameter: string) => string,
): string {
  const conditions = write.columns.map((name, at) => same(spelling.quote(name), spelling.parameter(at)))
  return `SELECT 1 FROM ${tableName(write, spelling)} WHERE ${conditions.join(' AND ')}`
}

export function keyCondition(write: TableWrite, { quote, parameter }: Spelling): string {
  return write.key.map((name) => `${quote(name)} = ${parameter(write.columns.indexOf(name))}`).join(' AND ')
}

/** Those that are not of the key. */
export function otherColumns({ columns, key }: TableWrite): string[] {
  return columns.filter((name) => !key.includes(name))
}
