/**
 * The development broker's own node: an installed rabbitmq-server that no process watches over.
 *
 * Each process number is written down as soon as it is known, so that a start which was interrupted can
 * be cleaned up by the next command.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { redactUrl } from '../../broker/index.ts'
import {
  type BrokerNode,
  epmdCommand,
  logTail,
  type NodeCommand,
  openLog,
  serverCommand,
  urlOf,
  writeNodeFiles,
} from './broker-node.ts'
import { type DevState, isOurs, writeState } from './dev-state.ts'
import { ServiceError } from './errors.ts'
import type { BrokerWay } from './find-broker.ts'
import type { Installation } from './installation.ts'
import { drawPort, isFree, listening } from './ports.ts'
import { brokerReady } from './readiness.ts'

const usualPort = 5672
const epmdTimeoutMs = 10_000
const startTimeoutMs = 120_000
const stopTimeoutMs = 30_000
const pollMs = 100

/**
 * Starts the node in `place` and resolves when it serves.
 *
 * @throws ServiceError `SERVICE_START_FAILED` with the end of its log; what it started is in the state.
 */
export async function startNode(
  place: string,
  { how, installation, say }: { how: BrokerWay; installation: Installation; say: (line: string) => void },
): Promise<{ url: string; how: BrokerWay }> {
  const node = await newNode(place, installation)
  const url = urlOf(node)
  say(`Starting RabbitMQ (${installation.server}) at ${redactUrl(url)}, data in ${node.folder}`)
  await writeNodeFiles(node)
  const state: DevState = { how, url, ports: node.ports, busy: process.pid }
  const epmd = await spawnDetached(node, epmdCommand(node))
  await writeState(place, { ...state, epmd })
  await listening(node.ports.epmd, { signal: AbortSignal.timeout(epmdTimeoutMs) })
  const server = await spawnDetached(node, serverCommand(node))
  await writeState(place, { ...state, epmd, server })
  await serving(node, server)
  await writeState(place, { ...state, epmd, server, busy: undefined })
  return { url, how }
}

/**
 * Ends the processes of the state that still run, the server in good order.
 *
 * @throws ServiceError `SERVICE_STOP_FAILED` where the server survives even SIGKILL.
 */
export async function endNode(place: string, { server, epmd, ports }: DevState): Promise<void> {
  if (server !== undefined && (await isOurs(server, place))) {
    process.kill(server, 'SIGTERM')
    if (!(await gone(server, place, { timeoutMs: stopTimeoutMs }))) process.kill(-server, 'SIGKILL')
    if (!(await gone(server, place, { timeoutMs: stopTimeoutMs }))) {
      throw new ServiceError('SERVICE_STOP_FAILED', `RabbitMQ does not end; end process ${server} yourself`)
    }
  }
  if (epmd !== undefined && (await isOurs(epmd, `-port ${ports?.epmd}`))) process.kill(epmd, 'SIGKILL')
}

async function newNode(place: string, installation: Installation): Promise<BrokerNode> {
  const amqp = (await isFree(usualPort)) ? usualPort : await drawPort()
  const ports = { amqp, distribution: await drawPort(), epmd: await drawPort() }
  return { installation, folder: join(place, 'broker'), ports, nodeName: 'backstory@localhost' }
}

/** In a session of its own, so that it outlives this process and its terminal. */
async function spawnDetached(node: BrokerNode, { file, args, env }: NodeCommand): Promise<number> {
  const log = await openLog(node)
  try {
    const child = spawn(file, args, { cwd: '/', env, detached: true, stdio: ['ignore', log.fd, log.fd] })
    child.unref()
    return child.pid!
  } finally {
    await log.close()
  }
}

async function serving(node: BrokerNode, server: number): Promise<void> {
  const giveUp = new AbortController()
  const ready = brokerReady(urlOf(node), { timeoutMs: startTimeoutMs, signal: giveUp.signal })
  let cause: unknown
  try {
    await Promise.race([
      ready,
      gone(server, node.folder, { timeoutMs: startTimeoutMs, signal: giveUp.signal }),
    ])
    if (await isOurs(server, node.folder)) return
  } catch (error) {
    cause = error
  } finally {
    ready.catch(() => {})
    giveUp.abort()
  }
  const message = `RabbitMQ did not start. The end of its log:\n${await logTail(node)}`
  throw new ServiceError('SERVICE_START_FAILED', message, { cause })
}

/** Nothing tells of the end of a process that is another's child: ask until it has gone. */
async function gone(
  pid: number,
  mark: string,
  { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal },
): Promise<boolean> {
  const deadline = Date.now() + timeoutMs
  while (await isOurs(pid, mark)) {
    if (Date.now() > deadline || signal?.aborted) return false
    await sleep(pollMs)
  }
  return true
}
