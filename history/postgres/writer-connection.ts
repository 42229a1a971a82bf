/**
 * The connection that writes a history, and the lock on the one writer.
 *
 * The lock is an advisory one of the very session that writes, so that who has lost the session has lost the
 * lock, and cannot commit. Where a pooler or a failover gives two writers the lock, the epoch decides: each
 * writer raises it, and each transaction looks at it with the row locked. A server that a connection was
 * lost to may work on for it: a writer that comes back ends its own last session, and no other's.
 */
import { hash } from 'node:crypto'
import { HistoryError } from '../errors.ts'
import { makeHistory, schemaOf } from './history-schema.ts'
import { cutPostgres, openPostgres, type PostgresClient, postgresError, shownAddress } from './postgres.ts'

export interface WriterPlace {
  readonly url: string
  readonly exchange: string
  /** Positions a partition, where the history is made now. */
  readonly partitionSize: number
}

/** What a writer holds of the history. */
export interface Tenure {
  /** Quoted, as it stands in a statement. */
  readonly schema: string
  readonly made: string
  readonly epoch: string
  readonly partitionSize: number
}

/** A session of the server's: the number of a process that has gone may be another's. */
interface Session {
  readonly pid: number
  readonly start: string
}

export class WriterConnection {
  readonly client: PostgresClient
  readonly #place: WriterPlace
  readonly #session: Session
  #isLost = false

  private constructor(client: PostgresClient, place: WriterPlace, session: Session) {
    this.client = client
    this.#place = place
    this.#session = session
    client.once('end', () => {
      this.#isLost = true
    })
  }

  /**
   * Connects and takes the lock.
   *
   * @param last - The connection that was lost before.
   * @throws HistoryError `HISTORY_LOCKED` another has it; `HISTORY_UNAVAILABLE`, `HISTORY_FOREIGN`,
   *   `HISTORY_DRIVER_MISSING`.
   */
  static async open(place: WriterPlace, last?: WriterConnection): Promise<WriterConnection> {
    const { url, exchange } = place
    const client = await openPostgres(url, {
      name: `backstory recorder of ${exchange}`,
      queryTimeoutMs: answerTimeoutMs,
    })
    try {
      const { rows } = await client.query<Session>(settle)
      const key = lockKey(exchange)
      const lock = await client.query<{ locked: boolean }>(takeLock, [key])
      if (lock.rows[0]!.locked) return new WriterConnection(client, place, rows[0]!)
      if (last !== undefined && (await endSession(client, last.#session, key))) {
        throw new HistoryError(
          'HISTORY_UNAVAILABLE',
          `${shownAddress(url)} still works for the connection that was lost to it; that is ended, and tried again`,
        )
      }
      throw locked(place)
    } catch (error) {
      cutPostgres(client)
      throw postgresError(error, url)
    }
  }

  get isLost(): boolean {
    return this.#isLost
  }

  /** Makes the history where there is none, and begins an epoch: nobody who wrote before can any more. */
  async begin(): Promise<Tenure> {
    const { schema, made } = await makeHistory(this.client, this.#place)
    const { rows } = await this.client.query<{ epoch: string; partition_size: string }>(
      `UPDATE ${schema}.history SET epoch = epoch + 1 RETURNING epoch, partition_size`,
    )
    const { epoch, partition_size } = rows[0]!
    return { schema, made, epoch, partitionSize: Number(partition_size) }
  }

  /** @throws HistoryError `HISTORY_LOCKED` where another has written meanwhile; `HISTORY_REPLACED`. */
  async resume({ schema, made, epoch }: Tenure): Promise<void> {
    const { rows } = await this.client
      .query<{ made: string; epoch: string }>(`SELECT made, epoch FROM ${schema}.history`)
      .catch((error: unknown) => {
        if (isMissing(error)) return { rows: [] }
        throw error
      })
    const [row] = rows
    if (row?.made !== made) throw replaced(this.#place)
    if (row.epoch !== epoch) throw locked(this.#place)
  }

  /** Ends it at once; the server rolls back. */
  cut(): void {
    this.#isLost = true
    cutPostgres(this.client)
  }

  /** Lets the next writer in. */
  async close(): Promise<void> {
    if (this.#isLost) return
    // The session's end would do, a moment later.
    await this.client.query('SELECT pg_advisory_unlock_all()').catch(() => {})
    await this.client.end().catch(() => {})
  }
}

export function locked({ url, exchange }: Pick<WriterPlace, 'url' | 'exchange'>): HistoryError {
  return new HistoryError(
    'HISTORY_LOCKED',
    `The history of ${exchange} in ${shownAddress(url)} has another recorder; stop it, wait for it as a standby, or name another database`,
  )
}

export function replaced({ url, exchange }: Pick<WriterPlace, 'url' | 'exchange'>): HistoryError {
  return new HistoryError(
    'HISTORY_REPLACED',
    `The history of ${exchange} in ${shownAddress(url)} was dropped, or goes back to before what was recorded, as a copy does or a server that had not all of it; put it right and start again. What was not acknowledged is still in the history queue`,
  )
}

/** 42P01 no such table, 3F000 no such schema. */
export function isMissing(error: unknown): boolean {
  return /^(42P01|3F000)$/.test(String((error as { code?: unknown }).code))
}

/** What the server does not answer for so long is taken for lost, and asked again. */
const answerTimeoutMs = 60_000

/**
 * A host that is gone without a word must not keep its lock: the server finds out within 15 s. What
 * was committed is on the disk, whatever this user's default is. A plan is made once and looked up by index,
 * however small the tables were then.
 */
const settle = `
  SELECT pid, extract(epoch FROM backend_start)::text AS start,
    set_config('tcp_keepalives_idle', '5', false), set_config('tcp_keepalives_interval', '2', false),
    set_config('tcp_keepalives_count', '5', false), set_config('plan_cache_mode', 'force_generic_plan', false),
    set_config('enable_seqscan', 'off', false), set_config('enable_hashjoin', 'off', false),
    set_config('enable_mergejoin', 'off', false),
    CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', false) END
  FROM pg_stat_activity WHERE pid = pg_backend_pid()`

const takeLock = 'SELECT pg_try_advisory_lock($1) AS locked'

/** Any number that is another's for no other exchange. */
function lockKey(exchange: string): string {
  const digits = hash('sha256', `lock of ${schemaOf(exchange)}`).slice(0, 16)
  return BigInt.asIntN(64, BigInt(`0x${digits}`)).toString()
}

/** Whether that session held the lock. */
async function endSession(client: PostgresClient, { pid, start }: Session, key: string): Promise<boolean> {
  const { rowCount } = await client.query(endLockHolder, [pid, start, key])
  return rowCount === 1
}

const endLockHolder = `
  SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE pid = $1 AND extract(epoch FROM backend_start)::text = $2 AND usename = current_user AND EXISTS (
    SELECT FROM pg_locks
    WHERE pg_locks.pid = $1 AND locktype = 'advisory' AND granted AND objsubid = 1
      AND (classid::bigint << 32) | objid::bigint = $3::bigint
  )`
