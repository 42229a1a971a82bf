/** What the topology commands take: exchanges, the modules of their consumers, and the management API. */
import type { Broker, TopologyOptions, TopologyToDeclare } from '../../broker/index.ts'
import { bindingOptions, bindingsOf } from './binding-options.ts'
import type { Cli } from './cli.ts'
import { brokerOption, jsonOption, waitBrokerOption } from './command.ts'
import { CliError, usageError } from './errors.ts'
import { loadConsumers } from './load-consumers.ts'
import { openBroker } from './open-broker.ts'

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
  { exchange, consumer, ...typed }: Omit<Typed, 'management' | 'broker' | 'wait-broker'>,
): Promise<TopologyToDeclare[]> {
  const bindings = bindingsOf(typed)
  if (bindings !== undefined && exchange.length > 1)
    throw usageError('--binding and --binding-headers are of one exchange: name it alone')
  const { consumerQueueOf } = await import('../../broker/index.ts')
  const queues = new Map(
    [...new Set(exchange)].map((name) => [name, new Map<string, { name: string; lengthMax?: number }>()]),
  )
  for (const file of consumer) {
    const path = cli.path(file)
    for (const definition of await loadConsumers(path)) {
      const ofExchange = queues.get(definition.exchange)
      if (ofExchange === undefined) {
        const message = `${path}: consumer ${definition.name} is one of exchange ${definition.exchange}; name that exchange too`
        throw new CliError('CLI_MODULE_INVALID', message)
      }
      const name = consumerQueueOf(definition.exchange, definition.name)
      ofExchange.set(name, { name, lengthMax: definition.queueLengthMax })
    }
  }
  return [...queues].map(([name, ofExchange]) => ({
    exchange: name,
    queues: [...ofExchange.values()],
    ...(bindings && { bindings }),
  }))
}
