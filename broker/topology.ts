/**
 * The topology: a durable fanout exchange, its history queue, and a queue a consumer.
 *
 * Publisher, recorder and consumer each declare all they rely on, so the order in which they start does
 * not matter. The delivery limit is explicit and very high: without one RabbitMQ 4 drops a whole
 * prefetch after 20 crashes, and -1 drops at the first on 3.10. Only the broker ever puts something
 * into `<queue>.dead`, which must stay empty.
 */
import { answered } from './answer.ts'
import type { Broker } from './connection.ts'
import { BrokerError, replyCodeOf, replyCodes } from './errors.ts'

export function historyQueueOf(exchange: string): string {
  return `${exchange}.history`
}

export function consumerQueueOf(exchange: string, consumer: string): string {
  return `${exchange}.${consumer}`
}

export function deadQueueOf(queue: string): string {
  return `${queue}.dead`
}

/**
 * Declares the exchange and, bound to it, the history queue and further queues, with their dead-letter
 * queues. Declaring again what is there does nothing.
 *
 * @throws BrokerError `BROKER_TOPOLOGY_MISMATCH` where something of that name exists with other
 *   arguments; `BROKER_ACCESS_REFUSED` where the user may not declare it; else as `openChannel()` does.
 */
export async function declareTopology(
  broker: Broker,
  { exchange, queues = [], signal }: { exchange: string; queues?: readonly string[]; signal?: AbortSignal },
): Promise<void> {
  // A channel of its own: a refused declaration ends the channel it was made on.
  const channel = await broker.openChannel({ signal })
  try {
    const { raw } = channel
    await naming(`Exchange ${exchange}`, () => raw.assertExchange(exchange, 'fanout', { durable: true }))
    for (const queue of [historyQueueOf(exchange), ...queues]) {
      const dead = deadQueueOf(queue)
      await naming(`Queue ${dead}`, () =>
        raw.assertQueue(dead, { durable: true, arguments: deadQueueArguments }),
      )
      await naming(`Queue ${queue}`, () =>
        raw.assertQueue(queue, { durable: true, arguments: queueArguments(dead) }),
      )
      await naming(`Binding of ${queue}`, () => raw.bindQueue(queue, exchange, ''))
    }
  } finally {
    await channel.close()
  }
}

/**
 * Deletes an exchange, its history queue and the queues of these consumers, with all that is in them: for
 * demonstrations and tests. What is not there is left out.
 *
 * @throws BrokerError as `openChannel()` does.
 */
export async function deleteTopology(
  broker: Broker,
  { exchange, consumers = [] }: { exchange: string; consumers?: readonly string[] },
): Promise<void> {
  const channel = await broker.openChannel()
  try {
    const names = consumers.map((consumer) => consumerQueueOf(exchange, consumer))
    for (const queue of [historyQueueOf(exchange), ...names]) {
      await channel.raw.deleteQueue(queue)
      await channel.raw.deleteQueue(deadQueueOf(queue))
    }
    await channel.raw.deleteExchange(exchange)
  } finally {
    await channel.close()
  }
}

const deliveryLimit = 1_000_000

const deadQueueArguments = { 'x-queue-type': 'quorum' }

function queueArguments(dead: string): Record<string, unknown> {
  return {
    'x-queue-type': 'quorum',
    'x-single-active-consumer': true,
    'x-delivery-limit': deliveryLimit,
    'x-dead-letter-exchange': '',
    'x-dead-letter-routing-key': dead,
    'x-dead-letter-strategy': 'at-least-once',
    // At-least-once dead-lettering needs it; without a length limit it never rejects.
    'x-overflow': 'reject-publish',
  }
}

async function naming(what: string, declare: () => Promise<unknown>): Promise<void> {
  try {
    await answered(what, declare())
  } catch (cause) {
    if (cause instanceof BrokerError) throw cause
    throw declarationError(what, cause)
  }
}

function declarationError(what: string, cause: unknown): BrokerError {
  const text = cause instanceof Error ? cause.message : String(cause)
  const reply = text.slice(text.indexOf('"') + 1).replace(/"?$/, '')
  switch (replyCodeOf(cause)) {
    case replyCodes.preconditionFailed:
    case replyCodes.resourceLocked:
      return new BrokerError(
        'BROKER_TOPOLOGY_MISMATCH',
        `${what} exists with other properties: ${reply}. Rename one of the two, or delete what is there once it is no longer needed`,
        { cause },
      )
    case replyCodes.accessRefused:
      return new BrokerError('BROKER_ACCESS_REFUSED', `${what} may not be declared by this user: ${reply}`, {
        cause,
      })
    default:
      return new BrokerError('BROKER_CHANNEL_LOST', `${what} was not declared: ${text}`, { cause })
  }
}
