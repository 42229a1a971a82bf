/**
 * The topology: a durable fanout exchange, its history queue, and a queue a consumer.
 *
 * Publisher, recorder and consumer each declare all they rely on, so the order in which they start does
 * not matter. The delivery limit is explicit and very high: without one RabbitMQ 4 drops a whole
 * prefetch after 20 crashes, and -1 drops at the first on 3.10. Only the broker ever puts something
 * into `<queue>.dead`, which must stay empty.
 *
 * A queue with a length limit drops its oldest messages and has no dead-letter queue: what it drops is in
 * the history, and the audit of its consumer brings it back from there. Were it to refuse new ones instead,
 * RabbitMQ would nack every publish to the exchange.
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

/** A queue to declare: its name, or its name and what bounds it. */
export type QueueToDeclare =
  | string
  | {
      readonly name: string
      /** Messages that wait in it, at most; the oldest are dropped. Default: no limit. */
      readonly lengthMax?: number
    }

/**
 * Declares the exchange and, bound to it, the history queue and further queues, with their dead-letter
 * queues. Declaring again what is there does nothing.
 *
 * @throws TypeError for a `lengthMax` that is no positive integer.
 * @throws BrokerError `BROKER_TOPOLOGY_MISMATCH` where something of that name exists with other
 *   arguments; `BROKER_ACCESS_REFUSED` where the user may not declare it; else as `openChannel()` does.
 */
export async function declareTopology(
  broker: Broker,
  {
    exchange,
    queues = [],
    signal,
  }: { exchange: string; queues?: readonly QueueToDeclare[]; signal?: AbortSignal },
): Promise<void> {
  const wanted = [historyQueueOf(exchange), ...queues].flatMap(wantedQueues)
  // A channel of its own: a refused declaration ends the channel it was made on.
  const channel = await broker.openChannel({ signal })
  try {
    const { raw } = channel
    await naming(`Exchange ${exchange}`, () => raw.assertExchange(exchange, 'fanout', { durable: true }))
    for (const { name, isBound, arguments: given } of wanted) {
      await naming(`Queue ${name}`, () => raw.assertQueue(name, { durable: true, arguments: given }))
      if (isBound) await naming(`Binding of ${name}`, () => raw.bindQueue(name, exchange, ''))
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

/** A queue as it is to be declared. */
export interface WantedQueue {
  readonly name: string
  readonly arguments: Readonly<Record<string, string | number | boolean>>
  /** Whether the exchange routes to it. */
  readonly isBound: boolean
}

/** A queue and, before it, the one that takes its dead letters. @throws TypeError as `declareTopology()`. */
export function wantedQueues(queue: QueueToDeclare): WantedQueue[] {
  const { name, lengthMax } = typeof queue === 'string' ? { name: queue } : queue
  if (lengthMax !== undefined) {
    requireLengthMax(lengthMax)
    return [{ name, arguments: boundedQueueArguments(lengthMax), isBound: true }]
  }
  const dead = deadQueueOf(name)
  return [
    { name: dead, arguments: { 'x-queue-type': 'quorum' }, isBound: false },
    { name, arguments: queueArguments(dead), isBound: true },
  ]
}

function requireLengthMax(lengthMax: number): void {
  if (Number.isSafeInteger(lengthMax) && lengthMax >= 1) return
  throw new TypeError(`Expected \`lengthMax\` to be a positive integer, got ${lengthMax}`)
}

const commonArguments = {
  'x-queue-type': 'quorum',
  'x-single-active-consumer': true,
  'x-delivery-limit': deliveryLimit,
}

function queueArguments(dead: string): WantedQueue['arguments'] {
  return {
    ...commonArguments,
    'x-dead-letter-exchange': '',
    'x-dead-letter-routing-key': dead,
    'x-dead-letter-strategy': 'at-least-once',
    // At-least-once dead-lettering needs it; without a length limit it never rejects.
    'x-overflow': 'reject-publish',
  }
}

function boundedQueueArguments(lengthMax: number): WantedQueue['arguments'] {
  return { ...commonArguments, 'x-max-length': lengthMax, 'x-overflow': 'drop-head' }
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
