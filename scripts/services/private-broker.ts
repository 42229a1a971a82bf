/**
 * A private broker: an installed rabbitmq-server in a folder and on ports of its own, loopback only,
 * gone without a trace when it is stopped or when this process ends, `kill -9` included.
 *
 * It can be killed and started again on the same ports and data, as a machine that lost its power would.
 */
import { mkdir, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { installAdvice } from './advice.ts'
import {
  type BrokerNode,
  type BrokerPlugin,
  epmdCommand,
  logTail,
  type NodeCommand,
  type NodePorts,
  openLog,
  serverCommand,
  urlOf,
  writeNodeFiles,
} from './broker-node.ts'
import { ServiceError } from './errors.ts'
import { type GuardedName, type GuardedProcess, Guardian } from './guardian.ts'
import { findInstallation, type Installation } from './installation.ts'
import { drawPort, isFree, listening } from './ports.ts'
import { findRabbitmq4 } from './rabbitmq-4.ts'
import { brokerReady } from './readiness.ts'

export interface PrivateBrokerOptions {
  /** Kept at the end, data and all. Default: a temporary one, removed at the end. */
  readonly folder?: string
  /** AMQP port. Default: a free one. */
  readonly port?: number
  /** Which RabbitMQ. Default: the one that `chosenInstallation()` finds. */
  readonly installation?: Installation
  /** Plugins to enable. Default: `rabbitmq_sharding`, for partitions. */
  readonly plugins?: readonly BrokerPlugin[]
  /** Gets a line when it starts. Default: none. */
  readonly say?: (line: string) => void
}

const startTimeoutMs = 120_000
/** Draws of ports, should another process take one between the draw and the start. */
const portDraws = 3

/**
 * Starts a broker and resolves when it serves; about 6 s.
 *
 * @throws ServiceError `SERVICE_NOT_FOUND` where no rabbitmq-server is installed (the message has the
 *   commands that install it); `SERVICE_START_FAILED` where it does not start, with the end of its log.
 */
export async function startPrivateBroker({
  folder,
  port,
  installation = chosenInstallation(),
  plugins,
  say = () => {},
}: PrivateBrokerOptions = {}): Promise<PrivateBroker> {
  if (installation === undefined) {
    throw nothingInstalled()
  }
  if (port !== undefined && !(await isFree(port))) {
    throw new ServiceError(
      'SERVICE_START_FAILED',
      `Port ${port} is taken; end what listens there or name another`,
    )
  }
  for (let draw = 1; ; draw += 1) {
    const broker = await newBroker(installation, { folder, port, plugins })
    say(
      `Starting a private RabbitMQ (${installation.root ?? ''}${installation.server}) on port ${broker.port}`,
    )
    try {
      await broker.start()
      return broker
    } catch (error) {
      const retry = draw < portDraws && portWasTaken(error)
      await broker.stop()
      if (!retry) throw error
    }
  }
}

/**
 * RabbitMQ 4 where the environment has BACKSTORY_RABBITMQ=4, as it was prepared before; else the one that is
 * installed. Undefined where it is not there.
 */
export function chosenInstallation(): Installation | undefined {
  if (process.env.BACKSTORY_RABBITMQ === '4') return findRabbitmq4()
  return findInstallation({ path: process.env.PATH ?? '' })
}

/** What `chosenInstallation()` did not find, and what to do. */
export function nothingInstalled(): ServiceError {
  const message =
    process.env.BACKSTORY_RABBITMQ === '4'
      ? 'RabbitMQ 4 is not prepared on this machine; as root on Debian or Ubuntu, npm test -- --rabbitmq 4 does that'
      : `No rabbitmq-server is installed.\n${installAdvice()}`
  return new ServiceError('SERVICE_NOT_FOUND', message)
}

async function newBroker(
  installation: Installation,
  { folder, port, plugins }: { folder?: string; port?: number; plugins: readonly BrokerPlugin[] | undefined },
): Promise<PrivateBroker> {
  const ports = {
    amqp: port ?? (await drawPort()),
    distribution: await drawPort(),
    epmd: await drawPort(),
    ...(plugins?.includes('rabbitmq_management') && { management: await drawPort() }),
    ...(plugins?.includes('rabbitmq_stream') && { stream: await drawPort() }),
  }
  const place = folder === undefined ? await mkdtemp(join(tmpdir(), 'backstory-broker-')) : resolve(folder)
  const guardian = new Guardian({ folder: folder === undefined ? place : undefined })
  const nodeName = 'backstory@localhost'
  return new PrivateBroker({ installation, folder: place, ports, nodeName, plugins }, guardian)
}

export class PrivateBroker {
  readonly #node: BrokerNode
  readonly #guardian: Guardian
  readonly #hasEpmd: boolean
  #server: GuardedProcess | undefined
  #epmd: GuardedProcess | undefined

  /** @param options.epmd - Whether it brings its own; in a cluster one node's serves all. Default true. */
  constructor(node: BrokerNode, guardian: Guardian, { epmd = true }: { epmd?: boolean } = {}) {
    this.#node = node
    this.#hasEpmd = epmd
    this.#guardian = guardian
  }

  get url(): string {
    return urlOf(this.#node)
  }

  /** The management plugin's HTTP API, user and password included; undefined without that plugin. */
  get managementUrl(): string | undefined {
    const { management } = this.#node.ports
    return management === undefined ? undefined : `http://guest:guest@127.0.0.1:${management}`
  }

  /** The AMQP port. */
  get port(): number {
    return this.#node.ports.amqp
  }

  get ports(): NodePorts {
    return this.#node.ports
  }

  get folder(): string {
    return this.#node.folder
  }

  /** The Erlang VM's; another one after each start, undefined while it is down. */
  get pid(): number | undefined {
    return this.#server?.isRunning ? this.#server.pid : undefined
  }

  /**
   * Starts it again after `kill()` or `shutDown()`, on the same ports and data, and resolves when it serves.
   *
   * @throws ServiceError `SERVICE_START_FAILED` where it does not, with the end of its log.
   */
  async start(): Promise<void> {
    if (this.pid !== undefined) return
    await writeNodeFiles(this.#node)
    if (this.#hasEpmd) await this.startEpmd()
    this.#server = await this.#spawn('server', serverCommand(this.#node))
    await this.#untilUp('RabbitMQ', this.#server, (signal) =>
      brokerReady(this.url, { timeoutMs: startTimeoutMs, signal }),
    )
  }

  /** Ends the Erlang VM with SIGKILL, and resolves when it has gone. Does nothing while it is down. */
  async kill(): Promise<void> {
    await this.#server?.kill()
  }

  /** Shuts RabbitMQ down in order, and resolves when it has gone; `start()` begins where it ended. */
  async shutDown(): Promise<void> {
    await this.#server?.terminate()
  }

  /** Ends it for good, with its epmd and, where temporary, its folder. */
  async stop(): Promise<void> {
    await this.#guardian.end()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** Starts the epmd alone, which `start()` does by itself. */
  async startEpmd(): Promise<void> {
    if (this.#epmd !== undefined) return
    await mkdir(this.folder, { recursive: true })
    this.#epmd = await this.#spawn('epmd', epmdCommand(this.#node))
    // Where it is not up yet when the server starts, Erlang starts one of its own, out of our hands.
    await this.#untilUp('epmd', this.#epmd, (signal) => listening(this.#node.ports.epmd, { signal }))
  }

  /** Waits until `up` says so, or the process has gone, whichever comes first. */
  async #untilUp(
    name: string,
    started: GuardedProcess,
    up: (signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const giveUp = new AbortController()
    const isUp = up(giveUp.signal)
    try {
      await Promise.race([isUp, started.exited])
    } catch (cause) {
      await started.kill()
      await this.#fail(`${name} did not come up`, cause)
    } finally {
      isUp.catch(() => {})
      giveUp.abort()
    }
    if (!started.isRunning) await this.#fail(`${name} ended while it started`)
  }

  async #spawn(name: GuardedName, command: NodeCommand): Promise<GuardedProcess> {
    const log = await openLog(this.#node)
    try {
      return this.#guardian.start(name, { ...command, output: log.fd })
    } finally {
      await log.close()
    }
  }

  async #fail(what: string, cause?: unknown): Promise<never> {
    const tail = await logTail(this.#node)
    const { installation } = this.#node
    const message = `${what} (${installation.server}). The end of its log:\n${tail}`
    throw new ServiceError('SERVICE_START_FAILED', message, { cause })
  }
}

/** What epmd and RabbitMQ write to their log then. */
export function portWasTaken(error: unknown): boolean {
  return error instanceof Error && /eaddrinuse|address already in use|in use by another/i.test(error.message)
}
