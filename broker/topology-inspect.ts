/**
 * What a broker says over AMQP about an exchange or a queue that should be there.
 *
 * AMQP has no question for the arguments of a queue. But to declare it again changes nothing where they
 * are the same, and is refused with the first that differs where they are not. It is asked passively first:
 * what is not there must not come to be by being looked at.
 */
import { answered } from './answer.ts'
import type { BrokerChannel } from './channel.ts'
import type { Broker } from './connection.ts'
import { BrokerError, replyCodeOf, replyCodes } from './errors.ts'
import { inequivalentIn } from './inequivalent.ts'
import type { WantedQueue } from './topology.ts'

export type ArgumentValue = string | number | boolean | undefined

/** One property or argument, `undefined` where it is not set. */
export interface TopologyDifference {
  readonly property: string
  readonly wanted: ArgumentValue
  readonly found: ArgumentValue
}

export interface Inspected {
  /** `unknown`: it is there, and this user may not declare it. */
  readonly state: 'missing' | 'present' | 'differs' | 'unknown'
  /** The first that the broker found. */
  readonly difference?: TopologyDifference
  readonly messages?: number
  readonly consumers?: number
}

/** The properties of an exchange as `declareTopology()` declares it. */
export const wantedExchange = { type: 'fanout', durable: true, auto_delete: false, internal: false }

/** Properties and arguments of a queue. */
export function wantedOfQueue(given: WantedQueue['arguments']): Readonly<Record<string, ArgumentValue>> {
  return { durable: true, auto_delete: false, exclusive: false, ...given }
}

/** @throws BrokerError as `openChannel()` does, and `BROKER_CHANNEL_LOST`. */
export async function inspectExchange(broker: Broker, exchange: string): Promise<Inspected> {
  return await inspect(broker, `Exchange ${exchange}`, {
    look: async ({ raw }) => {
      await raw.checkExchange(exchange)
      return {}
    },
    declare: ({ raw }) => raw.assertExchange(exchange, 'fanout', { durable: true }),
    wanted: wantedExchange,
  })
}

/** @throws as `inspectExchange()` does. */
export async function inspectQueue(
  broker: Broker,
  { name, arguments: wanted }: WantedQueue,
): Promise<Inspected> {
  return await inspect(broker, `Queue ${name}`, {
    look: (channel) => counts(channel, name),
    declare: ({ raw }) => raw.assertQueue(name, { durable: true, arguments: wanted }),
    wanted: wantedOfQueue(wanted),
  })
}

/**
 * Messages and consumers of a queue; undefined where it is not there, or another connection's own.
 *
 * @throws as `inspectExchange()` does.
 */
export async function queueCounts(
  broker: Broker,
  name: string,
): Promise<{ messages: number; consumers: number } | undefined> {
  return await onChannel(broker, async (channel) => {
    try {
      return await answered(`Queue ${name}`, counts(channel, name))
    } catch (error) {
      if (replyCodeOf(error) === undefined) throw lost(`Queue ${name}`, error)
      return undefined
    }
  })
}

async function inspect(
  broker: Broker,
  what: string,
  {
    look,
    declare,
    wanted,
  }: {
    look(channel: BrokerChannel): Promise<{ messages?: number; consumers?: number }>
    declare(channel: BrokerChannel): Promise<unknown>
    wanted: Readonly<Record<string, ArgumentValue>>
  },
): Promise<Inspected> {
  return await onChannel(broker, async (channel) => {
    let found: { messages?: number; consumers?: number }
    try {
      found = await answered(what, look(channel))
    } catch (error) {
      switch (replyCodeOf(error)) {
        case undefined:
          throw lost(what, error)
        case replyCodes.notFound:
          return { state: 'missing' }
        case replyCodes.resourceLocked:
          return { state: 'differs', difference: { property: 'exclusive', wanted: false, found: true } }
        default:
          return { state: 'unknown' }
      }
    }
    try {
      await answered(what, declare(channel))
      return { state: 'present', ...found }
    } catch (error) {
      if (replyCodeOf(error) === undefined) throw lost(what, error)
      if (replyCodeOf(error) !== replyCodes.preconditionFailed) return { state: 'unknown', ...found }
      return { state: 'differs', difference: differenceIn((error as Error).message, wanted), ...found }
    }
  })
}

async function onChannel<Result>(
  broker: Broker,
  ask: (channel: BrokerChannel) => Promise<Result>,
): Promise<Result> {
  // One each: a refusal ends the channel.
  const channel = await broker.openChannel()
  try {
    return await ask(channel)
  } finally {
    await channel.close()
  }
}

async function counts(
  { raw }: BrokerChannel,
  name: string,
): Promise<{ messages: number; consumers: number }> {
  const { messageCount: messages, consumerCount: consumers } = await raw.checkQueue(name)
  return { messages, consumers }
}

function lost(what: string, cause: unknown): BrokerError {
  if (cause instanceof BrokerError) return cause
  return new BrokerError('BROKER_CHANNEL_LOST', `${what} was not looked at: ${(cause as Error).message}`, {
    cause,
  })
}

function differenceIn(message: string, wanted: Readonly<Record<string, ArgumentValue>>): TopologyDifference {
  const refusal = inequivalentIn(message)
  if (refusal === undefined) return { property: 'declaration', wanted: undefined, found: message }
  const { property, found } = refusal
  return { property, wanted: wanted[property], found: found === undefined ? undefined : argumentOf(found) }
}

function argumentOf(text: string): ArgumentValue {
  if (text === 'true' || text === 'false') return text === 'true'
  return /^-?\d{1,15}$/.test(text) ? Number(text) : text
}
