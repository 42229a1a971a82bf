/**
 * PostgreSQL. The statements of a transaction are sent without waiting for the answers in between, its commit
 * with them: where one of them fails, PostgreSQL refuses what follows, and the commit is a rollback.
 */

import {
  cutPostgres,
  HistoryError,
  openPostgres,
  type PostgresClient,
  shownAddress,
} from '../../../history/index.ts'
import { ActionFailure } from '../../action.ts'
import { ReplayError } from '../../errors.ts'
import type { FailureKind } from '../../failure-cause.ts'
import type { MappedValue } from '../../mapping/mapped-value.ts'
import type { PluginTarget } from '../../source.ts'
import { decoded, isThisMachine } from './server-address.ts'
import {
  failureOf,
  type Row,
  type SqlConnection,
  type SqlDatabase,
  type Verdict,
  type WriteFailure,
} from './sql-database.ts'
import { conditionNames } from './sqlstate.ts'
import {
  deleteStatement,
  insertStatement,
  onConflictStatement,
  type Spelling,
  selectStatement,
} from './statements.ts'
import { serverPlace, tableTarget } from './table-target.ts'
import type { TableWrite } from './table-write.ts'

const spelling: Spelling = {
  quote: (name) => `"${name.replaceAll('"', '""')}"`,
  parameter: (at) => `$${at + 1}`,
}

const statements = {
  insert: insertStatement,
  upsert: onConflictStatement,
  delete: deleteStatement,
}

/** Of a name; what is longer PostgreSQL would cut, and so take another table for it. */
const nameBytesMax = 63

/** @throws TypeError for an address that is no URL, and for a name that is too long. */
export function postgresDatabase(
  { address, context }: PluginTarget,
  { write, timeoutMs }: { write: TableWrite; timeoutMs: number },
): SqlDatabase {
  if (!URL.canParse(address))
    throw new TypeError('Expected a URL such as postgres://user:password@host:5432/database')
  for (const name of [...write.table, ...write.columns])
    if (Buffer.byteLength(name) > nameBytesMax)
      throw new TypeError(`PostgreSQL's names have at most ${nameBytesMax} bytes: ${name}`)
  const url = new URL(address)
  for (const part of [url.username, url.password, url.pathname]) decoded(part)
  if (url.password === '') url.password = encodeURIComponent(context.setting('PGPASSWORD') ?? '')
  const sql = {
    statement: statements[write.mode](write, spelling),
    select: selectStatement(
      write,
      spelling,
      (column, parameter) => `${column} IS NOT DISTINCT FROM ${parameter}`,
    ),
  }
  const host = url.searchParams.get('host') ?? url.hostname.replace(/^\[|\]$/g, '')
  const port = url.port || (url.searchParams.get('port') ?? 5432)
  const database = decoded(url.pathname.slice(1)) || decoded(url.username)
  return {
    name: shownAddress(address),
    target: tableTarget(serverPlace('postgres', { host, port }), write.table, {
      defaults: [database, 'public'],
      ignoresCase: false,
    }),
    isLocal: isThisMachine(host),
    statement: sql.statement,
    rowOf: (values) => values.map(parameterOf),
    connect: async () => new PostgresConnection(await open(url.href, timeoutMs), sql),
  }
}

async function open(url: string, queryTimeoutMs: number): Promise<PostgresClient> {
  try {
    return await openPostgres(url, { name: 'backstory replay', pipeline: true, queryTimeoutMs })
  } catch (error) {
    if (!(error instanceof HistoryError)) throw error
    if (error.code === 'HISTORY_DRIVER_MISSING')
      throw new ReplayError('REPLAY_DRIVER_MISSING', error.message, { cause: error })
    const code = codeOf(error.cause) ?? error.code
    throw new ActionFailure(code === '53300' ? 'throttled' : 'unavailable', code, error.message, {
      cause: error,
    })
  }
}

/** As text, of which the server makes what the column is. */
function parameterOf(value: MappedValue): unknown {
  if (value === null) return null
  if (value.type === 'json') return value.text
  return value.type === 'bytes' ? value.value : String(value.value)
}

class PostgresConnection implements SqlConnection {
  isOpen = true
  readonly #client: PostgresClient
  readonly #statement: string
  readonly #select: string

  constructor(client: PostgresClient, { statement, select }: { statement: string; select: string }) {
    this.#client = client
    this.#statement = statement
    this.#select = select
    for (const event of ['error', 'end'] as const) client.on(event, () => this.#lose())
  }

  async write(rows: readonly Row[]): Promise<WriteFailure | undefined> {
    const client = this.#client
    const begin = client.query('BEGIN')
    const writes = rows.map((values) =>
      client.query({ name: 'backstory_write', text: this.#statement, values: [...values] }),
    )
    const answers = await Promise.allSettled([begin, ...writes, client.query('COMMIT')])
    const failed = answers.findIndex(({ status }) => status === 'rejected')
    if (failed === -1) return undefined
    const failure = this.#failureOf((answers[failed] as PromiseRejectedResult).reason)
    // The first is BEGIN's; what is deferred to the commit may be of any row.
    const row = failed - 1
    return { failure, row: row >= 0 && row < rows.length ? row : undefined }
  }

  async holds(row: Row): Promise<boolean> {
    try {
      return (await this.#client.query(this.#select, [...row])).rows.length > 0
    } catch (error) {
      this.#failureOf(error)
      return false
    }
  }

  async close(): Promise<void> {
    // A goodbye that nobody hears is not waited for.
    if (this.isOpen)
      await Promise.race([this.#client.end(), new Promise((done) => setTimeout(done, 1_000).unref())])
    this.#lose()
  }

  #failureOf(error: unknown): ActionFailure {
    const verdict = verdictOf(error)
    if (verdict.kind === 'unavailable') this.#lose()
    return failureOf(verdict, error)
  }

  #lose(): void {
    this.isOpen = false
    cutPostgres(this.#client)
  }
}

/** By SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html. What has none is of the connection. */
function verdictOf(error: unknown): Verdict {
  const code = codeOf(error)
  if (code === undefined || !/^[0-9A-Z]{5}$/.test(code))
    return { kind: 'unavailable', code: code ?? 'CONNECTION_LOST' }
  return { kind: kindOf(code), code, name: conditionNames[code] }
}

function kindOf(code: string): FailureKind {
  // Serialization, deadlock, a lock that is not free, a statement that took longer than the server lets it.
  if (/^(40001|40P01|55P03|57014)$/.test(code)) return 'throttled'
  // Connection, resources, the operator's doing, the system, a server that may only be read. But not a
  // message that it cannot read.
  return code !== '08P01' && /^(08|53|57P|58|25006|25P03)/.test(code) ? 'unavailable' : 'refused'
}

function codeOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === 'string' ? code : undefined
}
