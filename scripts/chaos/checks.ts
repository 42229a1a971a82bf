/**
 * What must hold when a chaos run has settled, each check with its name, which stays.
 *
 * They rest on what the processes left behind, never on what the toolkit says of itself: the publishers'
 * ledgers, the history's events, the consumers' own rows. The certificates are checked beside that.
 */
import { type Broker, consumerQueueOf, deadQueueOf, historyQueueOf } from '../../broker/index.ts'
import { auditHistory, openHistory } from '../../index.ts'
import { consumersOf, failingConsumer, publishers, seller, sourceOf, subjectOf } from './cast.ts'
import { type Effect, readEffects } from './effects.ts'
import { type Account, readLedger } from './ledger.ts'
import { readOrders } from './orders.ts'
import { exchange, type Scene } from './scene.ts'
import { certificateOf, type Settled } from './settle.ts'

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
  const accounts = new Map<string, Account>()
  for (const name of publishers) accounts.set(sourceOf(name), await readLedger(scene.ledger(name)))
  const orders = await readOrders(scene.orders)
  accounts.set(sourceOf(seller), accountOf(orders))
  const history = await recorded(scene)
  const places = new Map(
    [...accounts].flatMap(([source, { begun }]) =>
      begun.map((id, index) => [`${source} ${id}`, index] as const),
    ),
  )
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
    const misplaced = outOfOrder(own, { accounts, places, lineOf })
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
  const confirmed = [...accounts].flatMap(([source, account]) =>
    [...account.confirmed].map((id) => `${source} ${id}`),
  )
  const unexpected = [...scene.children.values()].flatMap((child) => child.unexpected)
  const checks: Record<CheckName, CheckResult> = {
    settled: result(1, settled.isSettled ? [] : [settled]),
    processes: result(scene.children.size, unexpected),
    'confirmed-once': result(confirmed.length, confirmedOnce(confirmed, history, places)),
    'sequence-holes': result(history.length, await sequenceFindings(scene, accounts)),
    'history-order': result(history.length, outOfOrder(history, { accounts, places })),
    effects: result(rows, effects),
    once: result(rows, once),
    order: result(rows, order),
    certificate: result(consumers.length, await unlevel(scene)),
    'order-and-event': result(orders.length, orderAndEvent(orders, history)),
    dead: result(consumers.length + 1, await deadLetters(scene, broker)),
  }
  const ok = Object.values(checks).every((one) => one.ok)
  return { checks, ok, events: history.length, confirmed: confirmed.length, late }
}

interface Event {
  readonly source: string
  readonly id: string
}

function result(checked: number, findings: readonly unknown[]): CheckResult {
  return {
    ok: findings.length === 0,
    checked,
    findings: findings.slice(0, findingsShown),
    findingCount: findings.length,
  }
}

const keyOf = ({ source, id }: Event) => `${source} ${id}`

function confirmedOnce(
  confirmed: readonly string[],
  history: readonly Event[],
  places: ReadonlyMap<string, number>,
): unknown[] {
  const counts = countsOf(history)
  return [
    ...confirmed.filter((key) => !counts.has(key)).map((key) => ({ lost: key })),
    ...[...counts].filter(([, count]) => count > 1).map(([key, count]) => ({ recorded: key, times: count })),
    ...[...counts.keys()].filter((key) => !places.has(key)).map((key) => ({ neverPublished: key })),
  ]
}

/** What is in the database is to be published, sooner or later, whoever dies meanwhile. */
function accountOf(orders: readonly string[]): Account {
  return { begun: orders, confirmed: new Set(), again: new Set(), resentMax: 0 }
}

function orderAndEvent(orders: readonly string[], history: readonly Event[]): unknown[] {
  const sold = new Set(orders)
  const published = new Set(history.filter(({ source }) => source === sourceOf(seller)).map(({ id }) => id))
  return [
    ...orders.filter((id) => !published.has(id)).map((id) => ({ orderWithoutEvent: id })),
    ...[...published].filter((id) => !sold.has(id)).map((id) => ({ eventWithoutOrder: id })),
  ]
}

