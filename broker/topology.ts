/**
 * The topology: a durable fanout exchange, or one that is there, its history queue, and a queue a consumer.
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
import { type Binding, catchAllOf, checkBindings, requireExchange, wholeOf } from './bindings.ts'
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

/** AMQP's short string. */
const nameBytesMax = 255

/**
 * Its queues are named after an exchange, so its own name must leave room for theirs.
 *
 * @param options.consumer - Whose queue it has to leave room for; by default that of the history.
 * @throws TypeError for what is no text, an empty one, or one that is too long.
 */
export function requireExchangeName(
  exchange: unknown,
  { consumer = 'history' }: { consumer?: string } = {},
): asserts exchange is string {
  if (typeof exchange !== 'string' || exchange === '')
    throw new TypeError('Expected `exchange` to name an exchange')
  const rest = Buffer.byteLength(deadQueueOf(consumerQueueOf('', consumer)))
  if (Buffer.byteLength(exchange) > nameBytesMax - rest)
    throw new TypeError(
      `Expected \`exchange\` to have at most ${nameBytesMax - rest} bytes, since its queues are named after it`,
    )
}

/** A queue to declare: its name, or its name and what bounds it. */
export type QueueToDeclare =
  | string
  | {
      readonly name: string
      /** Messages that wait in it, at most; the oldest are dropped. Default: no limit. */
      readonly lengthMax?: number
    }

/** An exchange and the queues of its consumers. */
export interface TopologyToDeclare {
  readonly exchange: string
  readonly queues?: readonly QueueToDeclare[]
  /**
   * How the queues are bound to an exchange that somebody else declares, and that must be there. Default: a
   * durable fanout is declared; an exchange that is there as something else is left so, and all is caught.
   */
  readonly bindings?: readonly Binding[]
}

/**
 * Declares the exchange and, bound to it, the history queue and further queues, with their dead-letter
 * queues. Declaring again what is there does nothing; a binding is never taken away.
 *
 * @throws TypeError for a `lengthMax` that is no positive integer, and for `bindings` that are none.
 * @throws BrokerError `BROKER_TOPOLOGY_MISMATCH` where a queue of that name exists with other
 *   arguments; `BROKER_ACCESS_REFUSED` where the user may not declare it; `BROKER_EXCHANGE_MISSING` with
 *   `bindings`, `BROKER_BINDINGS_UNKNOWN` without; else as `openChannel()` does.
 */
export async function declareTopology(
  broker: Broker,
  { exchange, queues = [], bindings, signal }: TopologyToDeclare & { readonly signal?: AbortSignal },
): Promise<void> {
  const wanted = [historyQueueOf(exchange), ...queues].flatMap(wantedQueues)
  if (bindings === undefined) {
    const all = await catchAllOf(broker, { exchange, signal })
    await declareQueues(broker, { exchange, wanted, bindings: all ?? [{}], signal })
  } else {
    checkBindings(bindings)
    await requireExchange(broker, { exchange, signal })
    await declareQueues(broker, { exchange, wanted, bindings, signal })
  }
}

/**
 * As `declareTopology()`, for a consumer: it may not choose how an exchange of somebody else is recorded.
 *
 * @param options.bindings - As the history has them; undefined where it has none.
 * @throws BrokerError as that does; `BROKER_BINDINGS_UNKNOWN` for an exchange of somebody else that no
 *   recorder has bound yet.
 */
export async function declareAsRecorded(
  broker: Broker,
  { bindings, ...topology }: TopologyToDeclare & { readonly signal?: AbortSignal },
): Promise<void> {
  if (bindings !== undefined) return await declareTopology(broker, { ...topology, bindings })
  const { exchange, queues = [], signal } = topology
  if ((await catchAllOf(broker, topology)) !== undefined) throw notYetRecorded(exchange)
  const wanted = [historyQueueOf(exchange), ...queues].flatMap(wantedQueues)
  await declareQueues(broker, { exchange, wanted, bindings: [{}], signal })
}

/**
 * As `declareTopology()`, for a publisher: to an exchange of somebody else the history queue must be there.
 * How that is bound is its recorder's to know.
 *
 * @throws BrokerError as `declareAsRecorded()` does.
 */
export async function declareToPublish(
  broker: Broker,
  { exchange, signal }: { readonly exchange: string; readonly signal?: AbortSignal },
): Promise<void> {
  try {
    await declareAsRecorded(broker, { exchange, signal })
  } catch (error) {
    const isForeign = error instanceof BrokerError && error.code === 'BROKER_BINDINGS_UNKNOWN'
    if (!isForeign || !(await hasQueue(broker, historyQueueOf(exchange)))) throw error
  }
}

async function hasQueue(broker: Broker, name: string): Promise<boolean> {
  const channel = await broker.openChannel()
  try {
    await answered(`Queue ${name}`, channel.raw.checkQueue(name))
    return true
  } catch (error) {
    if (replyCodeOf(error) === undefined) throw declarationError(`Queue ${name}`, error)
    return false
  } finally {
    await channel.close()
  }
}

function notYetRecorded(exchange: string): BrokerError {
  return new BrokerError(
    'BROKER_BINDINGS_UNKNOWN',
    `Exchange ${exchange} is no plain durable fanout, and nothing says yet how its history is bound: start its recorder first`,
  )
}

async function declareQueues(
  broker: Broker,
  {
    exchange,
    wanted,
    bindings,
    signal,
  }: {
    exchange: string
    wanted: readonly WantedQueue[]
    bindings: readonly Binding[]
    signal: AbortSignal | undefined
  },
): Promise<void> {
  // A channel of its own: a refused declaration ends the channel it was made on.
  const channel = await broker.openChannel({ signal })
  try {
    const { raw } = channel
    for (const { name, isBound, arguments: given } of wanted) {
      await naming(`Queue ${name}`, () => raw.assertQueue(name, { durable: true, arguments: given }))
      if (!isBound) continue
      for (const { routingKey, arguments: table } of bindings.map(wholeOf))
        await naming(`Binding of ${name}`, () => raw.bindQueue(name, exchange, routingKey, table))
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
