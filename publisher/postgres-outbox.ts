/**
 * The outbox in a PostgreSQL database of the application's own, by its own pool of pg.
 *
 * Numbers are taken in the order of the commits: a constraint trigger, deferred to the commit, takes the
 * next one from the counter's row, and the lock on that row lasts until the transaction is over. A number
 * taken when the event is added would lose events: a relay that has read number 5 would never come back
 * for 4, whose transaction commits later. What that costs is in docs/decisions/0008.
 *
 * The relay holds one client of the pool, with an advisory lock on it: it ends with the connection.
 */
import { type Catalog, type EventInput, newEpoch } from '../events/index.ts'
import { knownSource, outsideTransaction } from './bounds.ts'
import { toRow } from './outbox-message.ts'
import type { OutboxHead, OutboxRow, OutboxRows, OutboxSession } from './outbox-rows.ts'
import type {
  PostgresOutboxClient,
  PostgresOutboxPool,
  PostgresOutboxSession,
} from './postgres-outbox-pool.ts'
import { makeTables } from './postgres-outbox-tables.ts'
import type { EventOf } from './publisher.ts'

export interface PostgresOutbox<Events extends Catalog = Catalog> {
  readonly exchange: string
  readonly source: string
  /** For the relay. */
  readonly rows: OutboxRows
  /**
   * Adds an event, to be published once the transaction has committed. Events leave in the order of the
   * commits, and of the calls within one.
   *
   * @param tx - A client in a transaction.
   * @returns The event's id.
   * @throws PublishError `PUBLISH_OUTSIDE_TRANSACTION`, `PUBLISH_TOO_LARGE`. TypeError for an event that
   *   AMQP cannot carry. What the database throws.
   */
  add(tx: PostgresOutboxClient, event: EventOf<Events>): Promise<{ readonly id: string }>
}

interface Settings {
  readonly database: PostgresOutboxPool
  readonly exchange: string
  readonly source: string | undefined
  readonly bodyBytesMax: number
}

export async function openPostgresOutbox(settings: Settings): Promise<PostgresOutbox> {
  const { database, exchange, source } = settings
  const found = await sourceIn(database, { exchange, source })
  const known = knownSource(found, { exchange, source, where: 'This database' })
  return new TableOutbox({ ...settings, source: known })
}

/** The source that the outbox was made with, made now where it is new. */
async function sourceIn(
  database: PostgresOutboxPool,
  { exchange, source }: { exchange: string; source: string | undefined },
): Promise<string | undefined> {
  // Looked at first: whoever uses an outbox that is there needs no right to make tables.
  const { rows: tables } = await database.query("SELECT to_regclass('backstory_outbox_counter') AS found")
  const isMade = (tables[0] as { found: string | null }).found !== null
  if (!isMade && source === undefined) return undefined
  if (!isMade) await makeTables(database)
  const find = async () => {
    const { rows } = await database.query('SELECT source FROM backstory_outbox_counter WHERE exchange = $1', [
      exchange,
    ])
    return (rows[0] as { source: string } | undefined)?.source
  }
  const found = await find()
  if (found !== undefined || source === undefined) return found
  await database.query(
    'INSERT INTO backstory_outbox_counter VALUES ($1, $2, $3, 0) ON CONFLICT (exchange) DO NOTHING',
    [exchange, source, newEpoch()],
  )
  return await find()
}

class TableOutbox implements PostgresOutbox {
  readonly exchange: string
  readonly source: string
  readonly rows: OutboxRows
  readonly #settings: Settings & { readonly source: string }

  constructor(settings: Settings & { readonly source: string }) {
    this.exchange = settings.exchange
    this.source = settings.source
    this.rows = new TableRows(settings)
    this.#settings = settings
  }

  async add(tx: PostgresOutboxClient, event: EventInput): Promise<{ readonly id: string }> {
    if (typeof tx?.query !== 'function') throw new TypeError('Expected `tx` to be a client of pg')
    if ('totalCount' in tx)
      throw new TypeError('Expected `tx` to be a client: a pool runs each statement on another')
    const { id, routingKey, properties, body } = toRow(event, this.#settings)
    await requireTransaction(tx)
    await tx.query(
      'INSERT INTO backstory_outbox (exchange, id, routing_key, properties, body) VALUES ($1, $2, $3, $4, $5)',
      [this.exchange, id, routingKey, properties, body],
    )
    return { id }
  }
}

/** SQLSTATE of a statement that needs a transaction block and has none. */
const noActiveTransaction = '25P01'

async function requireTransaction(tx: PostgresOutboxClient): Promise<void> {
  if (tx.getTransactionStatus?.() === 'T') return
  try {
    // The lock that the insert takes anyway; outside of a transaction it is refused.
    await tx.query('LOCK TABLE backstory_outbox IN ROW EXCLUSIVE MODE')
  } catch (error) {
    if ((error as { code?: unknown }).code === noActiveTransaction) throw outsideTransaction()
    throw error
  }
}

class TableRows implements OutboxRows {
  readonly exchange: string
  readonly #database: PostgresOutboxPool

  constructor({ database, exchange }: Settings) {
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
