/**
 * Partitions: an exchange parted by routing key over several exchanges, each with a history queue of its own.
 *
 * `orders` is bound to the hash exchange `orders.partitions`, and that to `orders.1of4` … `orders.4of4`. Each
 * of these is an ordinary durable fanout: recorded, read and consumed as any other. Their number is in their
 * names, and in a property of the hash exchange that RabbitMQ compares, so that nobody parts it otherwise.
 *
 * Not the consistent-hash exchange, which can hash a header: it numbers its bindings anew at each start of the
 * broker, in an order of its own, and an order's later events would go another way than its earlier ones.
 * `x-modulus-hash` hashes the routing key and sorts its bindings; so the routing key is what is kept in order.
 */
import { answered } from './answer.ts'
import { catchAllOf, requireExchange, wholeOf } from './bindings.ts'
import type { BrokerChannel } from './channel.ts'
import type { Broker } from './connection.ts'
import { BrokerError, replyCodeOf, replyCodes } from './errors.ts'
import { inequivalentIn } from './inequivalent.ts'
import { declareTopology, historyQueueOf } from './topology.ts'
import { queueCounts } from './topology-inspect.ts'

/** One of an exchange's partitions. */
export interface Partition {
  readonly exchange: string
  /** From 1. */
  readonly number: number
  readonly of: number
}

const partitionsMin = 2
const partitionsMax = 64

/** The exchange of a partition, such as `orders.2of4`. */
function partitionExchangeOf({ exchange, number, of }: Partition): string {
  return `${exchange}.${number}of${of}`
}

/**
 * The exchanges of all partitions, in order.
 *
 * @throws TypeError for a number that is none from 2 to 64.
 */
export function partitionExchangesOf(exchange: string, partitions: number): string[] {
  requirePartitions(partitions)
  return Array.from({ length: partitions }, (_one, index) =>
    partitionExchangeOf({ exchange, number: index + 1, of: partitions }),
  )
}

/** Which partition an exchange is, by its name; undefined for an exchange that is none. */
export function partitionOf(name: string): Partition | undefined {
  const [, exchange, number, of] = /^(.+)\.([1-9]\d?)of([1-9]\d?)$/.exec(name) ?? []
  const partition = { exchange: exchange!, number: Number(number), of: Number(of) }
  const isOne = exchange !== undefined && partition.of >= partitionsMin && partition.of <= partitionsMax
  return isOne && partition.number <= partition.of ? partition : undefined
}

/** @throws TypeError for a number of partitions that is none from 2 to 64. */
export function requirePartitions(partitions: unknown): asserts partitions is number {
  const number = Number.isInteger(partitions) ? Number(partitions) : Number.NaN
  if (number >= partitionsMin && number <= partitionsMax) return
  throw new TypeError(
    `Expected \`partitions\` to be an integer from ${partitionsMin} to ${partitionsMax}, got ${partitions}`,
  )
}

export function hashExchangeOf(exchange: string): string {
  return `${exchange}.partitions`
}

/** Properties of the hash exchange. What it cannot route goes to the first partition; and see the header. */
export function hashExchangeArguments(exchange: string, partitions: number) {
  return { 'alternate-exchange': partitionExchangeOf({ exchange, number: 1, of: partitions }) }
}

const hashExchangeType = 'x-modulus-hash'

/**
 * Declares the partitions of an exchange, each with its history queue, and binds the exchange to them, that
 * last: no event may come by before all of them are there. The exchange is declared where it is missing.
 *
 * @throws TypeError as `partitionExchangesOf()`.
 * @throws BrokerError `BROKER_TOPOLOGY_MISMATCH` where it has another number of partitions, or was recorded
 *   whole; `BROKER_PLUGIN_MISSING`; else as `declareTopology()` does.
 */
export async function declarePartitions(
  broker: Broker,
  { exchange, partitions, signal }: { exchange: string; partitions: number; signal?: AbortSignal },
): Promise<void> {
  const names = partitionExchangesOf(exchange, partitions)
  const hash = hashExchangeOf(exchange)
  if (!(await isThere(broker, hash, signal))) await requireUnrecorded(broker, exchange)
  // The number of partitions is compared here, before anything of another number is declared.
  const bindings = await catchAllOf(broker, { exchange, signal })
  await declareHash(broker, { exchange, partitions, signal })
  for (const name of names) await declareTopology(broker, { exchange: name, signal })
  const channel = await broker.openChannel({ signal })
  try {
    const { raw } = channel
    for (const name of names) await bound(`${name} to ${hash}`, () => raw.bindExchange(name, hash, name))
    for (const { routingKey, arguments: table } of (bindings ?? [{}]).map(wholeOf))
      await bound(`${hash} to ${exchange}`, () => raw.bindExchange(hash, exchange, routingKey, table))
  } finally {
    await channel.close()
  }
}

/** As `declarePartitions()`, for an exchange that is a partition; for any other it does nothing. */
export async function declareAroundPartition(
  broker: Broker,
  { exchange: name, signal }: { exchange: string; signal?: AbortSignal },
): Promise<void> {
  const partition = partitionOf(name)
  if (partition === undefined) return
  await declarePartitions(broker, { exchange: partition.exchange, partitions: partition.of, signal })
}

/**
 * That an exchange which is a partition by its name is one of as many as there are; for any other it does
 * nothing, nor where nobody has parted the exchange yet.
 *
 * @throws BrokerError as `declarePartitions()` does.
 */
export async function checkPartition(
  broker: Broker,
  { exchange: name, signal }: { exchange: string; signal?: AbortSignal },
): Promise<void> {
  const partition = partitionOf(name)
  if (partition === undefined) return
  const { exchange, of: partitions } = partition
  if (await isThere(broker, hashExchangeOf(exchange), signal))
    await declareHash(broker, { exchange, partitions, signal })
}

