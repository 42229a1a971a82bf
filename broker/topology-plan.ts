/**
 * The plan of a topology: what is there, what would be declared, what differs and would have to be deleted.
 *
 * Nothing is ever deleted here: a queue has what nobody else may have. Who deletes one loses its messages;
 * those of a consumer's queue come again from the history, those of the history queue do not.
 */
import type { Broker } from './connection.ts'
import { BrokerError } from './errors.ts'
import type { ManagementApi } from './management.ts'
import { declarePartitions } from './partitions.ts'
import { deadQueueOf, declareTopology, type QueueToDeclare, type TopologyToDeclare } from './topology.ts'
import { type ArgumentValue, queueCounts } from './topology-inspect.ts'
import { managementOf, type NotJudged, type TopologyItem } from './topology-survey.ts'
import {
  type AskedTopology,
  type PartedExchange,
  surveyTopology,
  withPartitions,
} from './topology-surveys.ts'

export interface TopologyOptions {
  /**
   * Exchanges with their queues, or with the number of their partitions. One that is there with partitions is
   * taken with them where it is named alone.
   */
  readonly topologies: readonly (TopologyToDeclare | PartedExchange)[]
  /**
   * The management API, `http://user:password@host:15672`: bindings and whole arguments. Default: none; what
   * AMQP does not tell is listed as not judged.
   */
  readonly management?: string
}

export interface TopologyPlan {
  /** Each exchange, its queues and their bindings, in the order in which they are declared. */
  readonly items: readonly TopologyItem[]
  /** What stands in the way of the plan, or is of no use in it. Deleted by you, never by `applyTopology()`. */
  readonly toDelete: readonly TopologyToDelete[]
  readonly notJudged: readonly NotJudged[]
  /** True where nothing is missing, differs or is to be deleted, as far as it was judged. */
  readonly isUpToDate: boolean
}

export interface TopologyToDelete {
  readonly kind: 'exchange' | 'queue'
  readonly name: string
  /** Lost with it. */
  readonly messages?: number
  readonly why: string
}

/**
 * Compares what should be there with what is. Declares and deletes nothing.
 *
 * @throws TypeError for a `lengthMax` or a `management` that cannot be one.
 * @throws BrokerError `BROKER_ACCESS_REFUSED`, `BROKER_UNREACHABLE` and `BROKER_MANAGEMENT_INVALID` of the
 *   management API; `BROKER_TOPOLOGY_MISMATCH` where an exchange has another number of partitions, or is
 *   recorded whole; else as `openChannel()` does.
 */
export async function planTopology(
  broker: Broker,
  { topologies, management }: TopologyOptions,
): Promise<TopologyPlan> {
  return await planOf(broker, await withPartitions(broker, topologies), managementOf(broker, management))
}

async function planOf(
  broker: Broker,
  topologies: readonly AskedTopology[],
  management: ManagementApi | undefined,
): Promise<TopologyPlan> {
  const items: TopologyItem[] = []
  const toDelete: TopologyToDelete[] = []
  const notJudged: NotJudged[] = []
  for (const topology of topologies) {
    for (const survey of await surveyTopology(broker, topology, { management })) {
      items.push(...survey.items)
      notJudged.push(...survey.notJudged)
      toDelete.push(...survey.items.flatMap(differing))
    }
    if (!('partitions' in topology)) toDelete.push(...(await leftovers(broker, topology.queues ?? [])))
  }
  const isDone = items.every(({ state }) => state === 'present' || state === 'unknown')
  return { items, toDelete, notJudged, isUpToDate: isDone && toDelete.length === 0 }
}

/**
 * Declares what is missing. Where something differs it declares nothing at all.
 *
 * @returns The plan as it was before.
 * @throws BrokerError `BROKER_TOPOLOGY_MISMATCH`, with each difference; else as `planTopology()` and
 *   `declareTopology()` do, and `BROKER_PLUGIN_MISSING` for partitions.
 */
export async function applyTopology(
  broker: Broker,
  { topologies, management }: TopologyOptions,
): Promise<TopologyPlan> {
  const all = await withPartitions(broker, topologies)
  const plan = await planOf(broker, all, managementOf(broker, management))
  const differing = plan.items.filter(({ state }) => state === 'differs')
  if (differing.length > 0) throw mismatch(differing)
  for (const topology of all) {
    if ('partitions' in topology) await declarePartitions(broker, topology)
    else await declareTopology(broker, topology)
  }
  return plan
}

function differing({ kind, name, state, messages }: TopologyItem): TopologyToDelete[] {
  if (state !== 'differs' || kind === 'binding') return []
  return [{ kind, name, messages, why: 'it has other properties, which cannot be changed' }]
}

/** A queue that has become bounded has no dead-letter queue any more. */
async function leftovers(broker: Broker, queues: readonly QueueToDeclare[]): Promise<TopologyToDelete[]> {
  const found: TopologyToDelete[] = []
  for (const queue of queues) {
    if (typeof queue === 'string' || queue.lengthMax === undefined) continue
    const name = deadQueueOf(queue.name)
    const counts = await queueCounts(broker, name)
    if (counts === undefined) continue
    const why = `queue ${queue.name} is bounded: nothing is dead-lettered`
    found.push({ kind: 'queue', name, messages: counts.messages, why })
  }
  return found
}

function mismatch(items: readonly TopologyItem[]): BrokerError {
  const parts = items.map(({ kind, name, differences }) => {
    const all = differences.map(
      ({ property, wanted, found }) => `${property} is ${shown(found)}, not ${shown(wanted)}`,
    )
    return `${kind} ${name} (${all.join('; ')})`
  })
  return new BrokerError(
    'BROKER_TOPOLOGY_MISMATCH',
    `Nothing was declared, since these exist with other properties: ${parts.join(', ')}. Rename them in your code, or delete what is there once it is no longer needed`,
  )
}

function shown(value: ArgumentValue): string {
  return value === undefined ? 'not set' : JSON.stringify(value)
}