function compare(own: readonly Event[], history: readonly Event[]) {
  const counts = countsOf(own)
  const known = new Set(history.map(keyOf))
  return {
    missing: [...known].filter((key) => !counts.has(key)),
    unknown: [...counts.keys()].filter((key) => !known.has(key)),
    twice: [...counts].filter(([, count]) => count > 1).map(([key]) => key),
  }
}

function countsOf(events: readonly Event[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const event of events) counts.set(keyOf(event), (counts.get(keyOf(event)) ?? 0) + 1)
  return counts
}

/** Those behind a later one of their source; what its publisher sent again after a refusal may be. */
function outOfOrder<Row extends Event>(
  rows: readonly Row[],
  {
    accounts,
    places,
    lineOf = ({ source }) => source,
  }: {
    accounts: ReadonlyMap<string, Account>
    places: ReadonlyMap<string, number>
    /** What must be in order among itself. */
    lineOf?: (event: Event) => string
  },
): Row[] {
  const newest = new Map<string, number>()
  const seen = new Set<string>()
  return rows.filter((row) => {
    const key = keyOf(row)
    const place = places.get(key)
    if (place === undefined || seen.has(key) || accounts.get(row.source)!.again.has(row.id)) return false
    seen.add(key)
    const line = lineOf(row)
    const isBehind = place < (newest.get(line) ?? -1)
    if (!isBehind) newest.set(line, place)
    return isBehind
  })
}

async function recorded(scene: Scene): Promise<Event[]> {
  const reader = openHistory({ path: scene.history, exchange })
  try {
    const events: Event[] = []
    for (;;) {
      const page = await reader.identities({ after: events.length, limit: 5_000 })
      if (page.length === 0) return events
      for (const { source, id } of page) events.push({ source, id })
    }
  } finally {
    await reader.close()
  }
}

/**
 * A publisher that was killed and publishes again what was not confirmed does so in its next epoch: what had
 * arrived before is dropped as a duplicate, and its number there stays empty. Only there may holes be.
 */
async function sequenceFindings(scene: Scene, accounts: ReadonlyMap<string, Account>): Promise<unknown[]> {
  const reader = openHistory({ path: scene.history, exchange })
  try {
    const { holes, late, repeated, removed, changed, unjudged } = await auditHistory(reader)
    const isResent = ({ source, to }: { source: string; to: number }) =>
      to <= (accounts.get(source)?.resentMax ?? 0)
    const isRefused = ({ source, id }: Event) => accounts.get(source)?.again.has(id) === true
    return [
      ...holes.listed.filter((hole) => !isResent(hole)).map((hole) => ({ hole })),
      ...late.listed.filter((event) => !isRefused(event)).map((event) => ({ late: event })),
      ...repeated.listed.map((event) => ({ repeated: event })),
      ...removed.listed.map((range) => ({ removed: range })),
      ...changed.listed.map((range) => ({ changed: range })),
      ...(unjudged.count > 0 ? [{ unjudged: unjudged.count }] : []),
    ]
  } finally {
    await reader.close()
  }
}

async function unlevel(scene: Scene): Promise<unknown[]> {
  const findings: unknown[] = []
  for (const consumer of consumersOf(scene.cast)) {
    try {
      const certificate = await certificateOf(scene, consumer)
      if (!certificate.level) findings.push(certificate)
    } catch (error) {
      findings.push({ consumer, error: (error as Error).message })
    }
  }
  return findings
}

async function deadLetters(scene: Scene, broker: Broker): Promise<unknown[]> {
  const findings: unknown[] = []
  const channel = await broker.openChannel()
  try {
    for (const queue of [
      historyQueueOf(exchange),
      ...consumersOf(scene.cast).map((name) => consumerQueueOf(exchange, name)),
    ]) {
      const messages = await channel.count(deadQueueOf(queue))
      if (messages > 0) findings.push({ queue: deadQueueOf(queue), messages })
    }
    return findings
  } finally {
    await channel.close()
  }
}
