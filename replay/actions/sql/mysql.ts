/**
 * MySQL and MariaDB: several rows a statement, prepared on the server, in a session that is strict and in UTC.
 *
 * `ON DUPLICATE KEY UPDATE` takes any unique index for the key. Where a table has another one besides the key's,
 * it would change another row instead of refusing this one: there each row is an UPDATE, and an INSERT where it
 * finds none.
 */
import type { Connection, ResultSetHeader, RowDataPacket } from 'mysql2/promise'
import { ActionFailure } from '../../action.ts'
import { ReplayError } from '../../errors.ts'
import type { PluginTarget } from '../../source.ts'
import { mysqlFailure } from './mysql-errors.ts'
import { MysqlStatements, mysqlParameter } from './mysql-statements.ts'
import { firstWrongKey, type MysqlTable, readMysqlTable } from './mysql-table.ts'
import { rowBytes, rowChunks } from './row-chunks.ts'
import { fileParameter, flagParameter, parseServerAddress } from './server-address.ts'
import type { Row, SqlConnection, SqlDatabase, WriteFailure } from './sql-database.ts'
import { serverPlace, tableTarget } from './table-target.ts'
import type { TableWrite } from './table-write.ts'
import { within } from './within.ts'

const connectTimeoutMs = 5_000
/** Placeholders of a statement; the protocol counts them in 16 bits. */
const parametersMax = 65_535
const rowsMax = 256
const statementBytesMax = 1024 * 1024

/** @throws TypeError for an address that cannot be; what reading its `ca` throws. */
export function mysqlDatabase(
  { address, context }: PluginTarget,
  { write, timeoutMs }: { write: TableWrite; timeoutMs: number },
): SqlDatabase {
  const server = parseServerAddress(address, {
    port: 3306,
    password: 'MYSQL_PWD',
    parameters: ['socket', 'tls', 'ca'],
    context,
  })
  const { socket } = server.parameters
  const ca = fileParameter(server, 'ca', context)
  const isSecret = flagParameter(server, 'tls') ?? ca !== undefined
  const statements = new MysqlStatements(write)
  return {
    name: server.shown,
    // Whether case counts is a setting of the server.
    target: tableTarget(serverPlace('mysql', { ...server, host: socket ?? server.host }), write.table, {
      defaults: [server.database ?? ''],
      ignoresCase: true,
    }),
    isLocal: socket !== undefined || server.isLocal,
    statement: statements.ofRows(1),
    rowOf: (values) => values.map(mysqlParameter),
    async connect() {
      const { createConnection } = await loadDriver()
      const { host, port, user, password, database } = server
      try {
        const connection = await createConnection({
          ...(socket === undefined ? { host, port } : { socketPath: socket }),
          ...(user !== undefined && { user }),
          ...(password !== undefined && { password }),
          ...(database !== undefined && { database }),
          ...(isSecret && { ssl: ca === undefined ? {} : { ca } }),
          charset: 'utf8mb4',
          connectTimeout: connectTimeoutMs,
          // A server may ask its client for a file.
          flags: ['-LOCAL_FILES'],
          // What this sends has a dozen forms.
          maxPreparedStatements: 64,
        })
        return await MysqlConnection.open(connection, { statements, write, timeoutMs })
      } catch (error) {
        const { kind, code, message } = mysqlFailure(error)
        throw new ActionFailure(kind === 'refused' ? 'unavailable' : kind, code, message, { cause: error })
      }
    },
  }
}

async function loadDriver(): Promise<typeof import('mysql2/promise')> {
  try {
    return await import('mysql2/promise')
  } catch (cause) {
    throw new ReplayError('REPLAY_DRIVER_MISSING', 'MySQL needs the package mysql2: npm install mysql2', {
      cause,
    })
  }
}

interface MysqlConnectionOptions {
  readonly statements: MysqlStatements
  readonly write: TableWrite
  readonly timeoutMs: number
}

class MysqlConnection implements SqlConnection {
  isOpen = true
  readonly #connection: Connection
  readonly #statements: MysqlStatements
  readonly #write: TableWrite
  readonly #timeoutMs: number
  #packetBytesMax = Number.POSITIVE_INFINITY
  #table: MysqlTable | undefined

  private constructor(connection: Connection, options: MysqlConnectionOptions) {
    this.#connection = connection
    this.#statements = options.statements
    this.#write = options.write
    this.#timeoutMs = options.timeoutMs
    connection.on('error', () => {
      this.isOpen = false
    })
  }

