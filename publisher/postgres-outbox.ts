/**
 * The outbox in a PostgreSQL database of the application's own, by its own pool of pg.
 *
 * Numbers are taken in the order of the commits: a constraint trigger, deferred to the commit, takes the
 * next one from the counter's row, and the lock on that row lasts until the transaction is over. A number
 * taken when the event is added would lose events: a relay that has read number 5 would never come back
 * for 4, whose transaction commits later. What that costs is in docs/decisions/0008.
 */
import { type Catalog, type EventInput, newEpoch } from '../events/index.ts'
import { knownSource, outsideTransaction } from './bounds.ts'
import { toRow } from './outbox-message.ts'
import type { OutboxRows } from './outbox-rows.ts'
import type { PostgresOutboxClient, PostgresOutboxPool } from './postgres-outbox-pool.ts'
import { PostgresRows } from './postgres-outbox-rows.ts'
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
  readonly partitions: number | undefined
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
    this.rows = new PostgresRows(settings)
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
