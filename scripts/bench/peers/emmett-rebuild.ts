/**
 * Emmett's rebuild of a projection into a table of PostgreSQL: the same upsert an event, from its own event
 * store, by its own consumer, with the batches that it takes by default.
 */
import { type OrderPlaced, orderPlaced, eventType as orderType } from '../order-placed.ts'
import { postgresOrdersTable, upsertValues } from '../orders-table.ts'
import { type Part, requireCount } from '../part.ts'
import { loadPeer } from './load-peer.ts'

export interface EmmettSetup {
  /** Of an empty database. */
  readonly database: string
  readonly events: number
}

/** What is used of @event-driven-io/emmett-postgresql and dumbo, which are installed on their own. */
interface Emmett {
  getPostgreSQLEventStore(url: string): {
    appendToStream(stream: string, events: readonly unknown[]): Promise<unknown>
    close(): Promise<void>
  }
  postgreSQLRawBatchSQLProjection(definition: unknown): unknown
  rebuildPostgreSQLProjections(options: unknown): { start(): Promise<void>; close(): Promise<void> }
}
interface Dumbo {
  dumbo(options: { connectionString: string }): {
    execute: {
      command(sql: unknown): Promise<unknown>
      query(sql: unknown): Promise<{ rows: { count: string }[] }>
    }
    close(): Promise<void>
  }
  rawSql(text: string): unknown
  SQL(strings: TemplateStringsArray, ...values: unknown[]): unknown
}

const perStream = 500

export async function open({ database, events }: EmmettSetup): Promise<Part> {
  const { getPostgreSQLEventStore, postgreSQLRawBatchSQLProjection, rebuildPostgreSQLProjections } =
    await loadPeer<Emmett>('@event-driven-io/emmett-postgresql')
  const { dumbo, rawSql, SQL } = await loadPeer<Dumbo>('@event-driven-io/dumbo')
  const pool = dumbo({ connectionString: database })
  await pool.execute.command(rawSql(postgresOrdersTable))
  const store = getPostgreSQLEventStore(database)
  for (let from = 0; from < events; from += perStream) {
    const length = Math.min(perStream, events - from)
    const batch = Array.from({ length }, (_, index) => ({ type: orderType, data: orderPlaced(from + index) }))
    await store.appendToStream(`orders-${from}`, batch)
  }
  await store.close()
  // It goes on where a projection of that name stopped: each round has another one.
  const newProjection = (round: number) =>
    postgreSQLRawBatchSQLProjection({
      name: `orders-${round}`,
      canHandle: [orderType],
      evolve: (batch: readonly { data: OrderPlaced }[]) =>
        batch.map(({ data }) => {
          const [id, name, price, ordered, delivery, customer] = upsertValues(data)
          return SQL`
          INSERT INTO orders (external_id, name, price, order_date, delivery_date, customer_name)
          VALUES (${id}, ${name}, ${price}, ${ordered}, ${delivery}, ${customer})
          ON CONFLICT (external_id) DO UPDATE SET name = excluded.name, price = excluded.price,
            order_date = excluded.order_date, delivery_date = excluded.delivery_date,
            customer_name = excluded.customer_name`
        }),
    })

  let round = 0

  return {
    async round() {
      round += 1
      await pool.execute.command(SQL`TRUNCATE orders`)
      const started = performance.now()
      const consumer = rebuildPostgreSQLProjections({
        connectionString: database,
        projections: [newProjection(round)],
      })
      await consumer.start()
      const ms = performance.now() - started
      await consumer.close()
      const { rows } = await pool.execute.query(SQL`SELECT count(*) AS count FROM orders`)
      requireCount('rows', { found: Number(rows[0]?.count), expected: events })
      return { events, ms }
    },
    close: () => pool.close(),
  }
}
