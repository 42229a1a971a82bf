/**
 * Bindings: how our queues are bound to an exchange that somebody else has declared.
 *
 * A durable fanout exchange is ours to declare, and its queues are bound with nothing. Any other is left as
 * it is. Its history queue is bound so that all is caught, where its type has a binding for that, or as told;
 * every consumer's queue is bound as the history queue is, or the two would not get the same events.
 */
import { isDeepStrictEqual } from 'node:util'
import { answered } from './answer.ts'
import type { Broker } from './connection.ts'
import { BrokerError, replyCodeOf, replyCodes } from './errors.ts'
import { inequivalentIn } from './inequivalent.ts'

export interface Binding {
  /** Of a direct exchange, or a pattern of a topic exchange. Default: empty. */
  readonly routingKey?: string
  /** What a headers exchange matches, such as `{ 'x-match': 'all', region: 'eu' }`. Default: none. */
  readonly arguments?: Readonly<Record<string, string | number | boolean>>
}

/** By the type of an exchange. A direct one has no binding that catches all, nor have a plugin's. */
const catchAll: Readonly<Record<string, Binding>> = {
  fanout: {},
  topic: { routingKey: '#' },
  headers: { arguments: { 'x-match': 'all' } },
}

/** AMQP's short string. */
const routingKeyBytesMax = 255

/** @throws TypeError for what is no list of bindings. */
export function checkBindings(bindings: unknown): asserts bindings is readonly Binding[] {
  if (!Array.isArray(bindings) || bindings.length === 0)
    throw new TypeError('Expected `bindings` to be a list of at least one binding')
  for (const binding of bindings) {
    const { routingKey = '', arguments: given = {} } = (binding ?? {}) as Record<string, unknown>
    if (typeof routingKey !== 'string' || Buffer.byteLength(routingKey) > routingKeyBytesMax)
      throw new TypeError(`Expected \`routingKey\` to be text of at most ${routingKeyBytesMax} bytes`)
    if (typeof given !== 'object' || given === null || !Object.values(given).every(isArgument))
      throw new TypeError('Expected `arguments` to hold texts, numbers and booleans by header')
  }
}

/** Those of the first list that the second does not have. */
export function bindingsBeside(bindings: readonly Binding[], others: readonly Binding[]): Binding[] {
  return bindings.filter(
    (binding) => !others.some((other) => isDeepStrictEqual(wholeOf(binding), wholeOf(other))),
  )
}

/** For people: `a.b, c.#`, and `{"x-match":"all"}` where there are arguments. */
export function bindingsText(bindings: readonly Binding[]): string {
  const texts = bindings.map(wholeOf).map(({ routingKey, arguments: given }) => {
    if (Object.keys(given).length === 0) return routingKey === '' ? '(empty)' : routingKey
    return [routingKey, JSON.stringify(given)].filter((part) => part !== '').join(' ')
  })
  return texts.join(', ')
}

export function wholeOf({ routingKey = '', arguments: given = {} }: Binding): Required<Binding> {
  return { routingKey, arguments: given }
}

/**
 * How to bind to an exchange so that all is caught. One that is missing is declared, as a durable fanout.
 *
 * @returns Undefined for a durable fanout exchange without further properties, which is ours to declare.
 * @throws BrokerError `BROKER_BINDINGS_UNKNOWN` where nothing catches all; `BROKER_ACCESS_REFUSED` where this
 *   user may not declare it; else as `openChannel()` does, and `BROKER_CHANNEL_LOST`.
 */
export async function catchAllOf(
  broker: Broker,
  { exchange, signal }: { exchange: string; signal?: AbortSignal | undefined },
): Promise<readonly Binding[] | undefined> {
  // Each refusal ends its channel.
  const channel = await broker.openChannel({ signal })
  try {
    await answered(`Exchange ${exchange}`, channel.raw.assertExchange(exchange, 'fanout', { durable: true }))
    return undefined
  } catch (error) {
    switch (replyCodeOf(error)) {
      case replyCodes.preconditionFailed:
        return [bindingByRefusal(exchange, error as Error)]
      case replyCodes.accessRefused:
        throw new BrokerError(
          'BROKER_ACCESS_REFUSED',
          `Exchange ${exchange} may not be declared by this user: let somebody else declare it, and name the bindings to record it by`,
          { cause: error },
        )
      default:
        throw lookFailed(exchange, error)
    }
  } finally {
    await channel.close()
  }
}

/** @throws BrokerError `BROKER_EXCHANGE_MISSING`; `BROKER_CHANNEL_LOST`. */
export async function requireExchange(
  broker: Broker,
  { exchange, signal }: { exchange: string; signal?: AbortSignal | undefined },
): Promise<void> {
  const channel = await broker.openChannel({ signal })
  try {
    await answered(`Exchange ${exchange}`, channel.raw.checkExchange(exchange))
  } catch (error) {
    if (replyCodeOf(error) !== replyCodes.notFound) throw lookFailed(exchange, error)
    throw new BrokerError(
      'BROKER_EXCHANGE_MISSING',
      `Exchange ${exchange} is not there, and its history is bound as one that somebody else declares: have it declared, or name another`,
      { cause: error },
    )
  } finally {
    await channel.close()
  }
}

/** The broker compares the type before all else: where it is another property, the type is that of a fanout. */
function bindingByRefusal(exchange: string, cause: Error): Binding {
  const refusal = inequivalentIn(cause.message)
  const type = refusal === undefined || refusal.property === 'type' ? refusal?.found : 'fanout'
  const binding = type === undefined ? undefined : catchAll[type]
  if (binding !== undefined) return binding
  const what =
    type === undefined
      ? `Exchange ${exchange} is there, and RabbitMQ does not tell its type`
      : `Exchange ${exchange} is of type ${type}, which has no binding that catches all`
  throw new BrokerError(
    'BROKER_BINDINGS_UNKNOWN',
    `${what}: name the bindings to record it by, such as its routing keys`,
    { cause },
  )
}

function lookFailed(exchange: string, cause: unknown): BrokerError {
  if (cause instanceof BrokerError) return cause
  const { message } = cause as Error
  return new BrokerError('BROKER_CHANNEL_LOST', `Exchange ${exchange} was not looked at: ${message}`, {
    cause,
  })
}

function isArgument(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)
}
