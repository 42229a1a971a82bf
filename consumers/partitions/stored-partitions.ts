/** Which of the consumers in a store are the partitions of one: by their names and by those of their exchanges. */
import { partitionOf } from '../../broker/index.ts'

interface Stored {
  readonly name: string
  readonly exchange: string
}

export interface StoredPartitions {
  /** As its definition has it, such as `production` where the store holds `production-1` of `orders.1of4`. */
  readonly consumer: string
  /** The names that it has in the store, in the order of the partitions. */
  readonly names: readonly string[]
}

/**
 * @param consumer - The one that is meant; else the store has to hold no other.
 * @returns Undefined where the store does not hold the partitions of that consumer, or not of one only.
 */
export function partitionsIn(
  stored: readonly Stored[],
  consumer: string | undefined,
): StoredPartitions | undefined {
  const found = stored
    .map(partitionIn)
    .filter((one) => one !== undefined)
    .filter((one) => consumer === undefined || one.consumer === consumer)
    .toSorted((one, other) => one.number - other.number)
  const [first] = found
  if (first === undefined || found.some((one) => one.consumer !== first.consumer)) return undefined
  if (consumer === undefined && found.length < stored.length) return undefined
  return { consumer: first.consumer, names: found.map(({ name }) => name) }
}

function partitionIn({ name, exchange }: Stored) {
  const number = partitionOf(exchange)?.number
  const suffix = `-${number}`
  if (number === undefined || !name.endsWith(suffix)) return undefined
  return { name, number, consumer: name.slice(0, -suffix.length) }
}
