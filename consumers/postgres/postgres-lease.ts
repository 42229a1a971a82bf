/**
 * The lease: of several instances of a consumer on one PostgreSQL store, one works and the others wait.
 *
 * The holder renews its row about every second, and who finds the row run out, by the database's clock,
 * takes it. That alone fences nothing: a process that was stopped for a minute wakes up believing in its
 * lease. What fences is the consumer's own row: taking the lease raises its generation, which waits for the
 * transaction that has the row locked, and each transaction locks the row and looks at the generation
 * first. So that a frozen holder cannot keep its transaction open for ever, its connection is ended.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  cutPostgres,
  HistoryError,
  openPostgres,
  type PostgresClient,
  postgresError,
  shownAddress,
} from '../../history/index.ts'
import { ConsumerError } from '../errors.ts'

export interface LeaseOptions {
  readonly url: string
  readonly consumer: string
  readonly exchange: string
  /** Unlike any other instance's. */
  readonly owner: string
  /** How long it holds without being renewed, in milliseconds. */
  readonly leaseMs: number
  /** The database has not answered for as long as the lease holds. */
  onSilence(): void
}

export class PostgresLease {
  readonly #options: LeaseOptions
  #client: PostgresClient | undefined
  #isHeld = false
  #timer: NodeJS.Timeout | undefined
  #renewing: Promise<void> | undefined
  #renewedAt = 0

  constructor(options: LeaseOptions) {
    this.#options = options
  }

  /** As far as known here: false once the database said that another has it. */
  get isHeld(): boolean {
    return this.#isHeld
  }

  /**
   * Takes the lease, its own again too, and raises the consumer's generation; waits while another has it or
   * the database is away.
   *
   * @param options.standby - Whether to wait while another has it.
   * @returns The generation.
   * @throws The signal's reason; ConsumerError `CONSUMER_LOCKED`; HistoryError `HISTORY_FOREIGN`,
   *   `HISTORY_DRIVER_MISSING`.
   */
  async take(signal: AbortSignal, { standby }: { standby: boolean }): Promise<number> {
    await this.#pause()
    while (true) {
      signal.throwIfAborted()
      const taken = await this.#try((client) => this.#tryTake(client))
      if (typeof taken === 'number') {
        this.#begin()
        return taken
      }
      if (taken === 'held' && !standby) throw locked(this.#options)
      await sleep(this.#options.leaseMs / pollsALease, undefined, { signal })
    }
  }

  /** Gives it back, so that another instance has it at once. */
  async release(): Promise<void> {
    await this.#pause()
    const { consumer, owner } = this.#options
    // Where this fails the lease runs out by itself.
    await this.#try((client) => client.query(releaseLease, [consumer, owner])).catch(() => {})
    const client = this.#client
    this.#client = undefined
    await client?.end().catch(() => {})
  }

  #begin(): void {
    this.#isHeld = true
    this.#renewedAt = performance.now()
    this.#timer = setInterval(() => {
      this.#renewing ??= this.#renew().finally(() => {
        this.#renewing = undefined
      })
    }, this.#options.leaseMs / renewalsALease)
    // What works with the store keeps the process alive, not this.
    this.#timer.unref()
  }

  /** Nothing renews it any more. */
  async #pause(): Promise<void> {
    clearInterval(this.#timer)
    this.#isHeld = false
    await this.#renewing
  }

  async #renew(): Promise<void> {
    const { consumer, owner, leaseMs, onSilence } = this.#options
    // Whatever the reason: transactions tell it to the consumer, which waits or stops.
    const renewed = await this.#try((client) => client.query(renewLease, [consumer, owner, leaseMs])).catch(
      () => undefined,
    )
    if (renewed?.rowCount === 0) this.#isHeld = false
    if (renewed !== undefined) this.#renewedAt = performance.now()
    else if (performance.now() - this.#renewedAt > leaseMs) onSilence()
  }

  async #tryTake(client: PostgresClient): Promise<number | 'held'> {
    const { consumer, exchange, owner, leaseMs } = this.#options
    await client.query('BEGIN')
    // The lease's row must not stay locked while a transaction of the last holder goes on and on.
    await client.query(`SET LOCAL lock_timeout = ${Math.round(leaseMs)}`)
    await client.query(makeLease, [consumer])
    const { rowCount } = await client.query(lockLease, [consumer, owner])
    if (rowCount === 0) {
      await client.query('ROLLBACK')
      return 'held'
    }
    await client.query(endWorker, [consumer])
    const { rows } = await client.query<{ generation: string }>(raiseGeneration, [consumer, exchange])
    await client.query(takeLease, [consumer, owner, leaseMs])
    await client.query('COMMIT')
    return Number(rows[0]!.generation)
  }

  /** Undefined where the database could not be reached, or not in time: a new connection comes next. */
  async #try<Result>(work: (client: PostgresClient) => Promise<Result>): Promise<Result | undefined> {
    const { url, consumer, leaseMs } = this.#options
    try {
      this.#client ??= await openPostgres(url, {
        name: `backstory lease of ${consumer}`,
        queryTimeoutMs: leaseMs * 2,
      })
      return await work(this.#client)
    } catch (thrown) {
      if (this.#client !== undefined) cutPostgres(this.#client)
      this.#client = undefined
      const error = postgresError(thrown, url)
      if (error instanceof HistoryError && error.code === 'HISTORY_UNAVAILABLE') return undefined
      throw error
    }
  }
}

function locked({ consumer, url, leaseMs }: LeaseOptions): ConsumerError {
  const seconds = Math.ceil(leaseMs / 1_000)
  return new ConsumerError(
    'CONSUMER_LOCKED',
    `Consumer ${consumer} runs on ${shownAddress(url)} already, or died less than ${seconds} s ago; stop that one first`,
  )
}

const pollsALease = 10
const renewalsALease = 5

const makeLease = 'INSERT INTO backstory_leases (consumer) VALUES ($1) ON CONFLICT DO NOTHING'

const lockLease = `
  SELECT 1 FROM backstory_leases
  WHERE consumer = $1 AND (owner IS NULL OR owner = $2 OR lease_until < clock_timestamp()) FOR UPDATE`

/** The number of a process that has gone may be another's: the time at which it began tells. */
const endWorker = `
  SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  JOIN backstory_leases ON pid = worker AND backend_start = worker_start
  WHERE consumer = $1 AND usename = session_user`

const raiseGeneration = `
  INSERT INTO backstory_consumers (name, exchange) VALUES ($1, $2)
  ON CONFLICT (name) DO UPDATE SET generation = backstory_consumers.generation + 1 RETURNING generation`

const takeLease = `
  UPDATE backstory_leases SET owner = $2, worker = NULL, worker_start = NULL,
    lease_until = clock_timestamp() + $3 * interval '1 millisecond'
  WHERE consumer = $1`

const renewLease = `
  UPDATE backstory_leases SET lease_until = clock_timestamp() + $3 * interval '1 millisecond'
  WHERE consumer = $1 AND owner = $2`

const releaseLease = 'UPDATE backstory_leases SET owner = NULL WHERE consumer = $1 AND owner = $2'

/** Tells, on the connection that works, whose it is, so that the next holder can end it. */
export const registerWorker = `
  UPDATE backstory_leases SET worker = pg_backend_pid(),
    worker_start = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())
  WHERE consumer = $1 AND owner = $2`
