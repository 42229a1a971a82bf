/** Bootstrap of a consumer into its table in PostgreSQL, an upsert an event: from the call until it has caught up. */
import { defineConsumer } from '../../../consumers/index.ts'
import { defineEvents, eventType as typeOf } from '../../../events/index.ts'
import { type PostgresClient, sendQuery } from '../../../history/index.ts'
import { eventType, type OrderPlaced } from '../order-placed.ts'
import { postgresOrdersTable, postgresUpsertSql, upsertValues } from '../orders-table.ts'
import type { Part } from '../part.ts'
import { type ConsumerSetup, NewConsumers } from './new-consumer.ts'

const orderEvents = defineEvents({ [eventType]: typeOf<OrderPlaced>() })

export async function open(setup: ConsumerSetup): Promise<Part> {
  const { exchange, events } = setup
  const consumers = await NewConsumers.open(setup)
  let round = 0

  return {
    async round() {
      round += 1
      const consumer = defineConsumer({
        name: `bootstrap-${round}`,
        exchange,
        events: orderEvents,
        async prepare(client: PostgresClient) {
          await client.query(`DROP TABLE IF EXISTS orders; ${postgresOrdersTable}`)
          return client
        },
        on: {
          [eventType](event, { tx }) {
            sendQuery(tx, { name: 'upsert', text: postgresUpsertSql, values: upsertValues(event.data) })
          },
        },
      })
      return { events, ms: await consumers.catchUp(consumer) }
    },
    close: () => consumers.close(),
  }
}
