/** A RabbitMQ stream queue, read from its beginning through amqplib, from the first delivery to the last. */
import { connect } from 'amqplib'
import type { Part } from '../part.ts'

export interface StreamSetup {
  readonly url: string
  readonly stream: string
  readonly events: number
}

/** A stream needs a prefetch; less was slower. */
const prefetch = 2_000
const ackEvery = 500

export async function open({ url, stream, events }: StreamSetup): Promise<Part> {
  const connection = await connect(url, { noDelay: true })
  return {
    async round() {
      const channel = await connection.createChannel()
      await channel.prefetch(prefetch)
      const ms = await new Promise<number>((resolve, reject) => {
        let received = 0
        let started = 0
        channel
          .consume(
            stream,
            (message) => {
              if (message === null) return reject(new Error(`Stream ${stream} is gone`))
              if (received === 0) started = performance.now()
              received += 1
              if (received % ackEvery === 0) channel.ack(message, true)
              if (received === events) resolve(performance.now() - started)
            },
            { arguments: { 'x-stream-offset': 'first' } },
          )
          .catch(reject)
      })
      await channel.close()
      return { events, ms }
    },
    close: () => connection.close(),
  }
}
