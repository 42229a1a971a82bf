/**
 * One RabbitMQ node of our own: what an installed rabbitmq-server needs to run in a folder and on ports
 * that are given to it, and to take nothing from the system's own broker.
 *
 * Every place that the server would else share (its cookie, its configuration in /etc, its data and
 * generated files in /var/lib, the epmd of this machine) is named here; one forgotten, and a normal user
 * cannot start it or two brokers meet. All listen on loopback only.
 */
import { existsSync } from 'node:fs'
import { mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Installation } from './installation.ts'

export interface NodePorts {
  readonly amqp: number
  readonly distribution: number
  readonly epmd: number
  /** Of the management plugin's HTTP API, where that is enabled. */
  readonly management?: number
  /** Of the stream plugin's own protocol, where that is enabled. */
  readonly stream?: number
}

/** What a node of a cluster has in common with the others. */
export interface ClusterMembership {
  /** Of all nodes, this one included. */
  readonly nodeNames: readonly string[]
  /** Who has it may do anything to the nodes: it is drawn at random, and never leaves the folder. */
  readonly cookie: string
}

export interface BrokerNode {
  readonly installation: Installation
  /** Absolute; data, log and cookie are in it. */
  readonly folder: string
  readonly ports: NodePorts
  /** The data belongs to this name: keep it over a restart. */
  readonly nodeName: string
  /** Undefined for a node on its own. */
  readonly cluster?: ClusterMembership
  /** Plugins to enable. Default: `rabbitmq_sharding`, for partitions. */
  readonly plugins?: readonly BrokerPlugin[] | undefined
}

/** Those that we know how to keep on loopback and on a port of their own, or that open none. */
export type BrokerPlugin = 'rabbitmq_management' | 'rabbitmq_sharding' | 'rabbitmq_stream'

const usualPlugins: readonly BrokerPlugin[] = ['rabbitmq_sharding']

export interface NodeCommand {
  readonly file: string
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
}

export function urlOf({ ports }: Pick<BrokerNode, 'ports'>): string {
  return `amqp://guest:guest@127.0.0.1:${ports.amqp}`
}

export async function writeNodeFiles({
  folder,
  cluster,
  ports,
  plugins = usualPlugins,
}: BrokerNode): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'enabled_plugins'), `[${plugins.join(',')}].\n`)
  const settings = [
    cluster && discovery(cluster),
    ports.management && management(ports.management),
    ports.stream && streaming(ports.stream),
  ]
  await writeFile(join(folder, 'rabbitmq.conf'), settings.filter(Boolean).join(''))
  if (ports.management) await writeFile(join(folder, 'advanced.config'), promptNews)
  // Erlang refuses one that others may read, and nobody, we included, may write it a second time.
  const cookieFile = join(folder, '.erlang.cookie')
  if (cluster !== undefined && !existsSync(cookieFile))
    await writeFile(cookieFile, cluster.cookie, { mode: 0o400 })
}

function discovery({ nodeNames }: ClusterMembership): string {
  const nodes = nodeNames.map(
    (name, index) => `cluster_formation.classic_config.nodes.${index + 1} = ${name}\n`,
  )
  return `cluster_formation.peer_discovery_backend = classic_config\n${nodes.join('')}`
}

function management(port: number): string {
  return `management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = ${port}\ncollect_statistics_interval = 500\n`
}

/** A client asks where a stream is, and connects to what it is told. */
function streaming(port: number): string {
  return `stream.listeners.tcp.1 = 127.0.0.1:${port}\nstream.advertised_host = 127.0.0.1\nstream.advertised_port = ${port}\n`
}

/** The management plugin learns of queues and channels within a second or so, instead of ten. */
const promptNews = `[
  {rabbit, [{quorum_tick_interval, 500}]},
  {rabbitmq_management, [{sample_retention_policies, [{global, [{60, 1}]}, {basic, [{60, 1}]}, {detailed, [{10, 1}]}]}]}
].
`

/** In the foreground, so that the process started is the one to end. */
export function epmdCommand(node: BrokerNode): NodeCommand {
  const args = ['-port', String(node.ports.epmd), '-address', '127.0.0.1']
  return inRoot(node, { file: node.installation.epmd, args, env: cleanEnvironment(node) })
}

