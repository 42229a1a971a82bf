/** A SQLite file that is there. Its journal mode stays as it is; a commit is synced. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { HistoryError, openSqlite, type SqliteDatabase } from '../../../history/index.ts'
import { ActionFailure } from '../../action.ts'
import { ReplayError } from '../../errors.ts'
import type { MappedValue } from '../../mapping/mapped-value.ts'
import { realPath } from '../../real-path.ts'
import type { PluginTarget } from '../../source.ts'
import {
  failureOf,
  type Row,
  type SqlConnection,
  type SqlDatabase,
  type WriteFailure,
} from './sql-database.ts'
import {
  deleteStatement,
  insertStatement,
  onConflictStatement,
  type Spelling,
  selectStatement,
} from './statements.ts'
import { tableTarget } from './table-target.ts'
import type { TableWrite } from './table-write.ts'

const spelling: Spelling = {
  quote: (name) => `"${name.replaceAll('"', '""')}"`,
  parameter: () => '?',
}

const statements = {
  insert: insertStatement,
  upsert: onConflictStatement,
  delete: deleteStatement,
}

/** @throws TypeError for an address without a file. */
export function sqliteDatabase(
  { address, context }: PluginTarget,
  { write, timeoutMs }: { write: TableWrite; timeoutMs: number },
): SqlDatabase {
  const file = address.replace(/^sqlite:/i, '')
  if (file === '') throw new TypeError('Expected the file of the database, as in sqlite:orders.db')
  const path = resolve(context.cwd, file)
  const statement = statements[write.mode](write, spelling)
  const select = selectStatement(write, spelling, (column, parameter) => `${column} IS ${parameter}`)
  return {
    name: `sqlite:${file}`,
    target: tableTarget(`sqlite:${realPath(path)}`, write.table, {
      defaults: ['main'],
      ignoresCase: true,
    }),
    isLocal: true,
    statement,
    rowOf: (values) => values.map(parameterOf),
    connect: async () => new SqliteConnection(await open(path, timeoutMs), { statement, select }),
  }
}

/** The process stands still while it waits for another one's lock: what it waits longer for it tries again. */
const lockWaitMaxMs = 1_000

async function open(path: string, timeoutMs: number): Promise<SqliteDatabase> {
  if (!existsSync(path)) {
    throw new ActionFailure('unavailable', 'SQLITE_CANTOPEN', `${path} is not there: make it, with its table`)
  }
  try {
    const database = await openSqlite(path, { isOurs: false })
    database.pragma(`busy_timeout = ${Math.min(timeoutMs, lockWaitMaxMs)}`)
    return database
  } catch (error) {
    if (!(error instanceof HistoryError)) throw error
    if (error.code === 'HISTORY_DRIVER_MISSING')
      throw new ReplayError('REPLAY_DRIVER_MISSING', error.message, { cause: error })
    throw new ActionFailure('unavailable', codeOf(error.cause) ?? error.code, error.message, { cause: error })
  }
}

/** A driver's number would be stored as a real; SQLite has neither booleans nor times. */
function parameterOf(value: MappedValue): unknown {
  switch (value?.type) {
    case undefined:
      return null
    case 'integer':
      return fitsInt64(value.value) ? BigInt(value.value) : String(value.value)
    case 'boolean':
      return value.value ? 1n : 0n
    case 'json':
      return value.text
    default:
      return value!.value
  }
}

function fitsInt64(value: number | bigint): boolean {
  return value >= -(2n ** 63n) && value < 2n ** 63n
}

class SqliteConnection implements SqlConnection {
  readonly #database: SqliteDatabase
  readonly #statement: string
  readonly #select: string

  constructor(database: SqliteDatabase, { statement, select }: { statement: string; select: string }) {
    this.#database = database
    this.#statement = statement
    this.#select = select
  }

  get isOpen(): boolean {
    return this.#database.open
  }

  async write(rows: readonly Row[]): Promise<WriteFailure | undefined> {
    const database = this.#database
    let row: number | undefined
    try {
      database.exec('BEGIN IMMEDIATE')
      const statement = database.prepare(this.#statement)
      for (const [at, parameters] of rows.entries()) {
        row = at
        statement.run(...parameters)
      }
      row = undefined
      database.exec('COMMIT')
      return undefined
    } catch (error) {
      // A constraint of the table may have rolled it back already.
      if (database.inTransaction) database.exec('ROLLBACK')
      return { failure: sqliteFailure(error), row }
    }
  }

  async holds(row: Row): Promise<boolean> {
    try {
      return this.#database.prepare(this.#select).get(...row) !== undefined
    } catch {
      return false
    }
  }

  async close(): Promise<void> {
    this.#database.close()
  }
}

/** @throws What is no error of SQLite. */
function sqliteFailure(error: unknown): ActionFailure {
  const code = codeOf(error)
  if (code === undefined) throw error
  // Its own name is its code.
  if (/^SQLITE_(BUSY|LOCKED)/.test(code)) return failureOf({ kind: 'throttled', code, name: code }, error)
  const isAway = /^SQLITE_(FULL|IOERR|CANTOPEN|READONLY|NOMEM|CORRUPT|NOTADB|PROTOCOL|PERM|AUTH)/.test(code)
  return failureOf({ kind: isAway ? 'unavailable' : 'refused', code, name: code }, error)
}

function codeOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === 'string' && code.startsWith('SQLITE_') ? code : undefined
}
