/**
 * A survey: what should be there, beside what is. Looks, and declares nothing.
 *
 * Over AMQP alone a difference shows as the first one only, and a binding not at all: what cannot be seen is
 * `unknown` and told as not judged, never taken for right.
 */
import { type Binding, bindingsBeside, catchAllOf, checkBindings } from './bindings.ts'
import type { Broker } from './connection.ts'
import { BrokerError } from './errors.ts'
import {
  type Arguments,
  type Destination,
  type ManagedExchange,
  type ManagedQueue,
  ManagementApi,
} from './management.ts'
import { historyQueueOf, type TopologyToDeclare, type WantedQueue, wantedQueues } from './topology.ts'
import {
  type ArgumentValue,
  type Inspected,
  inspectExchange,
  inspectQueue,
  type TopologyDifference,
  wantedExchange,
  wantedOfQueue,
} from './topology-inspect.ts'

export interface TopologyItem {
  readonly kind: 'exchange' | 'queue' | 'binding'
  /** Of the exchange or the queue; of a binding, that of what it is for: a queue, or an exchange that is parted. */
  readonly name: string
  readonly exchange: string
  /** `unknown`: it could not be looked at; the survey's `notJudged` says why. */
  readonly state: 'present' | 'missing' | 'differs' | 'unknown'
  /** Every argument and property that differs; without the management API the first alone. */
  readonly differences: readonly TopologyDifference[]
  /** Of a queue that is there. */
  readonly messages?: number
  readonly consumers?: number
}

export interface NotJudged {
  readonly what: string
  /** Why not, and what to do about it. */
  readonly why: string
}

/** What the management API knows of an exchange. */
export interface ManagedTopology {
  readonly exchange: ManagedExchange | undefined
  readonly destinations: readonly Destination[]
  /** By name; the queues that should be there and are. */
  readonly queues: ReadonlyMap<string, ManagedQueue>
}

export interface ExchangeSurvey {
  readonly exchange: string
  readonly items: readonly TopologyItem[]
  readonly notJudged: readonly NotJudged[]
  readonly wanted: readonly WantedQueue[]
  /** Undefined without the management API. */
  readonly managed: ManagedTopology | undefined
  /** Exchanges that are meant to be bound to it. */
  readonly exchanges: readonly string[]
  /** The alternate exchange that it is meant to have. */
  readonly alternate?: string
}

/**
 * @param options.management - The management API; undefined without.
 * @throws BrokerError as `openChannel()` and ManagementApi do; TypeError as `wantedQueues()` does.
 */
export async function surveyExchange(
  broker: Broker,
  { exchange, queues = [], bindings }: TopologyToDeclare,
  options: { management: ManagementApi | undefined },
): Promise<ExchangeSurvey> {
  const wanted = [historyQueueOf(exchange), ...queues].flatMap(wantedQueues)
  return await surveyQueues(broker, { exchange, wanted, asked: bindings }, options)
}

/** As `surveyExchange()`, of an exchange that wants these queues and no others. */
export async function surveyQueues(
  broker: Broker,
  {
    exchange,
    wanted,
    asked,
  }: { exchange: string; wanted: readonly WantedQueue[]; asked?: readonly Binding[] | undefined },
  { management }: { management: ManagementApi | undefined },
): Promise<ExchangeSurvey> {
  const managed = management && (await manage(management, { exchange, wanted }))
  const { inspected: ofExchange, isOurs, bindings } = await inspectForeign(broker, { exchange, asked })
  const names = { name: exchange, exchange }
  const expected = isOurs ? { wanted: wantedExchange, there: managed?.exchange } : notOurs
  const items = [itemOf('exchange', names, ofExchange, expected)]
  for (const queue of wanted) {
    const { name, isBound } = queue
    const found = await inspectQueue(broker, queue)
    const there = managed?.queues.get(name)
    items.push(itemOf('queue', { name, exchange }, found, { wanted: wantedOfQueue(queue.arguments), there }))
    const isThere = found.state !== 'missing' && ofExchange.state !== 'missing'
    if (isBound) items.push(bindingOf({ name, exchange }, { isThere, managed, bindings }))
  }
  const notJudged = notJudgedOf(items, { managed })
  return { exchange, items, notJudged, wanted, managed, exchanges: [] }
}

/** Nothing is wanted of an exchange that somebody else declares. */
const notOurs = { wanted: {}, there: undefined }

