/** A bare amqplib consumer that does nothing but acknowledge, 500 at a time, with the recorder's prefetch. */
import { connect } from 'amqplib'
import type { Part } from '../part.ts'

export interface DrainSetup {
  readonly url: string
  readonly queue: string
  readonly events: number
  readonly prefetch: number
  readonly ackEvery: number
}

export async function open({ url, queue, events, prefetch, ackEvery }: DrainSetup): Promise<Part> {
  const connection = await connect(url, { noDelay: true })
  return {
    async round() {
      const started = performance.now()
      const channel = await connection.createChannel()
      await channel.prefetch(prefetch)
      await new Promise<void>((resolve, reject) => {
        let received = 0
        channel
          .consume(queue, (message) => {
            if (message === null) return reject(new Error(`Queue ${queue} is gone`))
            received += 1
            if (received % ackEvery === 0 || received === events) channel.ack(message, true)
            if (received === events) resolve()
          })
          .catch(reject)
      })
      const ms = performance.now() - started
      await channel.close()
      return { events, ms }
    },
    close: () => connection.close(),
  }
}
