/**
 * The instances of a consumer with partitions on one PostgreSQL store, and which partitions are whose.
 *
 * Each says about every second that it is there, and shares the partitions out by the order in which the
 * instances came: all of them count alike. One that has died, or hangs, is left out once its row has run out,
 * by the database's clock. This is advice alone. Two may differ for a moment: what keeps both from writing is
 * each partition's own lease and generation (postgres-lease.ts).
 */
import { randomUUID } from 'node:crypto'
import {
  cutPostgres,
  HistoryError,
  openPostgres,
  type PostgresClient,
  postgresError,
} from '../../history/index.ts'

export interface InstancesOptions {
  readonly url: string
  /** The whole one's name. */
  readonly consumer: string
  readonly partitions: number
  /** How long an instance counts that does not answer, in milliseconds. */
  readonly leaseMs: number
}

export class PostgresInstances {
  readonly #options: InstancesOptions
  readonly #instance = randomUUID()
  #client: PostgresClient | undefined

  constructor(options: InstancesOptions) {
    this.#options = options
  }

  /**
   * Says that this instance is there.
   *
   * @returns The numbers of its partitions, from 1; undefined where the database does not answer now.
   * @throws HistoryError `HISTORY_FOREIGN`, `HISTORY_DRIVER_MISSING`; what else the database refuses.
   */
  async share(): Promise<number[] | undefined> {
    const { consumer, leaseMs, partitions } = this.#options
    const rows = await this.#try(async (client) => {
      await client.query(sayHere, [consumer, this.#instance, leaseMs])
      return (await client.query<{ instance: string }>(selectHere, [consumer])).rows
    })
    if (rows === undefined) return undefined
    const rank = rows.findIndex(({ instance }) => instance === this.#instance)
    return numbersUpTo(partitions).filter((number) => (number - 1) % rows.length === rank)
  }

  /** Leaves its partitions to the others, without their waiting for it. */
  async leave(): Promise<void> {
    const { consumer } = this.#options
    // Where this fails, the row runs out by itself.
    await this.#try((client) => client.query(sayGone, [consumer, this.#instance])).catch(() => {})
    const client = this.#client
    this.#client = undefined
    await client?.end().catch(() => {})
  }

  async #try<Result>(work: (client: PostgresClient) => Promise<Result>): Promise<Result | undefined> {
    const { url, consumer, leaseMs } = this.#options
    try {
      this.#client ??= await this.#connect(url, consumer, leaseMs)
      return await work(this.#client)
    } catch (thrown) {
      if (this.#client !== undefined) cutPostgres(this.#client)
      this.#client = undefined
      const error = postgresError(thrown, url)
      if (error instanceof HistoryError && error.code === 'HISTORY_UNAVAILABLE') return undefined
      throw error
    }
  }

  async #connect(url: string, consumer: string, leaseMs: number): Promise<PostgresClient> {
    const client = await openPostgres(url, {
      name: `backstory instance of ${consumer}`,
      queryTimeoutMs: leaseMs,
    })
    const { rows } = await client.query<{ made: boolean }>(
      `SELECT to_regclass('backstory_instances') IS NOT NULL AS made`,
    )
    // Two that make a table at once collide, "IF NOT EXISTS" or not.
    if (!rows[0]!.made)
      await client.query(`BEGIN; SELECT pg_advisory_xact_lock(${tableLock}); ${table} COMMIT`)
    return client
  }
}

/** Any number that is no other's. */
const tableLock = 7_240_915_102

const table = `
CREATE TABLE IF NOT EXISTS backstory_instances (
  consumer text NOT NULL,
  instance uuid NOT NULL,
  came_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  here_until timestamptz NOT NULL,
  PRIMARY KEY (consumer, instance)
);`

const sayHere = `
  WITH gone AS (DELETE FROM backstory_instances
    WHERE consumer = $1 AND instance <> $2 AND here_until < clock_timestamp())
  INSERT INTO backstory_instances (consumer, instance, here_until)
  VALUES ($1, $2, clock_timestamp() + $3 * interval '1 millisecond')
  ON CONFLICT (consumer, instance) DO UPDATE SET here_until = excluded.here_until`

const selectHere = `
  SELECT instance FROM backstory_instances
  WHERE consumer = $1 AND here_until >= clock_timestamp() ORDER BY came_at, instance`

const sayGone = 'DELETE FROM backstory_instances WHERE consumer = $1 AND instance = $2'

function numbersUpTo(last: number): number[] {
  return Array.from({ length: last }, (_one, index) => index + 1)
}
