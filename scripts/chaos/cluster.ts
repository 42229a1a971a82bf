/** The broker of a chaos run: one private node, or several in a cluster. */
import { startPrivateCluster } from '../services/cluster.ts'
import { type PrivateBroker, startPrivateBroker } from '../services/private-broker.ts'
import { prepareRabbitmq4 } from '../services/rabbitmq-4.ts'

export interface ChaosCluster {
  readonly nodes: readonly PrivateBroker[]
  stop(): Promise<void>
}

export type RabbitmqChoice = 'installed' | '4'

export async function startChaosCluster({
  nodes,
  rabbitmq,
  say,
}: {
  nodes: number
  rabbitmq: RabbitmqChoice
  say: (line: string) => void
}): Promise<ChaosCluster> {
  const chosen = rabbitmq === '4' ? { installation: await prepareRabbitmq4({ say }) } : {}
  if (nodes > 1) return await startPrivateCluster({ ...chosen, nodes, say })
  const broker = await startPrivateBroker({ ...chosen, say })
  return { nodes: [broker], stop: () => broker.stop() }
}
