/**
 * Waits until a chaos run has settled: publishers done, queues empty, every consumer level with a history
 * that does not grow any more. That it does not settle in time is a finding, told with how everyone is.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Broker, consumerQueueOf, historyQueueOf } from '../../broker/index.ts'
import { type Certificate, certify, openHistory, readStore } from '../../index.ts'
import { type ConsumerName, consumersOf } from './cast.ts'
import type { Child } from './child.ts'
import { exchange, type Scene } from './scene.ts'

export interface Settled {
  readonly isSettled: boolean
  readonly afterMs: number
  /** How everyone was when the time was up; nothing where it settled. */
  readonly statuses: Readonly<Record<string, unknown>>
}

const pollMs = 250
/** The same head this many times, one look after the other. */
const looks = 4

export async function settle(
  scene: Scene,
  { broker, timeoutMs }: { broker: Broker; timeoutMs: number },
): Promise<Settled> {
  const startedAt = performance.now()
  const elapsed = () => Math.round(performance.now() - startedAt)
  const codes = await Promise.all(
    scene.cast.sources.map((name) => finish(scene.child(name), { deadline: startedAt + timeoutMs })),
  )
  const isDone = codes.every((code) => code === 0)
  let seen = { key: '', times: 0 }
  while (isDone && elapsed() < timeoutMs) {
    const key = await levelHead(scene, broker)
    seen = { key: key ?? '', times: key !== undefined && key === seen.key ? seen.times + 1 : 1 }
    if (key !== undefined && seen.times >= looks) return { isSettled: true, afterMs: elapsed(), statuses: {} }
    await sleep(pollMs)
  }
  return { isSettled: false, afterMs: elapsed(), statuses: await statusesOf(scene, broker, codes) }
}

/**
 * Lets a source publish what it has begun, and end.
 *
 * @returns Its exit code: 0 where it did.
 */
async function finish(child: Child, { deadline }: { deadline: number }): Promise<number | null> {
  for (;;) {
    // One that has just been started would die of the signal.
    while (child.report === undefined && performance.now() < deadline) await sleep(pollMs)
    const code = await child.stop({ timeoutMs: Math.max(0, deadline - performance.now()) })
    if (code === 0 || performance.now() >= deadline) return code
    child.start()
  }
}

/** The head that all are level with, as a text; undefined where they are not. */
async function levelHead(scene: Scene, broker: Broker): Promise<string | undefined> {
  try {
    const waiting = await queueLengths(scene, broker)
    if (Object.values(waiting).some((length) => length !== 0)) return undefined
    const heads: number[] = []
    for (const consumer of consumersOf(scene.cast)) {
      const certificate = await certificateOf(scene, consumer)
      if (!certificate.level) return undefined
      heads.push(certificate.head)
    }
    return new Set(heads).size === 1 ? String(heads[0]) : undefined
  } catch {
    // A queue or a file that is not there yet.
    return undefined
  }
}

/** From the files alone, as another process sees them. */
export async function certificateOf(scene: Scene, consumer: ConsumerName): Promise<Certificate> {
  const reader = openHistory({ history: scene.history, exchange })
  try {
    const stored = (await readStore(scene.store(consumer))).find(({ name }) => name === consumer)
    if (stored === undefined) throw new Error(`Consumer ${consumer} has no marks yet`)
    return await certify({ ...stored, consumer, exchange }, reader)
  } finally {
    await reader.close()
  }
}

async function queueLengths(scene: Scene, broker: Broker): Promise<Record<string, number>> {
  const channel = await broker.openChannel()
  try {
    const lengths: Record<string, number> = {}
    for (const queue of [
      historyQueueOf(exchange),
      ...consumersOf(scene.cast).map((name) => consumerQueueOf(exchange, name)),
    ])
      lengths[queue] = await channel.count(queue)
    return lengths
  } finally {
    await channel.close()
  }
}

async function statusesOf(
  scene: Scene,
  broker: Broker,
  codes: readonly (number | null)[],
): Promise<Record<string, unknown>> {
  const asked = async (ask: () => Promise<unknown>) => await ask().catch((error: Error) => error.message)
  const statuses: Record<string, unknown> = {
    sources: Object.fromEntries(scene.cast.sources.map((name, index) => [name, { code: codes[index] }])),
    queues: await asked(() => queueLengths(scene, broker)),
  }
  for (const [name, child] of scene.children) statuses[name] = child.report
  for (const consumer of consumersOf(scene.cast))
    statuses[`${consumer} certificate`] = await asked(() => certificateOf(scene, consumer))
  return statuses
}
