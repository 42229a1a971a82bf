/**
 * A private cluster: several nodes of an installed RabbitMQ that know each other, each in a folder and on
 * ports of its own, loopback only, and gone with this process like a private broker.
 *
 * One epmd serves all nodes, so that a node which is killed finds the others again. A node that starts
 * before it can see another one would make a cluster of its own: that is looked for before it is handed out.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectBroker } from '../../broker/index.ts'
import { ServiceError } from './errors.ts'
import { Guardian } from './guardian.ts'
import type { Installation } from './installation.ts'
import { drawPort } from './ports.ts'
import { chosenInstallation, nothingInstalled, PrivateBroker, portWasTaken } from './private-broker.ts'

export interface PrivateClusterOptions {
  readonly nodes: number
  /** Which RabbitMQ. Default: the one that `chosenInstallation()` finds. */
  readonly installation?: Installation
  /** Gets a line when it starts. Default: none. */
  readonly say?: (line: string) => void
}

export interface PrivateCluster {
  /** Each can be killed, shut down and started again. */
  readonly nodes: readonly PrivateBroker[]
  readonly urls: readonly string[]
  /** Ends it for good, with its data. */
  stop(): Promise<void>
}

/** Draws of ports, should another process take one between the draw and the start. */
const attempts = 3

/**
 * Starts a cluster and resolves when every node serves and knows the others; about 20 s.
 *
 * @throws ServiceError `SERVICE_NOT_FOUND` where no rabbitmq-server is installed; `SERVICE_START_FAILED`
 *   where it does not start, with the end of a log.
 */
export async function startPrivateCluster({
  nodes,
  installation = chosenInstallation(),
  say = () => {},
}: PrivateClusterOptions): Promise<PrivateCluster> {
  if (!Number.isInteger(nodes) || nodes < 2 || nodes > 7)
    throw new TypeError(`Expected \`nodes\` to be an integer from 2 to 7, got ${nodes}`)
  if (installation === undefined) throw nothingInstalled()
  for (let attempt = 1; ; attempt += 1) {
    say(`Starting a private cluster of ${nodes} nodes (${installation.root ?? ''}${installation.server})`)
    const members = await newMembers({ nodes, installation })
    const stop = async () => {
      // The first has the epmd of all.
      for (const member of members.toReversed()) await member.stop()
    }
    try {
      await members[0]!.startEpmd()
      await Promise.all(members.map((member) => member.start()))
      const urls = members.map(({ url }) => url)
      await requireOneCluster(urls)
      return { nodes: members, urls, stop }
    } catch (error) {
      await stop()
      if (attempt >= attempts || !portWasTaken(error)) throw error
    }
  }
}

async function newMembers({
  nodes,
  installation,
}: {
  nodes: number
  installation: Installation
}): Promise<PrivateBroker[]> {
  const nodeNames = Array.from({ length: nodes }, (_, index) => `backstory${index + 1}@localhost`)
  const cookie = randomBytes(24).toString('hex')
  const epmd = await drawPort()
  const members: PrivateBroker[] = []
  for (const [index, nodeName] of nodeNames.entries()) {
    const folder = await mkdtemp(join(tmpdir(), `backstory-node${index + 1}-`))
    const ports = { amqp: await drawPort(), distribution: await drawPort(), epmd }
    const node = { installation, folder, ports, nodeName, cluster: { nodeNames, cookie } }
    members.push(new PrivateBroker(node, new Guardian({ folder }), { epmd: index === 0 }))
  }
  return members
}

const joinTimeoutMs = 60_000
const pollMs = 250

/** An exchange that is declared on one node is there on all. */
async function requireOneCluster(urls: readonly string[]): Promise<void> {
  const name = `backstory-cluster-${randomBytes(4).toString('hex')}`
  await onNode(urls[0]!, (raw) => raw.assertExchange(name, 'fanout', { durable: true }))
  const deadline = Date.now() + joinTimeoutMs
  for (const url of urls.slice(1)) {
    while (
      !(await onNode(url, (raw) => raw.checkExchange(name)).then(
        () => true,
        () => false,
      ))
    ) {
      if (Date.now() > deadline)
        throw new ServiceError('SERVICE_START_FAILED', 'The nodes did not become one cluster')
      await sleep(pollMs)
    }
  }
  await onNode(urls[0]!, (raw) => raw.deleteExchange(name))
}

type RawChannel = Awaited<ReturnType<ReturnType<typeof connectBroker>['openChannel']>>['raw']

async function onNode(url: string, work: (raw: RawChannel) => Promise<unknown>): Promise<void> {
  const broker = connectBroker({ url, name: 'backstory cluster readiness' })
  try {
    const channel = await broker.openChannel()
    // A check that fails ends its channel, and may never be answered then.
    const closed = channel.closed.then((cause) => {
      throw cause ?? new Error('closed')
    })
    await Promise.race([work(channel.raw), closed])
  } finally {
    await broker.close()
  }
}
