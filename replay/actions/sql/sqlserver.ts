/**
 * SQL Server: several rows a request, each a statement of its own, so that a key may come twice.
 *
 * Every value is sent as text, of which the server makes what the column is, but for bytes, of which it would
 * not. An UPDATE that holds the key's range, and an INSERT where it finds none, are an upsert that two may do at
 * once; MERGE needs as much and has had its bugs.
 */

import type { config as Config } from 'mssql'
import { ActionFailure } from '../../action.ts'
import { ReplayError } from '../../errors.ts'
import type { FailureKind } from '../../failure-cause.ts'
import type { MappedValue } from '../../mapping/mapped-value.ts'
import type { PluginTarget } from '../../source.ts'
import { rowChunks } from './row-chunks.ts'
import { flagParameter, parseServerAddress } from './server-address.ts'
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
  keyCondition,
  otherColumns,
  type Spelling,
  selectStatement,
  tableName,
} from './statements.ts'
import { serverPlace, tableTarget } from './table-target.ts'
import type { TableWrite } from './table-write.ts'

/** What is used of mssql. */
export type SqlServerDriver = Pick<
  typeof import('mssql'),
  'ConnectionPool' | 'Transaction' | 'Request' | 'NVarChar' | 'VarBinary' | 'MAX'
>

const connectTimeoutMs = 5_000
/** Of a request; the server takes 2,100, of which the driver needs some. */
const parametersMax = 2_000
const rowsMax = 64
const requestBytesMax = 1024 * 1024
/** Longest text that is not a large object, for which the server has other plans. */
const plainTextMax = 4_000

/** @throws TypeError for an address that cannot be. */
export function sqlServerDatabase(
  { address, context }: PluginTarget,
  { write, timeoutMs }: { write: TableWrite; timeoutMs: number },
  load: () => Promise<SqlServerDriver> = loadDriver,
): SqlDatabase {
  const server = parseServerAddress(address, {
    port: 1433,
    password: 'SQLSERVER_PASSWORD',
    parameters: ['encrypt', 'trustServerCertificate', 'instance'],
    context,
  })
  const { instance } = server.parameters
  const config: Config = {
    server: server.host,
    ...(instance === undefined && { port: server.port }),
    ...(server.user !== undefined && { user: server.user }),
    ...(server.password !== undefined && { password: server.password }),
    ...(server.database !== undefined && { database: server.database }),
    connectionTimeout: connectTimeoutMs,
    requestTimeout: timeoutMs,
    pool: { max: 1, min: 0 },
    options: {
      appName: 'backstory replay',
      encrypt: flagParameter(server, 'encrypt') ?? true,
      trustServerCertificate: flagParameter(server, 'trustServerCertificate') ?? false,
      ...(instance !== undefined && { instanceName: instance }),
    },
  }
  return {
    name: server.shown,
    // Whether case counts is a setting of the database.
    target: tableTarget(
      serverPlace('sqlserver', { ...server, port: instance?.toLowerCase() ?? server.port }),
      write.table,
      {
        // That of a user who was given no other.
        defaults: [server.database ?? '', 'dbo'],
        ignoresCase: true,
      },
    ),
    isLocal: server.isLocal,
    statement: statementOf(write, 0),
    rowOf: (values) => values.map(parameterOf),
    async connect() {
      const driver = await load()
      const pool = new driver.ConnectionPool(config)
      // Told to whoever uses it.
      pool.on('error', () => {})
      try {
        await pool.connect()
      } catch (error) {
        const { kind, code, message } = sqlServerFailure(error)
        throw new ActionFailure(kind === 'refused' ? 'unavailable' : kind, code, message, { cause: error })
      }
      return new SqlServerConnection(driver, { pool, write })
    },
  }
}

async function loadDriver(): Promise<SqlServerDriver> {
  try {
    return (await import('mssql')).default
  } catch (cause) {
    throw new ReplayError('REPLAY_DRIVER_MISSING', 'SQL Server needs the package mssql: npm install mssql', {
      cause,
    })
  }
}

/** @param row - Counted from 0: its parameters follow those of the rows before it. */
function statementOf(write: TableWrite, row: number): string {
  const spelling = spellingFrom(row * write.columns.length)
  if (write.mode === 'insert') return insertStatement(write, spelling)
  if (write.mode === 'delete') return deleteStatement(write, spelling)
  const { quote, parameter } = spelling
  const table = tableName(write, spelling)
  const held = `${table} WITH (UPDLOCK, SERIALIZABLE)`
  const condition = keyCondition(write, spelling)
  const insert = insertStatement(write, spelling)
  const rest = otherColumns(write)
  if (rest.length === 0) return `IF NOT EXISTS (SELECT 1 FROM ${held} WHERE ${condition}) ${insert}`
  const changes = rest.map((name) => `${quote(name)} = ${parameter(write.columns.indexOf(name))}`)
  return `UPDATE ${held} SET ${changes.join(', ')} WHERE ${condition}; IF @@ROWCOUNT = 0 ${insert}`
}

function spellingFrom(first: number): Spelling {
  return {
    quote: (name) => `[${name.replaceAll(']', ']]')}]`,
    parameter: (at) => `@p${first + at}`,
  }
}

function parameterOf(value: MappedValue): string | Buffer | null {
  switch (value?.type) {
    case undefined:
      return null
    case 'json':
      return value.text
    case 'bytes':
      return value.value
    case 'boolean':
      return value.value ? '1' : '0'
    case 'timestamp':
      // Its fractions have seven digits.
      return value.value.replace(/(\.\d{7})\d+/, '$1')
    default:
      return String(value!.value)
  }
}

