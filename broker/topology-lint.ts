/**
 * The lint of a topology: what is there, against what must hold and against the broker's version.
 *
 * What cannot be seen is listed as not judged: no finding means that nothing was found among what was
 * looked at. Dead letters and queues without a consumer are findings too: both mean that somebody misses
 * something now.
 */
import type { Broker } from './connection.ts'
import type { ManagedQueue, ManagementApi } from './management.ts'
import { hashExchangeOf, partitionOf } from './partitions.ts'
import { deadQueueOf, historyQueueOf } from './topology.ts'
import { queueCounts } from './topology-inspect.ts'
import type { TopologyOptions } from './topology-plan.ts'
import {
  type Complaint,
  complaintsAbout,
  complaintsAboutPrefetch,
  type JudgedQueue,
  judgesPrefetch,
  type TopologyFinding,
} from './topology-rules.ts'
import { type ExchangeSurvey, managementOf, type NotJudged, type TopologyItem } from './topology-survey.ts'
import { surveyTopology, withPartitions } from './topology-surveys.ts'
import { type BrokerVersion, isAtLeast, parseVersion, versionOf } from './version.ts'

export interface TopologyLintOptions extends TopologyOptions {
  /** Further queues that are meant to be bound. Default: none. */
  readonly knownQueues?: readonly string[]
  /** Judge for this version of RabbitMQ, such as `4.3`: before an upgrade. Default: the broker's own. */
  readonly forVersion?: string
}

export interface TopologyLint {
  /** What was judged for; undefined where neither broker nor caller named one. */
  readonly version: string | undefined
  /** In the order of the exchanges. */
  readonly findings: readonly TopologyFinding[]
  readonly notJudged: readonly NotJudged[]
}

/**
 * Looks for what is wrong, or will be. Declares and deletes nothing.
 *
 * @throws As `planTopology()` does; TypeError for a `forVersion` that is no version.
 */
export async function lintTopology(
  broker: Broker,
  { topologies, management: url, knownQueues = [], forVersion }: TopologyLintOptions,
): Promise<TopologyLint> {
  const management = managementOf(broker, url)
  const found = forVersion ?? (await versionOf(broker))
  const version = found === undefined ? undefined : parseVersion(found)
  const ours = new Set(knownQueues)
  const surveys: ExchangeSurvey[] = []
  for (const topology of await withPartitions(broker, topologies))
    surveys.push(...(await surveyTopology(broker, topology, { management })))
  for (const { name } of surveys.flatMap(({ wanted }) => wanted)) ours.add(name)
  const lint = new Lint(broker, { management, version, known: ours })
  if (version === undefined)
    lint.notJudged.push({
      what: 'rules of a version',
      why: 'the broker does not say that it is RabbitMQ, nor which',
    })
  for (const survey of surveys) await lint.judge(survey)
  return { version: found, findings: lint.findings, notJudged: lint.notJudged }
}

/** A bound on the requests for one exchange. */
const queuesMax = 200
const notYet = 'the management API does not know them yet: try again in some seconds'

class Lint {
  readonly findings: TopologyFinding[] = []
  readonly notJudged: NotJudged[] = []
  readonly #broker: Broker
  readonly #management: ManagementApi | undefined
  readonly #version: BrokerVersion | undefined
  readonly #known: ReadonlySet<string>

  constructor(
    broker: Broker,
    {
      management,
      version,
      known,
    }: {
      management: ManagementApi | undefined
      version: BrokerVersion | undefined
      known: ReadonlySet<string>
    },
  ) {
    this.#broker = broker
    this.#management = management
    this.#version = version
    this.#known = known
  }

  async judge(survey: ExchangeSurvey): Promise<void> {
    const { exchange, items, managed } = survey
    this.notJudged.push(...survey.notJudged)
    if (this.#version !== undefined && !isAtLeast(this.#version, [3, 10])) {
      const message = 'RabbitMQ before 3.10 has no at-least-once dead-lettering; upgrade it'
      this.#report({ exchange, queue: undefined }, [{ code: 'TOPOLOGY_VERSION_UNSUPPORTED', message }])
    }
    for (const item of items) {
      const queue = item.kind === 'exchange' ? undefined : item.name
      this.#report({ exchange, queue }, complaintsAboutItem(item, survey))
    }
    if (managed === undefined || this.#management === undefined) {
      const what = `alternate exchange, policies, prefetch and further queues of exchange ${exchange}`
      this.notJudged.push({ what, why: 'AMQP does not tell: name the management API' })
      return
    }
    await this.#alternate(this.#management, survey)
    for (const { name, isBound } of survey.wanted) {
      const queue = managed.queues.get(name)
      if (queue !== undefined)
        await this.#judgeQueue(this.#management, { exchange, name, queue, isBound, isOurs: true })
    }
    await this.#others(this.#management, survey)
  }

