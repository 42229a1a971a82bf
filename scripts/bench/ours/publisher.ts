/** Our publisher: a promise for each publish, the next one made while there is room. */
import { openPublisher } from '../../../publisher/index.ts'
import { eventType, orderEvent, orderPlaced, source } from '../order-placed.ts'
import type { Part } from '../part.ts'

export interface PublisherSetup {
  readonly url: string
  readonly exchange: string
  readonly events: number
  readonly inFlightMax: number
}

export async function open({ url, exchange, events, inFlightMax }: PublisherSetup): Promise<Part> {
  const publisher = openPublisher({ broker: url, exchange, source, inFlightMax })
  const orders = Array.from({ length: events }, (_, number) => orderPlaced(number))
  // The first one waits for the connection and the topology.
  await publisher.publish(orderEvent(0))

  async function publishAll(): Promise<void> {
    let left = events
    let settle!: { resolve: () => void; reject: (error: unknown) => void }
    const confirmed = new Promise<void>((resolve, reject) => {
      settle = { resolve, reject }
    })
    const count = () => {
      left -= 1
      if (left === 0) settle.resolve()
    }
    for (const data of orders) {
      publisher.publish({ type: eventType, subject: data.external_id, data }).then(count, settle.reject)
      if (publisher.pending >= inFlightMax) await publisher.room()
    }
    await confirmed
  }

  return {
    async round() {
      const started = performance.now()
      await publishAll()
      return { events, ms: performance.now() - started }
    },
    close: () => publisher.close(),
  }
}