class SqlServerConnection implements SqlConnection {
  isOpen = true
  readonly #driver: SqlServerDriver
  readonly #pool: InstanceType<SqlServerDriver['ConnectionPool']>
  readonly #write: TableWrite
  readonly #select: string
  readonly #statements = new Map<number, string>()

  constructor(
    driver: SqlServerDriver,
    { pool, write }: { pool: InstanceType<SqlServerDriver['ConnectionPool']>; write: TableWrite },
  ) {
    this.#driver = driver
    this.#pool = pool
    this.#write = write
    this.#select = selectStatement(
      write,
      spellingFrom(0),
      // Its way to compare NULL with NULL.
      (column, parameter) => `EXISTS (SELECT ${column} INTERSECT SELECT ${parameter})`,
    )
  }

  async write(rows: readonly Row[]): Promise<WriteFailure | undefined> {
    const transaction = new this.#driver.Transaction(this.#pool)
    const max = Math.min(rowsMax, Math.floor(parametersMax / this.#write.columns.length))
    let row: number | undefined
    let hasBegun = false
    try {
      await transaction.begin()
      hasBegun = true
      let at = 0
      for (const chunk of rowChunks(rows, { rowsMax: max, bytesMax: requestBytesMax })) {
        row = chunk.length === 1 ? at : undefined
        await this.#request(transaction, chunk).query(this.#statementOf(chunk.length))
        at += chunk.length
      }
      row = undefined
      await transaction.commit()
      return undefined
    } catch (error) {
      const failure = sqlServerFailure(error)
      // One that the server has ended already cannot be ended again.
      if (hasBegun) await transaction.rollback().catch(() => {})
      if (failure.kind === 'unavailable') this.isOpen = false
      return { failure, row }
    }
  }

  async holds(row: Row): Promise<boolean> {
    try {
      const { recordset } = await this.#request(this.#pool, [row]).query(this.#select)
      return recordset.length > 0
    } catch (error) {
      if (sqlServerFailure(error).kind === 'unavailable') this.isOpen = false
      return false
    }
  }

  async close(): Promise<void> {
    this.isOpen = false
    await this.#pool.close()
  }

  #statementOf(count: number): string {
    let statement = this.#statements.get(count)
    if (statement === undefined) {
      statement = Array.from({ length: count }, (_, row) => statementOf(this.#write, row)).join(';\n')
      this.#statements.set(count, statement)
    }
    return statement
  }

  #request(
    on: InstanceType<SqlServerDriver['Transaction']> | InstanceType<SqlServerDriver['ConnectionPool']>,
    rows: readonly Row[],
  ): InstanceType<SqlServerDriver['Request']> {
    const { Request, NVarChar, VarBinary, MAX } = this.#driver
    const request = new Request(on as InstanceType<SqlServerDriver['Transaction']>)
    const { types } = this.#write
    for (const [at, value] of rows.flat().entries()) {
      const isBytes = Buffer.isBuffer(value) || types[at % types.length] === 'bytes'
      const isPlain = value === null || (typeof value === 'string' && value.length <= plainTextMax)
      const type = isBytes ? VarBinary(MAX) : NVarChar(isPlain ? plainTextMax : MAX)
      request.input(`p${at}`, type, value)
    }
    return request
  }
}

/** Deadlock, a lock that is not free, a row that changed meanwhile, and what Azure says where it is asked too much. */
const throttled: ReadonlySet<number> = new Set([
  1205, 1222, 3960, 10928, 10929, 40501, 41301, 41302, 41305, 41325, 49918, 49919, 49920,
])
/** The server's end, its disk, its memory, and a database that cannot be written now. */
const unavailable: ReadonlySet<number> = new Set([
  64, 233, 596, 701, 802, 845, 1101, 1105, 3906, 3908, 6005, 8645, 9001, 9002, 10053, 10054, 10060, 17142,
  40197, 40540, 40613,
])
/** From here on an error ends the connection. */
const fatalClass = 20

function sqlServerFailure(error: unknown): ActionFailure {
  const {
    number,
    code,
    class: severity,
  } = (error ?? {}) as { number?: unknown; code?: unknown; class?: unknown }
  if (typeof number !== 'number') {
    const name = typeof code === 'string' ? code : 'CONNECTION_LOST'
    return failureOf({ kind: 'unavailable', code: name, name }, error)
  }
  const isFatal = typeof severity === 'number' && severity >= fatalClass
  return failureOf({ kind: kindOf(number, isFatal), code: String(number), name: names[number] }, error)
}

function kindOf(number: number, isFatal: boolean): FailureKind {
  if (throttled.has(number)) return 'throttled'
  return isFatal || unavailable.has(number) ? 'unavailable' : 'refused'
}

/** SQL Server's errors have only numbers. */
const names: Readonly<Record<number, string>> = {
  207: 'invalid column name',
  208: 'invalid object name',
  241: 'conversion to date or time failed',
  245: 'conversion failed',
  257: 'implicit conversion not allowed',
  515: 'NULL not allowed',
  547: 'constraint conflict',
  1205: 'deadlock',
  2601: 'duplicate key in unique index',
  2627: 'duplicate key',
  2628: 'string or binary data truncated',
  8114: 'data type conversion',
  8115: 'arithmetic overflow',
  8152: 'string or binary data truncated',
}