/** The exchange as `declareTopology()` would find it, and how it would bind. Declares nothing. */
async function inspectForeign(
  broker: Broker,
  { exchange, asked }: { exchange: string; asked: readonly Binding[] | undefined },
): Promise<{ inspected: Inspected; isOurs: boolean; bindings: readonly Binding[] }> {
  if (asked !== undefined) {
    checkBindings(asked)
    const { state } = await inspectExchange(broker, exchange)
    const inspected: Inspected = { state: state === 'missing' ? 'missing' : 'present' }
    return { inspected, isOurs: false, bindings: asked }
  }
  const inspected = await inspectExchange(broker, exchange)
  if (inspected.state !== 'differs') return { inspected, isOurs: true, bindings: [{}] }
  try {
    const bindings = await catchAllOf(broker, { exchange })
    return { inspected: { state: 'present' }, isOurs: false, bindings: bindings ?? [{}] }
  } catch (error) {
    if (!(error instanceof BrokerError) || error.code !== 'BROKER_BINDINGS_UNKNOWN') throw error
    return { inspected, isOurs: true, bindings: [{}] }
  }
}

export function managementOf(broker: Broker, url: string | undefined): ManagementApi | undefined {
  if (url === undefined) return undefined
  // The nodes of a cluster have their virtual hosts in common.
  const [, path = ''] = /^\w+:\/\/[^/]*\/?([^,]*)/.exec(broker.address) ?? []
  return new ManagementApi(url, { virtualHost: decodeURIComponent(path) || '/' })
}

export async function manage(
  management: ManagementApi,
  { exchange, wanted }: { exchange: string; wanted: readonly WantedQueue[] },
): Promise<ManagedTopology> {
  const found = await management.exchange(exchange)
  const queues = new Map<string, ManagedQueue>()
  for (const { name } of wanted) {
    const queue = await management.queue(name)
    if (queue !== undefined) queues.set(name, queue)
  }
  return {
    exchange: found,
    destinations: found === undefined ? [] : await management.destinations(exchange),
    queues,
  }
}

function itemOf(
  kind: 'exchange' | 'queue',
  names: { name: string; exchange: string },
  { state, difference, messages, consumers }: Inspected,
  {
    wanted,
    there,
  }: { wanted: Readonly<Record<string, ArgumentValue>>; there: ManagedExchange | ManagedQueue | undefined },
): TopologyItem {
  const differences = allDifferences(wanted, there)
  if (difference !== undefined && !differences.some(({ property }) => property === difference.property))
    differences.unshift(difference)
  const found = { kind, ...names, differences, messages, consumers }
  if (state === 'missing') return { ...found, state, differences: [] }
  // The broker may be set to overlook some differences when a queue is declared again: they are there.
  if (differences.length > 0) return { ...found, state: 'differs' }
  return { ...found, state: state === 'unknown' && there !== undefined ? 'present' : state }
}

function bindingOf(
  names: { name: string; exchange: string },
  {
    isThere,
    managed,
    bindings,
  }: { isThere: boolean; managed: ManagedTopology | undefined; bindings: readonly Binding[] },
): TopologyItem {
  const found = managed?.destinations.filter(({ name, type }) => type === 'queue' && name === names.name)
  // Of a fanout exchange any binding does.
  const isFanout = managed?.exchange?.type === 'fanout'
  const isBound = found && found.length > 0 && (isFanout || bindingsBeside(bindings, found).length === 0)
  const state = !isThere ? 'missing' : isBound === undefined ? 'unknown' : isBound ? 'present' : 'missing'
  return { kind: 'binding', ...names, state, differences: [] }
}

/** Arguments that RabbitMQ acts on, and that we never set on some or all queues. */
const telling = [
  'x-dead-letter-exchange',
  'x-dead-letter-routing-key',
  'x-dead-letter-strategy',
  'x-delivery-limit',
  'x-expires',
  'x-max-length',
  'x-max-length-bytes',
  'x-max-priority',
  'x-message-ttl',
  'x-overflow',
  'x-single-active-consumer',
  'alternate-exchange',
]

function allDifferences(
  wanted: Readonly<Record<string, ArgumentValue>>,
  found: ManagedExchange | ManagedQueue | undefined,
): TopologyDifference[] {
  if (found === undefined) return []
  const there: Arguments = {
    ...found.arguments,
    durable: found.durable,
    auto_delete: found.autoDelete,
    ...('type' in found ? { type: found.type, internal: found.internal } : { exclusive: found.exclusive }),
  }
  const properties = new Set([...Object.keys(wanted), ...telling])
  return [...properties]
    .filter((property) => there[property] !== wanted[property])
    .map((property) => ({ property, wanted: wanted[property], found: there[property] as ArgumentValue }))
}

export function notJudgedOf(
  items: readonly TopologyItem[],
  { managed }: { managed: ManagedTopology | undefined },
): NotJudged[] {
  const why = 'AMQP does not tell: name the management API'
  return items.flatMap(({ kind, name, exchange, state }) => {
    if (state === 'unknown' && kind === 'binding')
      return { what: `binding of ${name} to exchange ${exchange}`, why }
    if (state === 'unknown')
      return {
        what: `${kind} ${name}`,
        why: 'this user may not declare it: use one with the right to configure it',
      }
    if (state === 'differs' && managed === undefined)
      return { what: `further differences of ${kind} ${name}`, why }
    return []
  })
}
