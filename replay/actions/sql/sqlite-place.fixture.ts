/** A SQLite file for `sqlStorageContract`, gone after the test. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { openSqlite, type SqliteDatabase } from '../../../history/index.ts'
import type { SqlPlace } from './sql-storage.contract.ts'
import { createTable, selectAll } from './sql-tables.fixture.ts'

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`

const types = {
  text: 'TEXT',
  integer: 'INTEGER',
  number: 'REAL',
  // A decimal of more digits than a double has is text.
  decimal: 'TEXT',
  boolean: 'INTEGER',
  timestamp: 'TEXT',
  date: 'TEXT',
  json: 'TEXT',
  bytes: 'BLOB',
}

export async function sqlitePlace(t: TestContext): Promise<SqlPlace & { database: SqliteDatabase }> {
  const folder = mkdtempSync(join(tmpdir(), 'backstory-sqlite-'))
  const path = join(folder, 'shop.db')
  const database = await openSqlite(path)
  database.pragma('journal_mode = DELETE')
  t.after(() => {
    database.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const asText = (column: string, kind: string) => {
    if (kind === 'bytes') return `lower(hex(nullif(${column}, NULL)))`
    if (kind === 'boolean') return `CASE ${column} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END`
    return `CAST(${column} AS TEXT)`
  }
  return {
    address: `sqlite:${path}`,
    database,
    async makeTable(name, shape) {
      database.exec(createTable(name, shape, { quote, types, end: ' STRICT' }))
    },
    async read(name, shape) {
      const rows = database.prepare(selectAll(name, shape, { quote, asText })).all() as Record<
        string,
        string | null
      >[]
      return rows.map((row) =>
        Object.fromEntries(
          Object.entries(row).map(([column, value]) => [
            column,
            shape.columns[column] === 'bytes' && value === '' ? null : value,
          ]),
        ),
      )
    },
    async run({ statement, parameters }) {
      database.prepare(statement).run(...parameters)
    },
    codes: {
      duplicateKey: 'SQLITE_CONSTRAINT_PRIMARYKEY',
      duplicate: 'SQLITE_CONSTRAINT_UNIQUE',
      noTable: 'SQLITE_ERROR',
      noColumn: 'SQLITE_ERROR',
      isNull: 'SQLITE_CONSTRAINT_NOTNULL',
      check: 'SQLITE_CONSTRAINT_CHECK',
      wrongType: 'SQLITE_CONSTRAINT_DATATYPE',
      tooLong: undefined,
    },
  }
}
