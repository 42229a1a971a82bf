/** Who takes part in a chaos run, by name. */

/** Two that publish and confirm. The first sends what was not confirmed again after it was killed, the second forgets it. */
export const publishers = ['publisher-1', 'publisher-2'] as const
/** Sells: an order and its event in one transaction, by an outbox that it relays itself. */
export const seller = 'seller'
export const recorder = 'recorder'
/** `production` is there from the start, `shipping` too, its handlers failing now and then; `archive` joins late. */
const embedded = ['production', 'shipping', 'archive'] as const
/** One consumer on a PostgreSQL store, in two processes: one works, the other one stands by. */
const instances = ['accounting-1', 'accounting-2'] as const

export const lateConsumer = 'archive'
export const failingConsumer = 'shipping'
export const sharedConsumer = 'accounting'

export type PublisherName = (typeof publishers)[number]
export type ConsumerName = (typeof embedded)[number] | typeof sharedConsumer
export type ProcessName =
  | PublisherName
  | typeof seller
  | typeof recorder
  | (typeof embedded)[number]
  | (typeof instances)[number]

export interface Cast {
  /** Those that end when they are asked to, with nothing left to publish. */
  readonly sources: readonly ProcessName[]
  /** Those that consume, with whom they are. */
  readonly consumers: ReadonlyMap<ProcessName, ConsumerName>
  readonly processes: readonly ProcessName[]
  /** Those whose store has a disk that can be full. */
  readonly storeOwners: readonly ProcessName[]
}

/** @param options.postgres - Whether there is a PostgreSQL, and the consumer that has its store there. */
export function castOf({ postgres }: { postgres: boolean }): Cast {
  const sources: ProcessName[] = [...publishers, seller]
  const consumers = new Map<ProcessName, ConsumerName>(embedded.map((name) => [name, name]))
  if (postgres) for (const name of instances) consumers.set(name, sharedConsumer)
  return {
    sources,
    consumers,
    processes: [...sources, recorder, ...consumers.keys()],
    storeOwners: [seller, recorder, ...embedded],
  }
}

/** Each consumer once, in however many processes it is. */
export function consumersOf({ consumers }: Pick<Cast, 'consumers'>): ConsumerName[] {
  return [...new Set(consumers.values())]
}

/** The `source` of a publisher's events. */
export function sourceOf(publisher: ProcessName): string {
  return `/chaos/${publisher}`
}

/** The subject of a source's n-th event: a hundred, so that each comes again and again. */
export function subjectOf(id: string): string {
  return `EC-${Number(id) % 100}`
}
