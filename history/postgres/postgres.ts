/**
 * PostgreSQL: connections on which a lost server is an error of ours, and no password is ever shown.
 *
 * The only importer of pg, loaded when a database is opened, so that a program on SQLite needs no driver.
 * A connection may end at any moment between two queries; pg then emits `error`, which would end the
 * process where nobody listens.
 */
import { Socket } from 'node:net'
import type { Client, ClientConfig, Query, QueryConfig } from 'pg'
import { HistoryError } from '../errors.ts'

/** An open connection of pg. An interface, so that a declaration which has it needs no other name. */
export interface PostgresClient extends Client {}

/** Whether an address names a PostgreSQL database rather than a file. */
export function isPostgresUrl(address: string): boolean {
  return /^postgres(ql)?:\/\//i.test(address)
}

/** @throws TypeError, without the address: a password that is not escaped may be anywhere in it. */
export function requirePostgresUrl(address: string): void {
  if (isPostgresUrl(address) && URL.canParse(address)) return
  throw new TypeError(
    'Expected a URL such as postgres://user:password@host:5432/database; escape what is in a password (/ as %2F, @ as %40)',
  )
}

/** The address as it may be shown: without user, password and options, where it is one of PostgreSQL. */
export function shownAddress(address: string): string {
  if (!isPostgresUrl(address)) return address
  try {
    const { protocol, host, pathname } = new URL(address)
    return `${protocol}//${host}${pathname}`
  } catch {
    return 'postgres://…'
  }
}

export interface PostgresOptions {
  /** Shown in `pg_stat_activity`. */
  readonly name: string
  /** Sends a query without waiting for the answers of those before it. Default false. */
  readonly pipeline?: boolean
  /** How long an answer may take, in milliseconds; 0 for ever. Default 0. */
  readonly queryTimeoutMs?: number
}

/**
 * Opens a connection to a PostgreSQL database.
 *
 * @param url - As in `postgres://user:password@host:5432/database`.
 * @throws HistoryError `HISTORY_UNAVAILABLE` the server cannot be reached, or refuses for now;
 *   `HISTORY_FOREIGN` it denies this user or has no such database; `HISTORY_DRIVER_MISSING`. TypeError for
 *   an address that is no URL.
 */
export async function openPostgres(
  url: string,
  { name, pipeline = false, queryTimeoutMs = 0 }: PostgresOptions,
): Promise<PostgresClient> {
  requirePostgresUrl(url)
  const driver = await loadDriver()
  const socket = new Socket()
  const config: ClientConfig = {
    connectionString: url,
    application_name: name,
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: queryTimeoutMs,
    keepAlive: true,
    pipeline,
    stream: () => socket,
  }
  try {
    const client = new driver.Client(config)
    client.on('error', () => {})
    connections.set(client, { socket, Query: driver.Query })
    await client.connect()
    return client
  } catch (error) {
    socket.destroy()
    throw postgresError(error, url)
  }
}

const connectTimeoutMs = 5_000
const connections = new WeakMap<PostgresClient, Connection>()

interface Connection {
  readonly socket: Socket
  /** The driver's, which is known once that is loaded. */
  readonly Query: typeof Query
}

/**
 * Ends a connection at once, whatever it waits for: its queries fail, and the server rolls back. pg's own
 * `end()` waits for the answers that are due, from a server that may have gone.
 */
export function cutPostgres(client: PostgresClient): void {
  connections.get(client)?.socket.destroy()
}

/**
 * Sends a statement of a handler's transaction without waiting for its answer, so that those of a whole batch
 * share a round trip. Where it fails nothing of the batch is committed, and each event is tried alone.
 *
 * @param client - The connection that `prepare` was given.
 * @param query - Text and values; with a `name`, it is parsed once a connection.
 * @throws TypeError for a connection that is not ours.
 */
export function sendQuery(client: PostgresClient, { text, values, name }: QueryConfig): void {
  const connection = connections.get(client)
  if (connection === undefined)
    throw new TypeError('Expected `client` to be the connection that `prepare` was given')
  gather(connection.socket)
  // As a `Query` with a callback: of a config pg makes a copy, property by property, and three promises.
  const query = new connection.Query(text, values, (error?: unknown) => {
    // 25P02 says only that something failed before.
    const isFirst = !!error && !failures.has(client) && (error as { code?: unknown }).code !== '25P02'
    if (isFirst) failures.set(client, error)
  })
  client.query(Object.assign(query, { name }))
}