export function serverCommand(node: BrokerNode): NodeCommand {
  const { ports, nodeName, cluster } = node
  const folder = folderInRoot(node)
  const env = {
    ...cleanEnvironment(node),
    HOME: folder,
    ERL_EPMD_PORT: String(ports.epmd),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_CRASH_DUMP_SECONDS: '0',
    RABBITMQ_NODENAME: nodeName,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(ports.amqp),
    RABBITMQ_DIST_PORT: String(ports.distribution),
    RABBITMQ_MNESIA_BASE: join(folder, 'data'),
    RABBITMQ_LOG_BASE: join(folder, 'log'),
    RABBITMQ_LOGS: '-',
    RABBITMQ_PID_FILE: join(folder, 'server.pid'),
    RABBITMQ_FEATURE_FLAGS_FILE: join(folder, 'feature_flags'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'enabled_plugins'),
    RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq.conf'),
    RABBITMQ_CONFIG_FILES: join(folder, 'conf.d'),
    RABBITMQ_ADVANCED_CONFIG_FILE: join(folder, 'advanced.config'),
    RABBITMQ_GENERATED_CONFIG_DIR: join(folder, 'generated'),
    RABBITMQ_SCHEMA_DIR: join(folder, 'schema'),
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    // Several nodes share the processors.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS:
      cluster === undefined ? erlangArguments : `${erlangArguments} +S 1:1`,
    // The server script then becomes the Erlang VM instead of its parent, so that a signal reaches it.
    RUNNING_UNDER_SYSTEMD: 'true',
  }
  // Erlang keeps a flag that it does not know; this one tells in the list of processes whose it is.
  return inRoot(node, { file: node.installation.server, args: ['-backstory', node.folder], env })
}

/** Where a node finds its folder: with a root of its own, it is mounted there. */
function folderInRoot({ folder, installation }: BrokerNode): string {
  return installation.root === undefined ? folder : '/mnt'
}

/**
 * The mounts are seen by this process and its children alone, and gone with them. Each step becomes the
 * next: the process that was started is the one to end.
 */
const rootScript =
  'mount -t proc proc "$0/proc" && mount --bind "$1" "$0/mnt" && root=$0 && shift && exec chroot "$root" "$@"'

function inRoot({ installation, folder }: BrokerNode, command: NodeCommand): NodeCommand {
  const { root } = installation
  if (root === undefined) return command
  const { file, args, env } = command
  const inside = ['/bin/sh', '-c', rootScript, root, folder, file, ...args]
  return { file: 'unshare', args: ['--mount', '--propagation', 'private', ...inside], env }
}

/** Busy waiting would take the processors from the tests beside it. */
const erlangArguments = '+sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}'

/** The settings that a user has for a RabbitMQ or an Erlang of their own are not for this one. */
function cleanEnvironment({ installation }: BrokerNode): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(RABBITMQ_|ERL_|NOTIFY_SOCKET)/.test(name))
  return { ...Object.fromEntries(kept), PATH: installation.path }
}

function logFileOf({ folder }: Pick<BrokerNode, 'folder'>): string {
  return join(folder, 'broker.log')
}

/** What the node's log says of its end, for an error's message. */
export async function logTail(node: Pick<BrokerNode, 'folder'>, { lines = 20 } = {}): Promise<string> {
  const log = await readFile(logFileOf(node), 'utf8').catch(() => '')
  const telling = log.split('\n').filter((line) => line.trim() !== '' && !chatter.test(line))
  // RabbitMQ states the reason, and then fills screens with the crash reports of its processes.
  const reason = telling.findLastIndex((line) => line.includes('Error during startup'))
  return telling
    .slice(0, reason === -1 ? undefined : reason + 1)
    .slice(-lines)
    .join('\n')
}

const chatter = /\[(debug|info|notice)\]/

/** Opens the log to append to it; close it once the processes that write it have been spawned. */
export async function openLog(node: BrokerNode) {
  return await open(logFileOf(node), 'a')
}