/**
 * How many partitions an exchange has; undefined where it has none, or where this user may not be told.
 *
 * AMQP has no question for it: the hash exchange is declared again with a number, and a refusal names its own.
 *
 * @throws BrokerError as `openChannel()` does.
 */
export async function partitionsOf(broker: Broker, exchange: string): Promise<number | undefined> {
  if (!(await isThere(broker, hashExchangeOf(exchange), undefined))) return undefined
  try {
    await declareHash(broker, { exchange, partitions: partitionsMin, signal: undefined })
    return partitionsMin
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error
    if (!['BROKER_TOPOLOGY_MISMATCH', 'BROKER_ACCESS_REFUSED'].includes(error.code)) throw error
    return foundIn(error.cause)
  }
}

/**
 * Whether an exchange has so many partitions; `unknown` where this user may not declare them. Declares nothing.
 *
 * @throws BrokerError as `declarePartitions()` does.
 */
export async function inspectPartitions(
  broker: Broker,
  { exchange, partitions }: { exchange: string; partitions: number },
): Promise<'present' | 'missing' | 'unknown'> {
  const signal = undefined
  if (!(await isThere(broker, hashExchangeOf(exchange), signal))) {
    await requireUnrecorded(broker, exchange)
    return 'missing'
  }
  try {
    await declareHash(broker, { exchange, partitions, signal })
    return 'present'
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'BROKER_ACCESS_REFUSED') return 'unknown'
    throw error
  }
}

async function isThere(broker: Broker, exchange: string, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    await requireExchange(broker, { exchange, signal })
    return true
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'BROKER_EXCHANGE_MISSING') return false
    throw error
  }
}

async function requireUnrecorded(broker: Broker, exchange: string): Promise<void> {
  const queue = historyQueueOf(exchange)
  if ((await queueCounts(broker, queue)) === undefined) return
  throw new BrokerError(
    'BROKER_TOPOLOGY_MISMATCH',
    `Exchange ${exchange} is recorded whole, by queue ${queue}: partitions would begin with what is published from now on. Give its publishers the number of partitions, and delete the queue once what is in it is recorded and no longer needed there; or part another exchange`,
  )
}

async function declareHash(
  broker: Broker,
  { exchange, partitions, signal }: { exchange: string; partitions: number; signal: AbortSignal | undefined },
): Promise<void> {
  const name = hashExchangeOf(exchange)
  const channel = await broker.openChannel({ signal })
  try {
    const properties = { durable: true, arguments: hashExchangeArguments(exchange, partitions) }
    await answered(`Exchange ${name}`, channel.raw.assertExchange(name, hashExchangeType, properties))
  } catch (error) {
    throw await hashError(error, { broker, channel, exchange, partitions })
  } finally {
    await channel.close()
  }
}

async function hashError(
  cause: unknown,
  {
    broker,
    channel,
    exchange,
    partitions,
  }: { broker: Broker; channel: BrokerChannel; exchange: string; partitions: number },
): Promise<unknown> {
  const { message } = cause as Error
  // RabbitMQ 3 ends the connection over it, and 4 the channel.
  const reason = replyCodeOf(cause) === undefined ? await reasonOf(broker, channel) : message
  if (/unknown exchange type/.test(reason)) {
    return new BrokerError(
      'BROKER_PLUGIN_MISSING',
      `RabbitMQ has no exchanges of type ${hashExchangeType}, which partitions need: enable its plugin on every node with \`rabbitmq-plugins enable rabbitmq_sharding\``,
      { cause },
    )
  }
  if (replyCodeOf(cause) === replyCodes.accessRefused) {
    const refused = `Exchange ${hashExchangeOf(exchange)} may not be declared by this user: ${message}`
    return new BrokerError('BROKER_ACCESS_REFUSED', refused, { cause })
  }
  if (replyCodeOf(cause) !== replyCodes.preconditionFailed) return lost(hashExchangeOf(exchange), cause)
  const found = foundIn(cause)
  return new BrokerError(
    'BROKER_TOPOLOGY_MISMATCH',
    found === undefined
      ? `Exchange ${hashExchangeOf(exchange)} exists with other properties: ${message}. Part another exchange, or delete what is there once it is no longer needed`
      : `Exchange ${exchange} has ${found} partitions, and ${partitions} are asked for: the number is chosen once. Ask for ${found}, or part another exchange and import the histories of this one there`,
    { cause },
  )
}

/** The number of partitions that a refusal names. */
function foundIn(cause: unknown): number | undefined {
  const refusal = inequivalentIn((cause as Error).message)
  return refusal?.property === 'alternate-exchange' ? partitionOf(refusal.found ?? '')?.of : undefined
}

/** Why the channel went with its connection; the broker's words come a moment after. */
async function reasonOf(broker: Broker, channel: BrokerChannel): Promise<string> {
  const cause = await channel.closed
  return `${cause?.message ?? ''} ${broker.lastError?.message ?? ''}`
}

async function bound(what: string, bind: () => Promise<unknown>): Promise<void> {
  try {
    await answered(`Binding of ${what}`, bind())
  } catch (error) {
    if (replyCodeOf(error) !== replyCodes.accessRefused) throw lost(`Binding of ${what}`, error)
    const { message } = error as Error
    throw new BrokerError('BROKER_ACCESS_REFUSED', `${what} may not be bound by this user: ${message}`, {
      cause: error,
    })
  }
}

function lost(what: string, cause: unknown): BrokerError {
  if (cause instanceof BrokerError) return cause
  const { message } = cause as Error
  return new BrokerError('BROKER_CHANNEL_LOST', `${what} was not declared: ${message}`, { cause })
}
