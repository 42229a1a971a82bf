/** Bootstrap of a consumer into its table, an upsert an event: from the call until it has caught up. */
import { defineConsumer } from '../../../consumers/index.ts'
import { defineEvents, eventType as typeOf } from '../../../events/index.ts'
import { eventType, type OrderPlaced } from '../order-placed.ts'
import { ordersTable, upsertSql, upsertValues } from '../orders-table.ts'
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
        prepare(database) {
          database.exec(ordersTable)
          return { upsert: database.prepare(upsertSql) }
        },
        on: {
          [eventType](event, { tx }) {
            tx.upsert.run(...upsertValues(event.data))
          },
        },
      })
      return { events, ms: await consumers.catchUp(consumer) }
    },
    close: () => consumers.close(),
  }
}
