/** What the parts read, made before the clock starts: messages in queues, a history, a JetStream. */
import type { Broker } from '../../broker/index.ts'
import { attributesOf, type Message, toMessage } from '../../events/index.ts'
import { openHistoryWriter } from '../../history/index.ts'
import { orderEvent, source } from './order-placed.ts'

const confirmEvery = 2_000
const historyBatch = 1_000

/** A message as our publisher makes it. */
function orderMessage(number: number, exchange: string, partitions?: number): Message {
  return toMessage(orderEvent(number), { exchange, source, partitions })
}

/** Publishes orders through an exchange, or where `queue` is given straight to it, all confirmed. */
export async function fillQueue(
  broker: Broker,
  {
    exchange,
    queue,
    events,
    partitions,
  }: { exchange: string; queue?: string; events: number; partitions?: number },
): Promise<void> {
  const channel = await broker.openChannel({ confirm: true })
  try {
    for (let number = 0; number < events; number++) {
      const message = orderMessage(number, exchange, partitions)
      const routed = queue === undefined ? message : { ...message, exchange: '', routingKey: queue }
      if (!channel.publish(routed)) await channel.drained()
      if (number % confirmEvery === confirmEvery - 1) await channel.raw.waitForConfirms()
    }
    await channel.raw.waitForConfirms()
  } finally {
    await channel.close()
  }
}

/** Writes a history without a broker. */
export async function fillHistory(
  path: string,
  { exchange, events }: { exchange: string; events: number },
): Promise<void> {
  const writer = await openHistoryWriter({ history: path, exchange })
  try {
    for (let from = 0; from < events; from += historyBatch) {
      const batch = Array.from({ length: Math.min(historyBatch, events - from) }, (_, index) => {
        const message = orderMessage(from + index, exchange)
        return { ...attributesOf(message), message }
      })
      await writer.append({ events: batch, fences: [] })
    }
  } finally {
    await writer.close()
  }
}

/** Messages ready in a queue. */
export async function readyIn(broker: Broker, queue: string): Promise<number> {
  const channel = await broker.openChannel()
  try {
    return (await channel.raw.checkQueue(queue)).messageCount
  } finally {
    await channel.close()
  }
}

export async function purge(broker: Broker, queue: string): Promise<void> {
  const channel = await broker.openChannel()
  try {
    await channel.raw.purgeQueue(queue)
  } finally {
    await channel.close()
  }
}
