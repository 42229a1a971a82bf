/** A bare amqplib consumer of a quorum queue that only acknowledges: from publish to its callback. */
import { connect } from 'amqplib'
import { Latencies, type LatencySetup, sentHeader } from '../latency.ts'
import type { Part } from '../part.ts'

export async function open({ url, exchange, events }: LatencySetup): Promise<Part> {
  const connection = await connect(url, { noDelay: true })
  const queue = `${exchange}.bare-consumer`
  return {
    async round() {
      const channel = await connection.createChannel()
      await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
      await channel.bindQueue(queue, exchange, '')
      await channel.prefetch(1_000)
      const latencies = new Latencies(events)
      await new Promise<void>((resolve, reject) => {
        channel
          .consume(queue, (message) => {
            if (message === null) return reject(new Error(`Queue ${queue} is gone`))
            latencies.add(message.properties.headers?.[sentHeader])
            channel.ack(message)
            if (latencies.isComplete) resolve()
          })
          .catch(reject)
      })
      await channel.deleteQueue(queue)
      await channel.close()
      return { events, ms: latencies.medianMs }
    },
    close: () => connection.close(),
  }
}
