/**
 * The surveys of what was asked for. An exchange that is parted wants no queue of its own: it routes to the
 * hash exchange, that to the partitions, and each of these is an ordinary topology.
 */
import type { Broker } from './connection.ts'
import type { ManagementApi } from './management.ts'
import {
  hashExchangeArguments,
  hashExchangeOf,
  inspectPartitions,
  partitionExchangesOf,
  partitionOf,
  partitionsOf,
} from './partitions.ts'
import type { TopologyToDeclare } from './topology.ts'
import {
  type ExchangeSurvey,
  type ManagedTopology,
  manage,
  notJudgedOf,
  surveyExchange,
  surveyQueues,
  type TopologyItem,
} from './topology-survey.ts'

/** An exchange with its partitions, as `record --partitions` declares it. Their consumers' queues are theirs. */
export interface PartedExchange {
  readonly exchange: string
  /** From 2 to 64. */
  readonly partitions: number
}

export type AskedTopology = TopologyToDeclare | PartedExchange

/**
 * Each exchange that has partitions, or is to have them, followed by those of them that were not named.
 *
 * One that was named alone, and has them by now, is taken for what it is.
 *
 * @throws TypeError as `partitionExchangesOf()`; BrokerError as `openChannel()` does.
 */
export async function withPartitions(
  broker: Broker,
  asked: readonly AskedTopology[],
): Promise<AskedTopology[]> {
  const named = new Set(asked.map(({ exchange }) => exchange))
  const all: AskedTopology[] = []
  for (const topology of asked) {
    const partitions = await partitionsIn(broker, topology)
    if (partitions === undefined) {
      all.push(topology)
      continue
    }
    const { exchange } = topology
    const others = partitionExchangesOf(exchange, partitions).filter((name) => !named.has(name))
    all.push({ exchange, partitions }, ...others.map((name) => ({ exchange: name })))
  }
  return all
}

async function partitionsIn(broker: Broker, topology: AskedTopology): Promise<number | undefined> {
  if ('partitions' in topology) return topology.partitions
  const { exchange, queues = [], bindings } = topology
  if (queues.length > 0 || bindings !== undefined || partitionOf(exchange) !== undefined) return undefined
  return await partitionsOf(broker, exchange)
}

/**
 * @throws BrokerError `BROKER_TOPOLOGY_MISMATCH` for another number of partitions than there is, or an exchange
 *   that is recorded whole; else as `surveyExchange()` does.
 */
export async function surveyTopology(
  broker: Broker,
  topology: AskedTopology,
  options: { management: ManagementApi | undefined },
): Promise<ExchangeSurvey[]> {
  if ('partitions' in topology) return await surveyParted(broker, topology, options)
  const survey = await surveyExchange(broker, topology, options)
  const { exchange } = topology
  const isParted = partitionOf(exchange) === undefined && (await partitionsOf(broker, exchange)) !== undefined
  return [isParted ? { ...survey, exchanges: [hashExchangeOf(exchange)] } : survey]
}

async function surveyParted(
  broker: Broker,
  { exchange, partitions }: PartedExchange,
  { management }: { management: ManagementApi | undefined },
): Promise<ExchangeSurvey[]> {
  const names = partitionExchangesOf(exchange, partitions)
  const hash = hashExchangeOf(exchange)
  const state = await inspectPartitions(broker, { exchange, partitions })
  const whole = await surveyQueues(broker, { exchange, wanted: [] }, { management })
  const managed = management && (await manage(management, { exchange: hash, wanted: [] }))
  const isThere = state !== 'missing'
  const isWholeThere = whole.items.every((item) => item.state !== 'missing')
  const items: TopologyItem[] = [
    { kind: 'exchange', name: hash, exchange: hash, state, differences: [] },
    bindingOf({ name: hash, exchange }, { isThere: isThere && isWholeThere, managed: whole.managed }),
    ...names.map((name) => bindingOf({ name, exchange: hash }, { isThere, managed })),
  ]
  const { 'alternate-exchange': alternate } = hashExchangeArguments(exchange, partitions)
  const notJudged = notJudgedOf(items, { managed })
  return [
    { ...whole, exchanges: [hash] },
    { exchange: hash, items, notJudged, wanted: [], managed, exchanges: names, alternate },
  ]
}

function bindingOf(
  names: { name: string; exchange: string },
  { isThere, managed }: { isThere: boolean; managed: ManagedTopology | undefined },
): TopologyItem {
  const found = managed?.destinations.some(({ name, type }) => type === 'exchange' && name === names.name)
  const state = !isThere || found === false ? 'missing' : found === undefined ? 'unknown' : 'present'
  return { kind: 'binding', ...names, state, differences: [] }
}
