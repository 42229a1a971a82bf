/** What the topology commands take: exchanges, the modules of their consumers, and the management API. */
import type { Broker, TopologyOptions } from '../../broker/index.ts'
import { bindingOptions, bindingsOf } from './binding-options.ts'
import type { Cli } from './cli.ts'
import { brokerOption, jsonOption, waitBrokerOption } from './command.ts'
import { usageError } from './errors.ts'
import { loadConsumers } from './load-consumers.ts'
import { openBroker } from './open-broker.ts'
import { partitionsOption } from './partition-options.ts'
import { type Topology, WantedTopologies } from './wanted-topologies.ts'

export const exchangePositional = {
  kind: 'many',
  describe: 'The exchanges, with their history queues',
} as const

export const topologyOptions = {
  consumer: {
    type: 'texts',
    value: 'FILE',
    describe: 'A .ts or .js file that exports consumers of these exchanges; may be given several times',
  },
  partitions: {
    ...partitionsOption,
    describe: 'How many partitions the exchange has, or is to have',
    defaultDescription: 'as many as there are, or as its consumers say',
  },
  ...bindingOptions,
  management: {
    type: 'text',
    value: 'URL',
    describe: 'The management API, http://user:password@host:15672: bindings, whole arguments, policies',
    defaultDescription: 'BACKSTORY_MANAGEMENT, else none: what AMQP does not tell is not judged',
  },
  broker: brokerOption,
  'wait-broker': waitBrokerOption,
  json: { ...jsonOption, describe: 'All of it as JSON, one object' },
} as const

interface Typed {
  readonly exchange: readonly string[]
  readonly consumer: readonly string[]
  readonly partitions: number | undefined
  readonly binding: readonly string[]
  readonly 'binding-headers': readonly string[]
  readonly management: string | undefined
  readonly broker: string | undefined
  readonly 'wait-broker': number | undefined
}

/**
 * Connects, and hands the function what was asked for.
 *
 * @throws CliError as `loadConsumers` does, and `CLI_MODULE_INVALID` for a consumer of another exchange; as
 *   `openBroker` does.
 */
export async function withTopology<Result>(
  cli: Cli,
  typed: Typed,
  work: (broker: Broker, options: TopologyOptions) => Promise<Result>,
): Promise<Result> {
  const topologies = await topologiesOf(cli, typed)
  const management = managementOf(cli, typed.management)
  const name = 'backstory topology'
  const broker = await openBroker(cli, { broker: typed.broker, waitBroker: typed['wait-broker'], name })
  try {
    return await work(broker, { topologies, management })
  } finally {
    await broker.close()
  }
}

function managementOf(cli: Cli, typed: string | undefined): string | undefined {
  const url = cli.management(typed)
  if (url === undefined || (URL.canParse(url) && /^https?:/.test(url))) return url
  // It may hold a password: it is not shown.
  throw usageError('--management must be a URL such as http://user:password@host:15672')
}

async function topologiesOf(
  cli: Cli,
  { exchange, consumer, partitions, ...typed }: Omit<Typed, 'management' | 'broker' | 'wait-broker'>,
): Promise<Topology[]> {
  const bindings = bindingsOf(typed)
  if (bindings !== undefined && exchange.length > 1)
    throw usageError('--binding and --binding-headers are of one exchange: name it alone')
  if (partitions !== undefined && exchange.length > 1)
    throw usageError('--partitions is of one exchange: name it alone')
  const wanted = new WantedTopologies(exchange, partitions)
  const { consumerQueueOf } = await import('../../broker/index.ts')
  const { partitionDefinitions } = await import('../../consumers/index.ts')
  for (const file of consumer) {
    const path = cli.path(file)
    for (const definition of await loadConsumers(path)) {
      wanted.requireFitting(definition, path)
      for (const one of partitionDefinitions(definition)) {
        const name = consumerQueueOf(one.exchange, one.name)
        wanted.addQueue(one.exchange, { name, lengthMax: definition.queueLengthMax })
      }
    }
  }
  return wanted.all(bindings)
}