  /** A publish that no queue took would be told as routed. */
  async #alternate(
    management: ManagementApi,
    { exchange, managed, ...meant }: ExchangeSurvey,
  ): Promise<void> {
    const { arguments: given = {}, policy } = managed?.exchange ?? {}
    const set = policy === undefined ? {} : await management.policy(policy)
    if (set === undefined) {
      this.notJudged.push({
        what: `policy ${policy} of exchange ${exchange}`,
        why: 'this user may not read it: use one with the tag policymaker',
      })
    }
    const alternate = given['alternate-exchange'] ?? set?.['alternate-exchange']
    if (alternate === undefined || alternate === meant.alternate) return
    const message = `Exchange ${exchange} has the alternate exchange ${String(alternate)}: a publish that no queue is bound for goes there, and is not returned to its publisher; take it away`
    this.#report({ exchange, queue: undefined }, [{ code: 'TOPOLOGY_ALTERNATE_EXCHANGE', message }])
  }

  /** Queues that are bound, and that were not named. */
  async #others(
    management: ManagementApi,
    { exchange, exchanges, wanted, managed }: ExchangeSurvey,
  ): Promise<void> {
    const here = new Set(wanted.map(({ name }) => name))
    // A queue may be bound several times.
    const destinations = new Map(
      (managed?.destinations ?? []).map(({ name, type }) => [`${type} ${name}`, { name, type }]),
    )
    const others = [...destinations.values()].filter(
      ({ name, type }) => !(type === 'exchange' ? exchanges.includes(name) : here.has(name)),
    )
    for (const { name, type } of others.slice(0, queuesMax)) {
      if (type === 'exchange') {
        this.#report({ exchange, queue: undefined }, [unknown(`Exchange ${name}`, exchange)])
        continue
      }
      const queue = await management.queue(name)
      // One that a connection has to itself goes with it.
      if (queue === undefined || queue.exclusive) continue
      if (!this.#known.has(name))
        this.#report({ exchange, queue: name }, [unknown(`Queue ${name}`, exchange)])
      const counts = await queueCounts(this.#broker, name)
      if (counts?.consumers === 0) this.#report({ exchange, queue: name }, [unconsumed(name, counts)])
      await this.#judgeQueue(management, { exchange, name, queue, isBound: true, isOurs: false })
    }
    if (others.length > queuesMax) {
      const what = `${others.length - queuesMax} further queues of exchange ${exchange}`
      this.notJudged.push({ what, why: `no more than ${queuesMax} are looked at` })
    }
  }

  async #judgeQueue(
    management: ManagementApi,
    {
      exchange,
      name,
      queue,
      isBound,
      isOurs,
    }: { exchange: string; name: string; queue: ManagedQueue; isBound: boolean; isOurs: boolean },
  ): Promise<void> {
    if (queue.policy === undefined) {
      this.notJudged.push({ what: `policies of queue ${name}`, why: notYet })
    }
    if (this.#version === undefined) return
    const judged = { ...queue, name, policy: queue.policy ?? {}, isBound, isOurs }
    this.#report({ exchange, queue: name }, complaintsAbout(judged, this.#version))
    if (judgesPrefetch(this.#version))
      await this.#judgeConsumers(management, { exchange, judged, version: this.#version })
  }

  async #judgeConsumers(
    management: ManagementApi,
    {
      exchange,
      judged,
      version,
    }: { exchange: string; judged: JudgedQueue & ManagedQueue; version: BrokerVersion },
  ): Promise<void> {
    const { name, consumers } = judged
    const counts = await queueCounts(this.#broker, name)
    let seen = 0
    let untold = 0
    for (const { prefetch, channel } of consumers) {
      const shared = await management.globalPrefetch(channel)
      if (shared === undefined) continue
      seen += 1
      if (shared === 'untold') untold += 1
      const globalPrefetch = shared === 'untold' ? 0 : shared
      const complaints = complaintsAboutPrefetch({ ...judged, prefetch, globalPrefetch }, version)
      this.#report({ exchange, queue: name }, complaints)
    }
    if (untold > 0) {
      const why = 'this RabbitMQ does not tell: look for global_qos among its deprecated features in use'
      this.notJudged.push({ what: `global prefetch of the consumers of queue ${name}`, why })
    }
    if (counts !== undefined && counts.consumers > seen) {
      const what = `the prefetch of ${counts.consumers - seen} consumers of queue ${name}`
      this.notJudged.push({ what, why: notYet })
    }
  }

  #report(place: { exchange: string; queue: string | undefined }, complaints: readonly Complaint[]): void {
    this.findings.push(...complaints.map((complaint) => ({ ...complaint, ...place })))
  }
}

function complaintsAboutItem(item: TopologyItem, { items, wanted }: ExchangeSurvey): Complaint[] {
  const { kind, name, exchange, state, messages = 0, consumers } = item
  const owner = wanted.find((queue) => deadQueueOf(queue.name) === name)
  if (state === 'missing') {
    // Where one of its ends is missing, that is told.
    const ends = items.filter((one) => one.kind !== 'binding' && [name, exchange].includes(one.name))
    if (kind === 'binding')
      return ends.some((end) => end.state === 'missing') ? [] : [unbound(name, exchange)]
    return [missing(kind, { name, owner: owner?.name })]
  }
  const complaints: Complaint[] = []
  if (state === 'differs') {
    const properties = item.differences.map(({ property }) => property).join(', ')
    const message = `${kind === 'queue' ? 'Queue' : 'Exchange'} ${name} has another ${properties}: whoever declares it is refused; see \`backstory topology plan\``
    complaints.push({ code: 'TOPOLOGY_DIFFERS', message })
  }
  if (kind !== 'queue') return complaints
  if (owner !== undefined && messages > 0) {
    const message = `Queue ${name} has ${messages} messages that RabbitMQ could not deliver; look at their x-death header, mend the cause, and bring them back from the history`
    complaints.push({ code: 'TOPOLOGY_DEAD_LETTERS', message })
  }
  if (owner === undefined && consumers === 0) complaints.push(unconsumed(name, { messages }))
  return complaints
}

function missing(
  kind: 'exchange' | 'queue',
  { name, owner }: { name: string; owner: string | undefined },
): Complaint {
  const remedy = 'declare it with `backstory topology apply`'
  if (owner === undefined) {
    const message = `${kind === 'queue' ? 'Queue' : 'Exchange'} ${name} is not there; ${remedy}`
    return { code: 'TOPOLOGY_MISSING', message }
  }
  const message = `Queue ${name}, which takes what RabbitMQ cannot deliver from ${owner}, is not there; ${remedy}`
  return { code: 'TOPOLOGY_DEAD_QUEUE_MISSING', message }
}

function unbound(name: string, exchange: string): Complaint {
  if (name === hashExchangeOf(exchange)) {
    const message = `Exchange ${name}, which parts ${exchange}, is not bound to it: what is published goes into no history; declare it with \`backstory topology apply\` now`
    return { code: 'TOPOLOGY_HISTORY_UNBOUND', message }
  }
  if (partitionOf(name) !== undefined && partitionOf(exchange) === undefined) {
    const message = `Partition ${name} is not bound to exchange ${exchange}: its keys go to other partitions, beside what is in this one; declare it with \`backstory topology apply\` now`
    return { code: 'TOPOLOGY_PARTITION_UNBOUND', message }
  }
  if (name === historyQueueOf(exchange)) {
    const message = `The history queue ${name} is not bound to exchange ${exchange}: what is published goes into no history; declare it with \`backstory topology apply\` now`
    return { code: 'TOPOLOGY_HISTORY_UNBOUND', message }
  }
  const message = `Queue ${name} is not bound to exchange ${exchange}: its consumer gets events from the history alone, late; declare it with \`backstory topology apply\`, or start the consumer`
  return { code: 'TOPOLOGY_QUEUE_UNBOUND', message }
}

function unconsumed(name: string, { messages }: { messages: number }): Complaint {
  const message = `Nobody consumes queue ${name}, and ${messages} messages wait in it; start its consumer, or delete the queue once it is no longer needed`
  return { code: 'TOPOLOGY_QUEUE_UNCONSUMED', message }
}

function unknown(what: string, exchange: string): Complaint {
  const message = `${what} is bound to exchange ${exchange} and belongs to nothing that was named; name its consumer or the queue, or unbind it`
  return { code: 'TOPOLOGY_QUEUE_UNKNOWN', message }
}
