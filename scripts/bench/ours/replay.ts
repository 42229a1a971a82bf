/**
 * Replay of the history to an empty handler, by the whole consumer: its cursor and checksum are committed
 * with each batch. The clock runs from the first event handled to the last, as for the other logs' readers.
 */
import { defineConsumer } from '../../../consumers/index.ts'
import { eventType } from '../order-placed.ts'
import { type Part, requireCount } from '../part.ts'
import { type ConsumerSetup, NewConsumers } from './new-consumer.ts'

export async function open(setup: ConsumerSetup): Promise<Part> {
  const { exchange, events } = setup
  const consumers = await NewConsumers.open(setup)
  let round = 0

  return {
    async round() {
      round += 1
      let handled = 0
      let first = 0
      let last = 0
      const consumer = defineConsumer({
        name: `replay-${round}`,
        exchange,
        on: {
          [eventType]() {
            if (handled === 0) first = performance.now()
            handled += 1
            if (handled === events) last = performance.now()
          },
        },
      })
      await consumers.catchUp(consumer)
      requireCount('calls of the handler', { found: handled, expected: events })
      return { events, ms: last - first }
    },
    close: () => consumers.close(),
  }
}
