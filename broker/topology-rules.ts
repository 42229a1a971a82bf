/**
 * What is wrong with a queue behind a fan-out, whoever declared it, on a version of RabbitMQ.
 *
 * Arguments and policies only, so the rules need no broker. A queue that is nobody's of ours can harm too: a
 * full one that refuses publishes has each publish to the exchange nacked.
 */
import type { Arguments } from './management.ts'
import { type BrokerVersion, isAtLeast } from './version.ts'

/** Stable codes of findings; a code never changes its meaning. */
export type TopologyFindingCode =
  | 'TOPOLOGY_ALTERNATE_EXCHANGE'
  | 'TOPOLOGY_ARGUMENT_DENIED'
  | 'TOPOLOGY_DEAD_LETTERS'
  | 'TOPOLOGY_DEAD_QUEUE_MISSING'
  | 'TOPOLOGY_DELIVERY_LIMIT'
  | 'TOPOLOGY_DIFFERS'
  | 'TOPOLOGY_GLOBAL_QOS'
  | 'TOPOLOGY_HISTORY_UNBOUND'
  | 'TOPOLOGY_MISSING'
  | 'TOPOLOGY_PARTITION_UNBOUND'
  | 'TOPOLOGY_POLICY_OVERRIDES'
  | 'TOPOLOGY_PREFETCH_CAPPED'
  | 'TOPOLOGY_QUEUE_TRANSIENT'
  | 'TOPOLOGY_QUEUE_UNBOUND'
  | 'TOPOLOGY_QUEUE_UNCONSUMED'
  | 'TOPOLOGY_QUEUE_UNKNOWN'
  | 'TOPOLOGY_REJECT_PUBLISH'
  | 'TOPOLOGY_VERSION_UNSUPPORTED'

export interface TopologyFinding {
  readonly code: TopologyFindingCode
  readonly exchange: string
  /** Undefined where it is about the exchange, or the broker. */
  readonly queue: string | undefined
  /** What is wrong, what comes of it and what to do. */
  readonly message: string
}

/** A finding that is yet to be put to its exchange and queue. */
export type Complaint = Pick<TopologyFinding, 'code' | 'message'>

export interface JudgedQueue {
  readonly name: string
  readonly durable: boolean
  readonly exclusive: boolean
  readonly arguments: Arguments
  /** What policies set; `{}` where that is not known. */
  readonly policy: Arguments
  readonly policyNames: readonly string[]
  /** Whether the exchange routes to it: a dead-letter queue is none that is consumed. */
  readonly isBound: boolean
  /** Whether `declareTopology()` declares it: then what overrides its arguments is a finding. */
  readonly isOurs: boolean
}

export function complaintsAbout(queue: JudgedQueue, version: BrokerVersion): Complaint[] {
  return [
    ...transient(queue, version),
    ...denied(queue, version),
    ...deliveryLimit(queue, version),
    ...rejectPublish(queue),
    ...overridden(queue),
  ]
}

/** Whether consumers can be wrong there. */
export function judgesPrefetch(version: BrokerVersion): boolean {
  return isAtLeast(version, denyList)
}

/** @returns Complaints about a prefetch, in messages, and a global one. */
export function complaintsAboutPrefetch(
  {
    name,
    arguments: given,
    prefetch,
    globalPrefetch,
  }: Pick<JudgedQueue, 'name' | 'arguments'> & { prefetch: number; globalPrefetch: number },
  version: BrokerVersion,
): Complaint[] {
  if (!judgesPrefetch(version)) return []
  const complaints: Complaint[] = []
  if (isQuorum(given) && prefetch > quorumPrefetchMax) {
    complaints.push({
      code: 'TOPOLOGY_PREFETCH_CAPPED',
      message: `A consumer of ${name} asks for a prefetch of ${prefetch}, and RabbitMQ ${text(version)} gives a quorum queue's ${quorumPrefetchMax}; ask for no more`,
    })
  }
  if (globalPrefetch > 0) {
    complaints.push({
      code: 'TOPOLOGY_GLOBAL_QOS',
      message: `A consumer of ${name} has a global prefetch of ${globalPrefetch}, which RabbitMQ ${text(version)} refuses; call prefetch without \`global\``,
    })
  }
  return complaints
}

