/** Who takes part in a chaos run, by name. */

/** Two that publish and confirm. The first sends what was not confirmed again after it was killed, the second forgets it. */
export const publishers = ['publisher-1', 'publisher-2'] as const
/** Sells: an order and its event in one transaction, by an outbox that it relays itself. */
export const seller = 'seller'
export const recorder = 'recorder'
/** `production` is there from the start, `shipping` too, its handlers failing now and then; `archive` joins late. */
export const consumers = ['production', 'shipping', 'archive'] as const

export type PublisherName = (typeof publishers)[number]
export type ConsumerName = (typeof consumers)[number]
export type ProcessName = PublisherName | ConsumerName | typeof seller | typeof recorder

export const lateConsumer: ConsumerName = 'archive'
export const failingConsumer: ConsumerName = 'shipping'
/** Those that end when they are asked to, with nothing left to publish. */
export const sources: readonly ProcessName[] = [...publishers, seller]
export const processNames: readonly ProcessName[] = [...sources, recorder, ...consumers]
/** Those whose store has a disk that can be full. */
export const storeOwners: readonly ProcessName[] = [seller, recorder, ...consumers]

export function isConsumer(name: string): name is ConsumerName {
  return (consumers as readonly string[]).includes(name)
}

export function isSource(name: ProcessName): boolean {
  return sources.includes(name)
}

/** The `source` of a publisher's events. */
export function sourceOf(publisher: ProcessName): string {
  return `/chaos/${publisher}`
}

/** The subject of a source's n-th event: a hundred, so that each comes again and again. */
export function subjectOf(id: string): string {
  return `EC-${Number(id) % 100}`
}
