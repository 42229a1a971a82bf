/**
 * A bare amqplib confirm channel: the same properties and headers, made event by event as ours are, the
 * same number in flight, a callback for each confirm. No reconnecting, no limits, no deadline.
 */
import { connect } from 'amqplib'
import { v7 as uuidv7 } from 'uuid'
import { newEpoch, sequenceText } from '../../../events/index.ts'
import { eventType, type OrderPlaced, orderPlaced, source } from '../order-placed.ts'
import type { PublisherSetup } from '../ours/publisher.ts'
import type { Part } from '../part.ts'

export async function open({ url, exchange, events, inFlightMax }: PublisherSetup): Promise<Part> {
  const connection = await connect(url, { noDelay: true })
  const channel = await connection.createConfirmChannel()
  const orders = Array.from({ length: events }, (_, number) => orderPlaced(number))
  const epoch = newEpoch()
  let sequence = 0

  function publishAll(): Promise<void> {
    return new Promise((resolve, reject) => {
      let next = 0
      let inFlight = 0
      let isFull = false
      const onConfirm = (error: unknown) => {
        if (error) reject(error as Error)
        inFlight -= 1
        if (next < events) fill()
        else if (inFlight === 0) resolve()
      }
      const onDrain = () => {
        isFull = false
        fill()
      }
      const fill = () => {
        while (!isFull && inFlight < inFlightMax && next < events) {
          const data = orders[next]!
          next += 1
          inFlight += 1
          const body = Buffer.from(JSON.stringify(data))
          sequence += 1
          const options = optionsOf(data, sequenceText(epoch, sequence))
          isFull = !channel.publish(exchange, '', body, options, onConfirm)
        }
        if (isFull) channel.once('drain', onDrain)
      }
      fill()
    })
  }

  return {
    async round() {
      const started = performance.now()
      await publishAll()
      return { events, ms: performance.now() - started }
    },
    close: () => connection.close(),
  }
}

function optionsOf({ external_id: subject }: OrderPlaced, sequence: string) {
  const id = uuidv7()
  const now = new Date()
  return {
    mandatory: true,
    deliveryMode: 2,
    contentType: 'application/json',
    messageId: id,
    timestamp: Math.floor(now.getTime() / 1_000),
    type: eventType,
    appId: source,
    headers: {
      'ce-specversion': '1.0',
      'ce-id': id,
      'ce-source': source,
      'ce-type': eventType,
      'ce-time': now.toISOString(),
      'ce-subject': subject,
      'ce-sequence': sequence,
    },
  }
}
