/**
 * The schedule of a chaos run: which faults, to whom and when, drawn from the seed alone.
 *
 * The same seed, length and number of nodes give the same schedule. What the processes make of it is up to
 * the machine: where exactly a kill strikes in their work differs from run to run.
 */
import { type Cast, castOf, consumersOf, lateConsumer, recorder, sharedConsumer } from './cast.ts'
import type { Fault, FaultKind } from './fault.ts'
import { Random } from './random.ts'

export interface ScheduleOptions {
  readonly seed: number
  readonly seconds: number
  readonly nodes: number
  /** Whether there is a PostgreSQL. Default false. */
  readonly postgres?: boolean
}

/**
 * RabbitMQ forgets a queue that was declared less than about two seconds before it is killed, bound
 * exchange and all: the history queue must be older. Consumers find what is missing by themselves.
 */
const firstNodeKillMs = 5_000
/** A node takes some seconds to come up; between two of its faults there is work to be seen. */
const betweenNodeFaultsMs = 12_000
const gapMs = { min: 150, max: 1_700 }

/** How often each is drawn, and for how long it lasts. */
const weights: Readonly<Record<Exclude<FaultKind, 'join'>, { weight: number; forMs?: [number, number] }>> = {
  kill: { weight: 8, forMs: [0, 2_500] },
  pause: { weight: 5, forMs: [300, 4_000] },
  cut: { weight: 4 },
  silence: { weight: 2 },
  partition: { weight: 2, forMs: [500, 5_000] },
  delay: { weight: 2, forMs: [500, 4_000] },
  'delete-queue': { weight: 3 },
  'purge-queue': { weight: 3 },
  'fill-disk': { weight: 3, forMs: [500, 4_000] },
  'node-kill': { weight: 4, forMs: [0, 2_000] },
  'node-restart': { weight: 2, forMs: [0, 1_000] },
  'postgres-kill': { weight: 2, forMs: [0, 3_000] },
}

/** Faults in the order of their times. */
export function drawSchedule({ seed, seconds, nodes, postgres = false }: ScheduleOptions): Fault[] {
  const random = new Random(seed)
  const endMs = seconds * 1_000
  const joinMs = Math.round((endMs * random.between(25, 60)) / 100)
  const targets = targetsOf(castOf({ postgres }), nodes)
  const busy = new Busy()
  const faults: Fault[] = [{ atMs: joinMs, kind: 'join', target: lateConsumer, forMs: 0 }]
  const add = (fault: Fault) => {
    if (fault.atMs + fault.forMs <= endMs && busy.take(fault)) faults.push(fault)
  }
  // What a recorder has not yet recorded when a consumer joins is what a hand-over can lose.
  if (random.chance(50)) add(lagging(random, joinMs - random.between(0, 500)))
  for (let atMs = 0; atMs < endMs; atMs += random.between(gapMs.min, gapMs.max)) {
    const fault = draw(random, { atMs, joinMs, targets })
    if (fault === undefined) continue
    add(fault)
    for (const companion of companionsOf(random, fault)) add(companion)
  }
  return faults.sort((a, b) => a.atMs - b.atMs)
}

/** What makes a fault worse: alone, many of them do nothing. */
function companionsOf(random: Random, { atMs, kind, target, forMs }: Fault): Fault[] {
  if (random.chance(50)) return []
  switch (kind) {
    case 'delete-queue':
      return [lagging(random, atMs)]
    // Up to `prefetch` deliveries are with the consumer already, out of a purge's reach.
    case 'purge-queue':
      if (target === sharedConsumer) return []
      return [{ atMs: Math.max(0, atMs - 3_500), kind: 'pause', target, forMs: random.between(3_600, 4_500) }]
    // What it holds because it cannot write must not be lost with it.
    case 'fill-disk': {
      const worse = random.pick(['kill', 'cut'] as const)
      const atOnce = atMs + Math.round((forMs * 2) / 3)
      return [{ atMs: atOnce, kind: worse, target, forMs: worse === 'kill' ? random.between(0, 1_000) : 0 }]
    }
    default:
      return []
  }
}

/** A recorder that lags behind. */
function lagging(random: Random, atMs: number): Fault {
  const kind = random.pick(['pause', 'kill'] as const)
  return { atMs: Math.max(0, atMs), kind, target: recorder, forMs: random.between(1_500, 4_000) }
}

function draw(
  random: Random,
  { atMs, joinMs, targets }: { atMs: number; joinMs: number; targets: Targets },
): Fault | undefined {
  const kind = drawKind(random, targets)
  const { forMs: range } = weights[kind]
  const forMs = range === undefined ? 0 : random.between(...range)
  const target = random.pick(targets[kind])
  if (target === lateConsumer && atMs < joinMs + 200) return undefined
  if (kind.startsWith('node-') && atMs < firstNodeKillMs) return undefined
  return { atMs, kind, target, forMs }
}

function drawKind(random: Random, targets: Targets): keyof typeof weights {
  const kinds = (Object.keys(weights) as (keyof typeof weights)[]).filter((kind) => targets[kind].length > 0)
  return random.pick(kinds.flatMap((kind) => new Array<typeof kind>(weights[kind].weight).fill(kind)))
}

type Targets = Readonly<Record<keyof typeof weights, readonly string[]>>

function targetsOf(cast: Cast, nodes: number): Targets {
  const { processes, storeOwners } = cast
  const queues = consumersOf(cast)
  const numbers = Array.from({ length: nodes }, (_, node) => String(node))
  return {
    kill: processes,
    pause: processes,
    cut: processes,
    silence: processes,
    partition: processes,
    delay: processes,
    'delete-queue': queues,
    'purge-queue': queues,
    'fill-disk': storeOwners,
    'node-kill': numbers,
    'node-restart': numbers,
    'postgres-kill': queues.includes(sharedConsumer) ? ['postgres'] : [],
  }
}

interface Span {
  readonly fromMs: number
  readonly toMs: number
}

/** What is under a fault already is left alone until it is over, and one node at a time is down. */
class Busy {
  readonly #spans = new Map<string, Span[]>()

  /** @returns false where its target is busy then. */
  take(fault: Fault): boolean {
    const resource = resourceOf(fault)
    if (resource === undefined) return true
    const restMs = resource === 'nodes' ? betweenNodeFaultsMs : restartMs
    const span = { fromMs: fault.atMs, toMs: fault.atMs + fault.forMs + restMs }
    const spans = this.#spans.get(resource) ?? []
    if (spans.some(({ fromMs, toMs }) => span.fromMs < toMs && fromMs < span.toMs)) return false
    this.#spans.set(resource, [...spans, span])
    return true
  }
}

/** A process that was started again shall do something before the next fault of its kind. */
const restartMs = 800

function resourceOf({ kind, target }: Fault): string | undefined {
  switch (kind) {
    case 'kill':
    case 'pause':
      return `process ${target}`
    case 'cut':
    case 'silence':
    case 'partition':
    case 'delay':
      return `network ${target}`
    case 'fill-disk':
      return `disk ${target}`
    case 'node-kill':
    case 'node-restart':
      return 'nodes'
    case 'delete-queue':
    case 'purge-queue':
      return `queue ${target}`
    case 'postgres-kill':
      return 'postgres'
    case 'join':
      return undefined
  }
}
