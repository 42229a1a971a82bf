/** Does a fault to the scene, and undoes it when its time is over. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Broker, consumerQueueOf } from '../../broker/index.ts'
import type { ProcessName } from './cast.ts'
import type { Fault } from './fault.ts'
import type { QueueWatch } from './queue-watch.ts'
import { exchange, type Scene } from './scene.ts'

const delayMs = 40
const brokerPatienceMs = 10_000

export interface Injection {
  readonly scene: Scene
  /** A connection of the run's own, around the proxies. */
  readonly broker: Broker
  readonly watch: QueueWatch
}

/** Resolves when the fault is over. @returns What came of it, for the report. */
export async function inject(fault: Fault, { scene, broker, watch }: Injection): Promise<string | undefined> {
  const { kind, target, forMs } = fault
  const name = target as ProcessName
  switch (kind) {
    case 'kill':
      await scene.child(name).kill()
      await sleep(forMs)
      scene.child(name).start()
      return undefined
    case 'pause':
      scene.child(name).signal('SIGSTOP')
      await sleep(forMs)
      scene.child(name).signal('SIGCONT')
      return undefined
    case 'cut':
      for (const proxy of scene.proxies(name)) proxy.cut()
      return undefined
    case 'silence':
      for (const proxy of scene.proxies(name)) proxy.silence()
      return undefined
    case 'partition':
      for (const proxy of scene.proxies(name)) proxy.partition()
      return await healed(scene, name, forMs)
    case 'delay':
      for (const proxy of scene.proxies(name)) proxy.delay(delayMs)
      return await healed(scene, name, forMs)
    case 'fill-disk':
      await scene.disk(name).fill({ pid: scene.child(name).pid, database: scene.databaseOf(name) })
      await sleep(forMs)
      await scene.disk(name).empty(scene.child(name).pid)
      return undefined
    case 'delete-queue':
    case 'purge-queue':
      return await onQueue(kind, target, { broker, watch })
    case 'node-kill':
    case 'node-restart':
      return await scene.onceUp('nodes', async () => {
        const { nodes } = scene.cluster
        if (!(await watch.untilOld())) return 'not done: a queue was too young'
        const node = nodes[Number(target)]!
        await (kind === 'node-kill' ? node.kill() : node.shutDown())
        await sleep(forMs)
        await node.start()
        return undefined
      })
    case 'postgres-kill':
      return await scene.onceUp('postgres', async () => {
        await scene.postgres!.kill()
        await sleep(forMs)
        await scene.postgres!.start()
        return undefined
      })
    case 'join':
      watch.await(target)
      scene.child(name).start()
      return undefined
  }
}

async function healed(scene: Scene, name: ProcessName, forMs: number): Promise<undefined> {
  await sleep(forMs)
  for (const proxy of scene.proxies(name)) proxy.heal()
}

/** Where the broker is coming up just then, once it is there. */
async function onQueue(
  kind: Fault['kind'],
  consumer: string,
  { broker, watch }: { broker: Broker; watch: QueueWatch },
): Promise<string> {
  const queue = consumerQueueOf(exchange, consumer)
  try {
    await broker.connected({ timeoutMs: brokerPatienceMs })
    if (kind === 'delete-queue' && !(await watch.untilUp())) return 'not done: the node was away'
    const channel = await broker.openChannel()
    const ask = kind === 'delete-queue' ? channel.raw.deleteQueue(queue) : channel.raw.purgeQueue(queue)
    const answer = await Promise.race([ask, channel.closed.then(() => undefined)])
    await channel.close()
    if (kind === 'delete-queue') watch.await(consumer)
    return answer === undefined ? 'not done' : `${answer.messageCount} messages`
  } catch (error) {
    return `not done: ${(error as Error).message}`
  }
}
