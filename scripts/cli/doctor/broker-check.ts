/** The broker, its nodes and clock, and by lint the exchanges' queues. One connection serves it all. */
import type {
  BrokerSurvey,
  TopologyFindingCode,
  TopologyLint,
  TopologyToDeclare,
} from '../../../broker/index.ts'
import { clockFinding } from './clock.ts'
import { type Check, type Finding, fail, ok, warn } from './examination.ts'

export interface BrokerCheckOptions {
  readonly urls: readonly string[]
  readonly management: string | undefined
  readonly topologies: readonly TopologyToDeclare[]
  /** Further exchanges to look at, as the histories tell them. */
  exchanges(): Promise<readonly string[]>
  readonly timeoutMs: number
}

export function brokerCheck({
  urls,
  management,
  topologies,
  exchanges,
  timeoutMs,
}: BrokerCheckOptions): Check {
  return {
    name: 'broker',
    async run(signal) {
      const { connectBroker, lintTopology, surveyBroker } = await import('../../../broker/index.ts')
      const broker = connectBroker({ url: urls, name: 'backstory doctor' })
      signal.addEventListener('abort', () => void broker.close())
      try {
        await broker.connected({ timeoutMs: timeoutMs * 0.9 })
        const survey = await surveyBroker(broker, { management })
        const findings = [...versionFindings(survey), ...nodeFindings(survey)]
        if (survey.clockAheadMs !== undefined) findings.push(clockFinding('the broker', survey.clockAheadMs))
        const named = new Set(topologies.map(({ exchange }) => exchange))
        const others = (await exchanges()).filter((exchange) => !named.has(exchange))
        const all = [...topologies, ...others.map((exchange) => ({ exchange }))]
        if (all.length === 0) return findings
        return [...findings, ...lintFindings(await lintTopology(broker, { topologies: all, management }))]
      } finally {
        await broker.close()
      }
    },
  }
}

function versionFindings({ version, deprecatedInUse = [] }: BrokerSurvey): Finding[] {
  if (version === undefined) return [warn('is reached, and does not say which RabbitMQ it is')]
  return [
    ok(`RabbitMQ ${version} is reached`),
    ...(deprecatedInUse.length === 0
      ? []
      : [
          warn(
            `uses what a later RabbitMQ denies: ${deprecatedInUse.join(', ')}; find who does, before an upgrade`,
          ),
        ]),
  ]
}

function nodeFindings({ nodes }: BrokerSurvey): Finding[] {
  if (nodes === undefined)
    return [
      warn('alarms, plugins and bindings were not looked at: name the management API with --management'),
    ]
  const findings = nodes.flatMap(({ name, isRunning, memoryAlarm, diskAlarm, partitions }) => [
    ...(isRunning ? [] : [fail(`node ${name} is down: start it`)]),
    ...(memoryAlarm
      ? [
          fail(
            `node ${name} is short of memory, and blocks publishers: see what fills it, or raise vm_memory_high_watermark`,
          ),
        ]
      : []),
    ...(diskAlarm ? [fail(`node ${name} is short of disk, and blocks publishers: make room there`)] : []),
    ...(partitions.length === 0
      ? []
      : [
          fail(
            `node ${name} has lost ${partitions.join(', ')}: a partition of the cluster; mend the network, restart one side`,
          ),
        ]),
  ])
  const plugins = new Set(nodes.flatMap((node) => node.plugins))
  const optional = ['rabbitmq_sharding', 'rabbitmq_stream']
  return [
    ...(findings.length === 0
      ? [ok(`no alarm rings on ${nodes.length === 1 ? '1 node' : `${nodes.length} nodes`}`)]
      : findings),
    ...optional.map((name) =>
      ok(
        plugins.has(name)
          ? `plugin ${name} is enabled`
          : `plugin ${name} is not enabled: only ${needs[name]} need it`,
      ),
    ),
  ]
}

const needs: Readonly<Record<string, string>> = {
  rabbitmq_sharding: 'partitions',
  rabbitmq_stream: 'readers of streams by the stream protocol',
}

/** What stops events, or says that some were put aside. */
const failing: ReadonlySet<TopologyFindingCode> = new Set([
  'TOPOLOGY_DEAD_LETTERS',
  'TOPOLOGY_DEAD_QUEUE_MISSING',
  'TOPOLOGY_DIFFERS',
  'TOPOLOGY_HISTORY_UNBOUND',
  'TOPOLOGY_MISSING',
  'TOPOLOGY_PARTITION_UNBOUND',
  'TOPOLOGY_QUEUE_UNBOUND',
  'TOPOLOGY_QUEUE_UNCONSUMED',
  'TOPOLOGY_VERSION_UNSUPPORTED',
] satisfies TopologyFindingCode[])

function lintFindings({ findings, notJudged }: TopologyLint): Finding[] {
  return [
    ...(findings.length === 0 ? [ok('exchanges and queues are as they should be')] : []),
    ...findings.map(({ code, message }) => (failing.has(code) ? fail : warn)(message)),
    ...notJudged.map(({ what, why }) => warn(`not looked at: ${what} (${why})`)),
  ]
}
