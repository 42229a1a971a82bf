/**
 * A consumer that is live, with an upsert an event: from publish to the commit that holds it.
 *
 * The commit is seen by looking every millisecond at what the consumer has committed, so half a millisecond
 * of its latency is the look's.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectBroker } from '../../../broker/index.ts'
import { defineConsumer, startConsumer } from '../../../consumers/index.ts'
import { defineEvents, eventType as typeOf } from '../../../events/index.ts'
import { Latencies, type LatencySetup, sentHeader } from '../latency.ts'
import { eventType, type OrderPlaced } from '../order-placed.ts'
import { ordersTable, upsertSql, upsertValues } from '../orders-table.ts'
import type { Part } from '../part.ts'

const orderEvents = defineEvents({ [eventType]: typeOf<OrderPlaced>() })

export async function open({ url, exchange, history, folder, events }: LatencySetup): Promise<Part> {
  const broker = connectBroker({ url })
  await broker.connected()
  let round = 0

  return {
    async round() {
      round += 1
      const handled: unknown[] = []
      const definition = defineConsumer({
        name: `live-${round}`,
        exchange,
        events: orderEvents,
        prepare(database) {
          database.exec(ordersTable)
          return { upsert: database.prepare(upsertSql) }
        },
        on: {
          [eventType](event, { tx }) {
            tx.upsert.run(...upsertValues(event.data))
            handled.push(event.message.properties.headers?.[sentHeader])
          },
        },
      })
      const store = join(folder, `${definition.name}.db`)
      await using consumer = await startConsumer(definition, { broker, history, store, settleMs: 0 })
      await consumer.caughtUp()
      let seen = appliedBy(consumer.status)
      const latencies = new Latencies(events)
      while (!latencies.isComplete) {
        const applied = appliedBy(consumer.status)
        for (; seen < applied; seen++) latencies.add(handled[seen])
        await sleep(1)
      }
      return { events, ms: latencies.medianMs }
    },
    close: () => broker.close(),
  }
}

/** Events whose effects are committed. */
function appliedBy({ replayed, live }: { replayed: number; live: number }): number {
  return replayed + live
}
