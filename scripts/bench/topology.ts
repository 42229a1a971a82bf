/** Names of the bench's own in the broker, and their removal. */
import { randomBytes } from 'node:crypto'
import {
  type Broker,
  deadQueueOf,
  declareTopology,
  historyQueueOf,
  partitionExchangesOf,
} from '../../broker/index.ts'
import type { Bench } from './row.ts'

/** Declares an exchange with its history queue; both are gone after the row. */
export async function benchExchange({ broker, atEnd }: Bench): Promise<string> {
  const exchange = `bench-${randomBytes(4).toString('hex')}`
  await declareTopology(broker, { exchange })
  atEnd(() => remove(broker, { exchange, queues: queuesOf(exchange) }))
  return exchange
}

/** Names an exchange to be parted; it and its partitions are gone after the row. */
export async function benchPartitions({ broker, atEnd }: Bench, partitions: number): Promise<string> {
  const exchange = `bench-${randomBytes(4).toString('hex')}`
  atEnd(async () => {
    for (const name of [exchange, `${exchange}.partitions`])
      await remove(broker, { exchange: name, queues: [] })
    for (const name of partitionExchangesOf(exchange, partitions))
      await remove(broker, { exchange: name, queues: queuesOf(name) })
  })
  return exchange
}

/** Declares a stream queue; gone after the row. */
export async function benchStream({ broker, atEnd }: Pick<Bench, 'broker' | 'atEnd'>): Promise<string> {
  const stream = `bench-stream-${randomBytes(4).toString('hex')}`
  const channel = await broker.openChannel()
  await channel.raw.assertQueue(stream, { durable: true, arguments: { 'x-queue-type': 'stream' } })
  await channel.close()
  atEnd(() => remove(broker, { queues: [stream] }))
  return stream
}

function queuesOf(exchange: string): string[] {
  const queue = historyQueueOf(exchange)
  return [queue, deadQueueOf(queue)]
}

async function remove(
  broker: Broker,
  { exchange, queues }: { exchange?: string; queues: readonly string[] },
): Promise<void> {
  const channel = await broker.openChannel()
  for (const queue of queues) await channel.raw.deleteQueue(queue)
  if (exchange !== undefined) await channel.raw.deleteExchange(exchange)
  await channel.close()
}
