/** Who takes part in a chaos run, by name. */

/** Two that publish and confirm. The first sends what was not confirmed again after it was killed, the second forgets it. */
export const publishers = ['publisher-1', 'publisher-2'] as const
export const recorder = 'recorder'
/** `production` is there from the start, `shipping` too, its handlers failing now and then; `archive` joins late. */
export const consumers = ['production', 'shipping', 'archive'] as const

export type PublisherName = (typeof publishers)[number]
export type ConsumerName = (typeof consumers)[number]
export type ProcessName = PublisherName | ConsumerName | typeof recorder

export const lateConsumer: ConsumerName = 'archive'
export const failingConsumer: ConsumerName = 'shipping'
export const processNames: readonly ProcessName[] = [...publishers, recorder, ...consumers]
/** Those whose store has a disk that can be full. */
export const storeOwners: readonly ProcessName[] = [recorder, ...consumers]

export function isConsumer(name: string): name is ConsumerName {
  return (consumers as readonly string[]).includes(name)
}

/** The `source` of a publisher's events. */
export function sourceOf(publisher: PublisherName): string {
  return `/chaos/${publisher}`
}
