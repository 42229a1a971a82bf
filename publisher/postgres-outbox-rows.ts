/**
 * The rows of an outbox in PostgreSQL, for its relay.
 *
 * A relay's turn holds one client of the pool, with an advisory lock on it that ends with the connection.
 * Numbers travel as text: pg reads 64-bit integers as the application has told it to.
 */
import type { OutboxHead, OutboxRow, OutboxRows, OutboxSession } from './outbox-rows.ts'
import type {
  PostgresOutboxClient,
  PostgresOutboxPool,
  PostgresOutboxSession,
} from './postgres-outbox-pool.ts'

export class PostgresRows implements OutboxRows {
  readonly exchange: string
  readonly #database: PostgresOutboxPool

  constructor({ database, exchange }: { database: PostgresOutboxPool; exchange: string }) {
    this.exchange = exchange
    this.#database = database
  }

  head(): Promise<OutboxHead> {
    return readHead(this.#database, this.exchange)
  }

  async acquire(): Promise<OutboxSession | undefined> {
    const client = await this.#database.connect()
    // What it tells is told again by the next statement.
    client.on('error', ignore)
    try {
      if (await lock(client, this.exchange)) return new ClientSession(client, this.exchange)
    } catch (error) {
      client.release(true)
      throw error
    }
    client.off('error', ignore)
    client.release()
    return undefined
  }
}

const ignore = () => {}

async function readHead(client: Pick<PostgresOutboxClient, 'query'>, exchange: string): Promise<OutboxHead> {
  const { rows } = await client.query(
    `SELECT epoch, sequence::text, (
        SELECT min(sequence)::text FROM backstory_outbox WHERE exchange = counter.exchange AND sequence > 0
      ) AS first
    FROM backstory_outbox_counter AS counter WHERE exchange = $1`,
    [exchange],
  )
  const { epoch, sequence, first } = rows[0] as { epoch: string; sequence: string; first: string | null }
  return { epoch, sequence: Number(sequence), first: first === null ? undefined : Number(first) }
}

/** Of this table and exchange: outboxes in other schemas have their own. */
async function lock(client: PostgresOutboxSession, exchange: string): Promise<boolean> {
  const { rows } = await client.query(
    `SELECT pg_try_advisory_lock(hashtextextended($1, 'backstory_outbox'::regclass::oid::bigint)) AS locked`,
    [exchange],
  )
  return (rows[0] as { locked: boolean }).locked
}

class ClientSession implements OutboxSession {
  /** Commits are told of; this is for those told of while nobody listened. */
  readonly pollMs = 1_000
  readonly #client: PostgresOutboxSession
  readonly #exchange: string

  constructor(client: PostgresOutboxSession, exchange: string) {
    this.#client = client
    this.#exchange = exchange
  }

  head(): Promise<OutboxHead> {
    return readHead(this.#client, this.#exchange)
  }

  async page({
    after,
    limit,
    bytesMax,
  }: {
    after: number
    limit: number
    bytesMax: number
  }): Promise<OutboxRow[]> {
    const { rows } = await this.#client.query(
      `SELECT sequence::text, id, routing_key AS "routingKey", properties, body FROM (
        SELECT *, sum(octet_length(body)) OVER (ORDER BY sequence) - octet_length(body) AS bytes_before
        FROM (
          SELECT * FROM backstory_outbox WHERE exchange = $1 AND sequence > $2 ORDER BY sequence LIMIT $3
        ) AS next
      ) AS page
      WHERE bytes_before < $4 ORDER BY page.sequence`,
      [this.#exchange, after, limit, bytesMax],
    )
    return (rows as (Omit<OutboxRow, 'sequence'> & { sequence: string })[]).map((row) => ({
      ...row,
      sequence: Number(row.sequence),
    }))
  }

  async remove({ upTo }: { upTo: number }): Promise<void> {
    await this.#client.query('DELETE FROM backstory_outbox WHERE exchange = $1 AND sequence <= $2', [
      this.#exchange,
      upTo,
    ])
  }

  async onCommit(listener: () => void): Promise<void> {
    this.#client.on('notification', ({ payload }) => {
      if (payload === this.#exchange) listener()
    })
    await this.#client.query('LISTEN backstory_outbox')
    // The server notices within some 20 s where this machine is gone without a word, and lets the next one in.
    await this.#client.query(
      'SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 3; SET tcp_keepalives_count = 3',
    )
  }

  /** Not given back to the pool: with the connection its settings and subscriptions end. */
  async release(): Promise<void> {
    // At once for whoever stands by; where the connection is lost, the server lets go by itself.
    await this.#client.query('SELECT pg_advisory_unlock_all()').catch(() => {})
    this.#client.release(true)
  }
}