/** The version from which on what was deprecated is refused. */
const denyList = [4, 3] as const
const quorumPrefetchMax = 2_000
const deniedArguments = ['x-queue-mode', 'x-queue-master-locator']

function transient({ name, durable, exclusive }: JudgedQueue, version: BrokerVersion): Complaint[] {
  if (durable || exclusive || !isAtLeast(version, denyList)) return []
  const message = `Queue ${name} is transient and not exclusive, and RabbitMQ ${text(version)} ends the connection that declares such a one; declare it durable, or exclusive`
  return [{ code: 'TOPOLOGY_QUEUE_TRANSIENT', message }]
}

function denied({ name, arguments: given }: JudgedQueue, version: BrokerVersion): Complaint[] {
  if (!isAtLeast(version, denyList)) return []
  return deniedArguments
    .filter((argument) => argument in given)
    .map((argument) => ({
      code: 'TOPOLOGY_ARGUMENT_DENIED',
      message: `Queue ${name} has ${argument}, which RabbitMQ ${text(version)} refuses; declare it without`,
    }))
}

function deliveryLimit(
  { name, arguments: given, policy, isBound }: JudgedQueue,
  version: BrokerVersion,
): Complaint[] {
  const limit = given['x-delivery-limit'] ?? policy['delivery-limit']
  if (!isQuorum(given) || !isBound) return []
  if (limit === -1 && !isAtLeast(version, [4, 0])) {
    const message = `Queue ${name} has a delivery limit of -1, with which RabbitMQ ${text(version)} drops a message at its first redelivery; set a very high one, such as 1000000`
    return [{ code: 'TOPOLOGY_DELIVERY_LIMIT', message }]
  }
  if (limit === undefined && isAtLeast(version, [4, 0])) {
    const message = `Queue ${name} has no delivery limit, and RabbitMQ ${text(version)} then drops a message after 20 redeliveries; set a very high one, such as 1000000`
    return [{ code: 'TOPOLOGY_DELIVERY_LIMIT', message }]
  }
  return []
}

function rejectPublish({ name, arguments: given, policy }: JudgedQueue): Complaint[] {
  const bounds = ['max-length', 'max-length-bytes'].filter(
    (bound) => `x-${bound}` in given || bound in policy,
  )
  const overflow = given['x-overflow'] ?? policy.overflow
  if (bounds.length === 0 || (overflow !== 'reject-publish' && overflow !== 'reject-publish-dlx')) return []
  const message = `Queue ${name} refuses publishes once it is full (${bounds.join(', ')} with ${overflow}): RabbitMQ then nacks every publish to the exchange, although other queues took it; set x-overflow to drop-head, or take the bound away`
  return [{ code: 'TOPOLOGY_REJECT_PUBLISH', message }]
}

/** With these a policy drops or moves messages. A delivery limit of ours is lowered by a policy's. */
const harmful = [
  'dead-letter-exchange',
  'delivery-limit',
  'expires',
  'max-length',
  'max-length-bytes',
  'message-ttl',
  'overflow',
]

function overridden({ name, arguments: given, policy, policyNames, isOurs }: JudgedQueue): Complaint[] {
  if (!isOurs) return []
  const keys = harmful.filter((key) => key in policy && policy[key] !== given[`x-${key}`])
  if (keys.length === 0) return []
  const set = keys.map((key) => `${key} ${JSON.stringify(policy[key])}`).join(', ')
  const message = `Policy ${policyNames.join(' and ')} sets ${set} on queue ${name}, which may drop or move its messages; narrow the policy's pattern`
  return [{ code: 'TOPOLOGY_POLICY_OVERRIDES', message }]
}

function isQuorum(given: Arguments): boolean {
  return given['x-queue-type'] === 'quorum'
}

function text({ major, minor }: BrokerVersion): string {
  return `${major}.${minor}`
}
