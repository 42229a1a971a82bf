/** One chaos run, from the start of the broker to the verdict. */
import { setMaxListeners } from 'node:events'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Broker, connectBroker } from '../../broker/index.ts'
import type { ConsumerStatus, RecorderStatus, RelayStatus } from '../../index.ts'
import { findOrInstallPostgres } from '../services/private-postgres.ts'
import { BrokenBuild } from './break/broken-build.ts'
import { consumersOf, lateConsumer, type ProcessName, seller, sharedConsumer } from './cast.ts'
import { check, type Verdict } from './checks.ts'
import { type ChaosCluster, startChaosCluster } from './cluster.ts'
import type { Fault } from './fault.ts'
import { type Injection, inject } from './inject.ts'
import type { ChaosOptions } from './options.ts'
import { QueueWatch } from './queue-watch.ts'
import { Scene } from './scene.ts'
import { drawSchedule } from './schedule.ts'
import { settle } from './settle.ts'

export interface ChaosReport extends Verdict {
  readonly seed: number
  readonly seconds: number
  readonly nodes: number
  readonly postgres: boolean
  /** The broken build that ran; undefined for ours. */
  readonly broken: string | undefined
  readonly rabbitmq: string
  readonly faults: readonly (Fault & { readonly outcome: string | undefined })[]
  readonly settledAfterMs: number
  /** Starts of each process, the first one included. */
  readonly starts: Readonly<Record<string, number>>
  /** Where logs, ledgers and stores were left; undefined where they were removed. */
  readonly folder: string | undefined
}

const startTimeoutMs = 30_000

export async function runChaos(
  options: ChaosOptions,
  { say, signal }: { say: (line: string) => void; signal: AbortSignal },
): Promise<ChaosReport> {
  const { seed, seconds, nodes, perSecond, settleSeconds, keep, broken } = options
  const folder = await mkdtemp(join(tmpdir(), 'backstory-chaos-'))
  const build = broken === undefined ? undefined : new BrokenBuild(broken, join(folder, 'broken'))
  const cluster = await startChaosCluster({ nodes, rabbitmq: options.rabbitmq, say })
  const postgres = options.postgres ? await findOrInstallPostgres({ say }) : undefined
  const broker = connectBroker({ url: cluster.nodes.map(({ url }) => url), name: 'backstory chaos' })
  const scene = await Scene.open({ cluster, postgres, folder, perSecond, nodeArgs: build?.nodeArgs ?? [] })
  let isKept = keep
  try {
    await startAll(scene, { say, signal })
    const schedule = drawSchedule({ seed, seconds, nodes, postgres: options.postgres })
    say(`Seed ${seed}: ${schedule.length} faults in ${seconds} s; logs in ${folder}`)
    const watch = new QueueWatch(broker)
    for (const name of consumersOf(scene.cast)) if (name !== lateConsumer) watch.await(name)
    const injection = { scene, broker, watch }
    const injected = injectAll(schedule, injection, { seconds, say, signal })
    const faults = await injected.finally(() => watch.close())
    say('Waiting until all has settled')
    const settled = await settle(scene, { broker, timeoutMs: settleSeconds * 1_000 })
    const verdict = await check({ scene, broker, settled, purged: purgedBy(faults) })
    build?.requireLoaded()
    isKept ||= !verdict.ok && build === undefined
    const starts = Object.fromEntries([...scene.children].map(([name, child]) => [name, child.starts]))
    return {
      seed,
      seconds,
      nodes,
      postgres: options.postgres,
      broken,
      rabbitmq: await versionOf(broker),
      faults,
      ...verdict,
      settledAfterMs: settled.afterMs,
      starts,
      folder: isKept ? folder : undefined,
    }
  } finally {
    await broker.close()
    await scene.close({ keep: isKept })
    if (isKept) await keepBrokerLogs(cluster, join(folder, 'logs'))
    await Promise.all([cluster.stop(), postgres?.stop()])
    if (!isKept) await rm(folder, { recursive: true, force: true })
  }
}

/** Starts all but the one that joins late, and waits until they are at work; the checks find who never is. */
async function startAll(
  scene: Scene,
  { say, signal }: { say: (line: string) => void; signal: AbortSignal },
): Promise<void> {
  for (const [name, child] of scene.children) if (name !== lateConsumer) child.start()
  const deadline = Date.now() + startTimeoutMs
  while (![...scene.children.keys()].every((name) => name === lateConsumer || isAtWork(scene, name))) {
    if (Date.now() > deadline) return say(`Not all were at work within ${startTimeoutMs / 1_000} s`)
    await sleep(100, undefined, { signal })
  }
}

function isAtWork(scene: Scene, name: ProcessName): boolean {
  const { report } = scene.child(name)
  const consumer = scene.cast.consumers.get(name)
  if (report === undefined) return false
  // One of two stands by, and does not work.
  if (consumer === sharedConsumer) return true
  if (consumer !== undefined)
    return (report as ConsumerStatus).phase === 'live' && (report as ConsumerStatus).live > 0
  if (name === seller) return (report as RelayStatus).relayed > 0
  if (scene.cast.sources.includes(name)) return (report as { confirmed: number }).confirmed > 0
  return (report as RecorderStatus).recorded > 0
}

async function injectAll(
  schedule: readonly Fault[],
  injection: Injection,
  { seconds, say, signal }: { seconds: number; say: (line: string) => void; signal: AbortSignal },
): Promise<ChaosReport['faults']> {
  const startedAt = performance.now()
  // Every fault that is still to come waits with it.
  setMaxListeners(0, signal)
  const until = async (atMs: number) => {
    await sleep(Math.max(0, startedAt + atMs - performance.now()), undefined, { signal })
  }
  const done = schedule.map(async (fault) => {
    await until(fault.atMs)
    const { atMs, kind, target, forMs } = fault
    say(`${(atMs / 1_000).toFixed(1).padStart(6)} s  ${kind} ${target}${forMs > 0 ? ` for ${forMs} ms` : ''}`)
    const outcome = await inject(fault, injection)
    return { ...fault, outcome }
  })
  // All of them, before anything is taken away: one that is under way starts a process again.
  const ended = await Promise.allSettled(done)
  const faults = ended.map((end) => {
    if (end.status === 'rejected') throw end.reason
    return end.value
  })
  await until(seconds * 1_000)
  return faults
}

/** What the nodes said of themselves goes with their folders otherwise. */
async function keepBrokerLogs({ nodes }: ChaosCluster, folder: string): Promise<void> {
  for (const [index, node] of nodes.entries())
    await cp(join(node.folder, 'broker.log'), join(folder, `node-${index}.log`))
}

/** How many messages purges took out of each consumer's queue. */
function purgedBy(faults: ChaosReport['faults']): Record<string, number> {
  const purged: Record<string, number> = {}
  for (const { kind, target, outcome } of faults) {
    if (kind !== 'purge-queue') continue
    purged[target] = (purged[target] ?? 0) + (Number.parseInt(outcome ?? '0', 10) || 0)
  }
  return purged
}

async function versionOf(broker: Broker): Promise<string> {
  const channel = await broker.openChannel()
  try {
    const { connection } = channel.raw as unknown as {
      connection: { serverProperties?: { version?: string } }
    }
    return String(connection.serverProperties?.version ?? 'unknown')
  } finally {
    await channel.close()
  }
}
