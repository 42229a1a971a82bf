/** Tables of `sqlStorageContract` in the words of a database. */
import type { ColumnKind, TableShape } from './sql-storage.contract.ts'

export interface TableWords {
  quote(name: string): string
  readonly types: Readonly<Record<ColumnKind, string>>
  /** Behind the last bracket. */
  readonly end?: string
}

export function createTable(name: string, shape: TableShape, { quote, types, end = '' }: TableWords): string {
  const { columns, key, unique, notNull, positive, references } = shape
  const parts = Object.entries(columns).map(([column, kind]) => {
    const isNotNull = column === notNull || key?.includes(column)
    return `${quote(column)} ${types[kind]}${isNotNull ? ' NOT NULL' : ''}`
  })
  if (key !== undefined) parts.push(`PRIMARY KEY (${key.map(quote).join(', ')})`)
  if (unique !== undefined) parts.push(`UNIQUE (${quote(unique)})`)
  if (positive !== undefined) parts.push(`CHECK (${quote(positive)} > 0)`)
  if (references !== undefined) {
    const { column, table } = references
    parts.push(`FOREIGN KEY (${quote(column)}) REFERENCES ${quote(table)} (${quote('id')})`)
  }
  return `CREATE TABLE ${quote(name)} (${parts.join(', ')})${end}`
}

export function selectAll(
  name: string,
  { columns }: TableShape,
  { quote, asText }: { quote(name: string): string; asText(column: string, kind: ColumnKind): string },
): string {
  const list = Object.entries(columns).map(
    ([column, kind]) => `${asText(quote(column), kind)} AS ${quote(column)}`,
  )
  return `SELECT ${list.join(', ')} FROM ${quote(name)} ORDER BY ${quote(Object.keys(columns)[0]!)}`
}
