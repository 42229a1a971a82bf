/**
 * What must hold when a chaos run has settled, each check with its name, which stays.
 *
 * They rest on what the processes left behind, never on what the toolkit says of itself: the publishers'
 * ledgers, the history's events, the consumers' own rows. The certificates are checked beside that.
 */
import type { Broker } from '../../broker/index.ts'
import { consumersOf, failingConsumer, seller, sourceOf, subjectOf } from './cast.ts'
import { type Effect, readEffects } from './effects.ts'
import { deadLetters, published, recorded, sequenceFindings, unlevel } from './evidence.ts'
import { compare, confirmedOnce, type Event, orderAndEvent, outOfOrder } from './judge.ts'
import type { Scene } from './scene.ts'
import type { Settled } from './settle.ts'

export const checkNames = [
  /** All came to rest within the time limit. */
  'settled',
  /** No process ended by itself. */
  'processes',
  /** Each confirmed publish is in the history exactly once, and nothing is there that nobody published. */
  'confirmed-once',
  /** No number of a source's sequence is missing in its epoch, none is there twice. */
  'sequence-holes',
  /** Each source's events are in the history in the order in which they were published. */
  'history-order',
  /** Each consumer's rows are the history's events: none missing, none that it does not have. */
  'effects',
  /** No event took effect twice. */
  'once',
  /**
   * Each source's events took effect in the order in which they were published; where handlers fail until
   * their event is parked, those of each subject.
   */
  'order',
  /** Each consumer's certificate is level with the history. */
  'certificate',
  /** The seller's orders are its events: none without the other. */
  'order-and-event',
  /** Nothing is in a dead-letter queue. */
  'dead',
] as const

export type CheckName = (typeof checkNames)[number]

export interface CheckResult {
  readonly ok: boolean
  /** How many were looked at. */
  readonly checked: number
  /** The first of what is wrong. */
  readonly findings: readonly unknown[]
  readonly findingCount: number
}

export interface Verdict {
  readonly checks: Readonly<Record<CheckName, CheckResult>>
  readonly ok: boolean
  /** Events in the history. */
  readonly events: number
  readonly confirmed: number
  /** Effects that came from the history behind a later one of their source: what was purged from the live queue. */
  readonly late: Readonly<Record<string, number>>
}

export interface Evidence {
  readonly scene: Scene
  readonly broker: Broker
  readonly settled: Settled
  /** Messages that purges took out of each consumer's queue. */
  readonly purged: Readonly<Record<string, number>>
}

const findingsShown = 5

export async function check({ scene, broker, settled, purged }: Evidence): Promise<Verdict> {
  const sent = await published(scene)
  const history = await recorded(scene)
  const consumers = consumersOf(scene.cast)
  const late: Record<string, number> = {}
  const effects: unknown[] = []
  const once: unknown[] = []
  const order: unknown[] = []
  let rows = 0
  for (const consumer of consumers) {
    const own = await readEffects(scene.store(consumer)).catch(() => [] as Effect[])
    rows += own.length
    const { missing, unknown, twice } = compare(own, history)
    effects.push(...missing.map((event) => ({ consumer, missing: event })))
    effects.push(...unknown.map((event) => ({ consumer, unknown: event })))
    once.push(...twice.map((event) => ({ consumer, twice: event })))
    const isParking = consumer === failingConsumer
    const lineOf = isParking ? ({ source, id }: Event) => `${source} ${subjectOf(id)}` : undefined
    const misplaced = outOfOrder(own, sent, { lineOf })
    const broughtBack = misplaced.filter(({ replayed }) => replayed === 1)
    late[consumer] = broughtBack.length
    order.push(
      ...misplaced.filter(({ replayed }) => replayed !== 1).map((event) => ({ consumer, live: event })),
    )
    // Only what was purged has a reason to come late, from the history, and each of it once.
    const purgedOf = purged[consumer] ?? 0
    if (broughtBack.length > purgedOf)
      order.push({ consumer, late: broughtBack.length, purged: purgedOf, first: broughtBack[0] })
  }
  const orders = sent.accounts.get(sourceOf(seller))!.begun
  const unexpected = [...scene.children.values()].flatMap((child) => child.unexpected)
  const checks: Record<CheckName, CheckResult> = {
    settled: result(1, settled.isSettled ? [] : [settled]),
    processes: result(scene.children.size, unexpected),
    'confirmed-once': result(sent.confirmed.length, confirmedOnce(history, sent)),
    'sequence-holes': result(history.length, await sequenceFindings(scene, sent)),
    'history-order': result(history.length, outOfOrder(history, sent)),
    effects: result(rows, effects),
    once: result(rows, once),
    order: result(rows, order),
    certificate: result(consumers.length, await unlevel(scene)),
    'order-and-event': result(orders.length, orderAndEvent(orders, history)),
    dead: result(consumers.length + 1, await deadLetters(scene, broker)),
  }
  const ok = Object.values(checks).every((one) => one.ok)
  return { checks, ok, events: history.length, confirmed: sent.confirmed.length, late }
}

function result(checked: number, findings: readonly unknown[]): CheckResult {
  return {
    ok: findings.length === 0,
    checked,
    findings: findings.slice(0, findingsShown),
    findingCount: findings.length,
  }
}