/**
 * Lets what is sent in this turn share system calls, since one a statement takes a fifth of the processor's
 * time. Not all of a long turn's, so that the server works on the first while the next are made.
 */
function gather(socket: Socket): void {
  if (socket.writableCorked === 0) {
    socket.cork()
    process.nextTick(() => socket.uncork())
  } else if (socket.writableLength >= gatheredBytes) {
    socket.uncork()
    socket.cork()
  }
}

/** Of so many, 4 buffers a statement, a system call still takes them all: 1,024 buffers at most. */
const gatheredBytes = 4 * 1024

const failures = new WeakMap<PostgresClient, unknown>()

/** What was the first to fail of what was sent since this was last asked; undefined where nothing did. */
export function takeFailure(client: PostgresClient): unknown {
  const failure = failures.get(client)
  failures.delete(client)
  return failure
}

/** The HistoryError for what pg threw where it tells of the server; errors of other kinds come back as they are. */
export function postgresError(error: unknown, url: string): unknown {
  if (error instanceof HistoryError || !(error instanceof Error)) return error
  const shown = shownAddress(url)
  const denial = denials.find(({ says }) => says.test(sqlState(error) || error.message))
  if (denial !== undefined) {
    const message = `${shown} ${denial.what} (${error.message}): ${denial.advice}`
    return new HistoryError('HISTORY_FOREIGN', message, { cause: error })
  }
  if (!isAway(error)) return error
  const reason = error.message || sqlState(error)
  return new HistoryError(
    'HISTORY_UNAVAILABLE',
    lostConnection.test(error.message)
      ? `The connection to ${shown} was lost (${reason}): what it was doing is tried again; see that PostgreSQL runs, and its log`
      : `${shown} cannot be used now (${reason}): start PostgreSQL, or look at its disk and its rights`,
    { cause: error },
  )
}

/** By SQLSTATE, or the code of Node's TLS, or pg's own words where there is neither. */
const denials: readonly { readonly says: RegExp; readonly what: string; readonly advice: string }[] = [
  {
    says: /^28\w{3}$/,
    what: 'does not let us in',
    advice: 'name the right user and password, and see the pg_hba.conf of the server',
  },
  { says: /^3D000$/, what: 'is not there', advice: 'create the database, or name another' },
  { says: /^42501$/, what: 'denies what is needed', advice: 'GRANT it to this user, or name another' },
  {
    says: /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED|UNABLE_TO_|The server does not support SSL)/,
    what: 'cannot be talked to in secret',
    advice: 'name its authority with sslrootcert and its own name as the host, or see its ssl settings',
  },
]

/** SQLSTATE of PostgreSQL, or the code of a system's error. */
function sqlState(error: Error): string {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : ''
}

/**
 * Classes of https://www.postgresql.org/docs/current/errcodes-appendix.html that say nothing of the data:
 * connection (08, but not 08P01, a statement with too few values), resources (53), operator's doing (57P, but not a cancelled query), system (58), read-only
 * server (25006), and what is over as soon as another transaction is (40001, 40P01, 55P03). pg's own errors
 * of a lost connection have no code.
 */
function isAway(error: Error): boolean {
  const code = sqlState(error)
  if (/^(08[0-9]{3}|53\w{3}|57P\w{2}|58\w{3}|25006|25P03|40001|40P01|55P03)$/.test(code)) return true
  return isSystemCode(code) || (code === '' && lostConnection.test(error.message))
}

/** Of Node's sockets and name look-ups. */
function isSystemCode(code: string): boolean {
  return /^E[A-Z_]{3,}$/.test(code) && !code.startsWith('ERR_')
}

const lostConnection =
  /^(terminating connection|Connection terminated|timeout expired|Client has encountered a connection error|Client was closed|Query read timeout)/

/** @throws HistoryError `HISTORY_DRIVER_MISSING`. */
export async function loadPostgres(): Promise<void> {
  await loadDriver()
}

interface Driver {
  readonly Client: typeof Client
  readonly Query: typeof Query
}

async function loadDriver(): Promise<Driver> {
  try {
    return (await import('pg')).default
  } catch (cause) {
    throw new HistoryError('HISTORY_DRIVER_MISSING', 'PostgreSQL needs the package pg: npm install pg', {
      cause,
    })
  }
}
