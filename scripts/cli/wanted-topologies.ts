/** The exchanges that were named, how many partitions each has, and the queues of its consumers or of theirs. */
import type { TopologyOptions, TopologyToDeclare } from '../../broker/index.ts'
import type { ConsumerDefinition } from '../../consumers/index.ts'
import { CliError, usageError } from './errors.ts'

interface Queue {
  readonly name: string
  readonly lengthMax: number | undefined
}

export type Topology = TopologyOptions['topologies'][number]

export class WantedTopologies {
  readonly #partitions: Map<string, number | undefined>
  /** By exchange, or that of a partition; each queue by its name. */
  readonly #queues = new Map<string, Map<string, Queue>>()
  /** By exchange, a consumer that has no partitions. */
  readonly #unparted = new Map<string, string>()

  constructor(exchanges: readonly string[], partitions: number | undefined) {
    this.#partitions = new Map(exchanges.map((name) => [name, partitions]))
  }

  /** @throws CliError `CLI_MODULE_INVALID` for another exchange, or another number of partitions. */
  requireFitting({ name, exchange, partitions }: ConsumerDefinition, path: string): void {
    if (!this.#partitions.has(exchange)) {
      const message = `${path}: consumer ${name} is one of exchange ${exchange}; name that exchange too`
      throw new CliError('CLI_MODULE_INVALID', message)
    }
    const known = this.#partitions.get(exchange)
    if (partitions === undefined && known === undefined) {
      this.#unparted.set(exchange, name)
      return
    }
    const other = this.#unparted.get(exchange)
    if (known !== undefined ? known !== partitions : other !== undefined) {
      const others = known === undefined ? `consumer ${other} has none` : `${known} are asked for`
      const message = `${path}: consumer ${name} has ${partitions ?? 'no'} partitions of exchange ${exchange}, and ${others}; it has one number of them`
      throw new CliError('CLI_MODULE_INVALID', message)
    }
    this.#partitions.set(exchange, partitions)
  }

  addQueue(exchange: string, queue: Queue): void {
    const queues = this.#queues.get(exchange) ?? new Map<string, Queue>()
    this.#queues.set(exchange, queues.set(queue.name, queue))
  }

  /** @throws CliError `CLI_USAGE` for bindings of an exchange with partitions. */
  all(bindings: TopologyToDeclare['bindings']): Topology[] {
    const whole = [...this.#partitions].map(([exchange, partitions]) => {
      if (partitions !== undefined && bindings !== undefined)
        throw usageError(`${exchange} has partitions, which take all of it: --binding is for one without`)
      if (partitions !== undefined) return { exchange, partitions }
      const queues = [...(this.#queues.get(exchange)?.values() ?? [])]
      return { exchange, queues, ...(bindings && { bindings }) }
    })
    const ofPartitions = [...this.#queues]
      .filter(([exchange]) => !this.#partitions.has(exchange))
      .map(([exchange, queues]) => ({ exchange, queues: [...queues.values()] }))
    return [...whole, ...ofPartitions]
  }
}
