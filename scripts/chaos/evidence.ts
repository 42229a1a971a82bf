/** What a chaos run left behind, read for its judgement. */
import { type Broker, consumerQueueOf, deadQueueOf, historyQueueOf } from '../../broker/index.ts'
import { auditHistory, openHistory } from '../../index.ts'
import { consumersOf, publishers, seller, sourceOf } from './cast.ts'
import { type Event, Published } from './judge.ts'
import { type Account, readLedger } from './ledger.ts'
import { readOrders } from './orders.ts'
import { exchange, type Scene } from './scene.ts'
import { certificateOf } from './settle.ts'

/** What the sources say that they published. */
export async function published(scene: Scene): Promise<Published> {
  const accounts = new Map<string, Account>()
  for (const name of publishers) accounts.set(sourceOf(name), await readLedger(scene.ledger(name)))
  // What is in the database is to be published, sooner or later, whoever dies meanwhile.
  const begun = await readOrders(scene.orders)
  accounts.set(sourceOf(seller), { begun, confirmed: new Set(), again: new Set() })
  return new Published(accounts)
}

/** The history's events, in the order of their positions. */
export async function recorded(scene: Scene): Promise<Event[]> {
  const reader = openHistory({ history: scene.history, exchange })
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

/** What the history's own audit finds, but for what comes late because it was refused at first. */
export async function sequenceFindings(scene: Scene, published: Published): Promise<unknown[]> {
  const reader = openHistory({ history: scene.history, exchange })
  try {
    const { holes, late, repeated, removed, changed, unjudged } = await auditHistory(reader)
    return [
      ...holes.listed.map((hole) => ({ hole })),
      ...late.listed.filter((event) => !published.isAgain(event)).map((event) => ({ late: event })),
      ...repeated.listed.map((event) => ({ repeated: event })),
      ...removed.listed.map((range) => ({ removed: range })),
      ...changed.listed.map((range) => ({ changed: range })),
      ...(unjudged.count > 0 ? [{ unjudged: unjudged.count }] : []),
    ]
  } finally {
    await reader.close()
  }
}

/** The certificates that are not level. */
export async function unlevel(scene: Scene): Promise<unknown[]> {
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

/** The dead-letter queues that are not empty. */
export async function deadLetters(scene: Scene, broker: Broker): Promise<unknown[]> {
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
