/** The broker of a chaos run: one private node, or several in a cluster. */
import { startPrivateBroker } from '../services/private-broker.ts'

export interface ChaosNode {
  readonly url: string
  start(): Promise<void>
  kill(): Promise<void>
  shutDown(): Promise<void>
}

export interface ChaosCluster {
  readonly nodes: readonly ChaosNode[]
  stop(): Promise<void>
}

export async function startChaosCluster({ say }: { say: (line: string) => void }): Promise<ChaosCluster> {
  const broker = await startPrivateBroker({ say })
  return { nodes: [broker], stop: () => broker.stop() }
}