  static async open(connection: Connection, options: MysqlConnectionOptions): Promise<MysqlConnection> {
    const opened = new MysqlConnection(connection, options)
    try {
      await opened.#prepareSession()
      return opened
    } catch (error) {
      opened.#lose()
      throw error
    }
  }

  /** Without the strict mode a value that does not fit would be cut to what does. */
  async #prepareSession(): Promise<void> {
    await this.#query(
      "SET SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',STRICT_ALL_TABLES'), SESSION time_zone = '+00:00'",
    )
    const [row] = await this.#query<RowDataPacket[]>('SELECT @@max_allowed_packet AS bytes')
    this.#packetBytesMax = Number(row!.bytes)
  }

  async write(rows: readonly Row[]): Promise<WriteFailure | undefined> {
    const long = rows.findIndex((row) => rowBytes(row) + packetOverheadBytes > this.#packetBytesMax)
    if (long !== -1) return { failure: this.#tooLong(rows[long]!), row: long }
    let row: number | undefined
    try {
      const table = this.#write.mode === 'insert' ? undefined : await this.#knownTable()
      const wrong = table && firstWrongKey(table, { rows, write: this.#write })
      if (wrong !== undefined) return wrong
      await this.#query('START TRANSACTION')
      if (table?.hasOtherKeys) {
        for (const [at, one] of rows.entries()) {
          row = at
          await this.#updateOrInsert(one)
        }
      } else {
        const max = Math.min(rowsMax, Math.floor(parametersMax / this.#write.columns.length))
        let at = 0
        for (const chunk of rowChunks(rows, { rowsMax: max, bytesMax: statementBytesMax })) {
          row = chunk.length === 1 ? at : undefined
          await this.#execute(this.#statements.ofRows(chunk.length), this.#statements.parametersOf(chunk))
          at += chunk.length
        }
      }
      row = undefined
      await this.#query('COMMIT')
      return undefined
    } catch (error) {
      const failure = error instanceof ActionFailure ? error : mysqlFailure(error)
      if (failure.kind === 'unavailable') this.#lose()
      else await this.#rollBack()
      return { failure, row }
    }
  }

  async holds(row: Row): Promise<boolean> {
    try {
      return (await this.#execute<RowDataPacket[]>(this.#statements.select, row)).length > 0
    } catch (error) {
      if (mysqlFailure(error).kind === 'unavailable') this.#lose()
      return false
    }
  }

  async close(): Promise<void> {
    this.#lose()
  }

  async #knownTable(): Promise<MysqlTable> {
    const query = async (sql: string) => await this.#query<RowDataPacket[]>(sql)
    this.#table ??= await readMysqlTable(query, { table: this.#statements.table, write: this.#write })
    return this.#table
  }

  async #updateOrInsert(row: Row): Promise<void> {
    const { update, insert } = this.#statements
    if (update !== undefined) {
      const { affectedRows } = await this.#execute<ResultSetHeader>(
        update.statement,
        update.parametersOf(row),
      )
      if (affectedRows > 0) return
    } else if ((await this.#execute<RowDataPacket[]>(this.#statements.select, row)).length > 0) return
    await this.#execute(insert, row)
  }

  #tooLong(row: Row): ActionFailure {
    const message = `ER_NET_PACKET_TOO_LARGE: a row of about ${rowBytes(row)} bytes; the server's max_allowed_packet is ${this.#packetBytesMax}`
    return new ActionFailure('refused', '1153', message)
  }

  async #rollBack(): Promise<void> {
    try {
      await this.#query('ROLLBACK')
    } catch {
      // It ends the transaction as well.
      this.#lose()
    }
  }

  #lose(): void {
    this.isOpen = false
    this.#connection.destroy()
  }

  async #query<Result = unknown>(sql: string): Promise<Result> {
    const answer = this.#connection.query(sql)
    return (await this.#answer(answer as Promise<unknown>)) as Result
  }

  async #execute<Result = unknown>(sql: string, parameters: readonly unknown[]): Promise<Result> {
    const answer = this.#connection.execute(sql, [...parameters] as never[])
    return (await this.#answer(answer as Promise<unknown>)) as Result
  }

  async #answer(answer: Promise<unknown>): Promise<unknown> {
    const timeoutMs = this.#timeoutMs
    const [result] = (await within(answer, { timeoutMs, onTimeout: () => this.#lose() })) as [unknown]
    return result
  }
}

/** Of a statement beside its values. */
const packetOverheadBytes = 1_024
