/**
 * A consumer of one partition, which is an ordinary consumer of an ordinary exchange: `production` of
 * `orders`, parted by four, is `production-1` of `orders.1of4` to `production-4` of `orders.4of4`.
 *
 * In its store each has marks of its own under its name. The number of partitions is in the exchange's name
 * beside it, so that a store knows it, and refuses another.
 */
import { partitionExchangesOf } from '../../broker/index.ts'
import type { Catalog } from '../../events/index.ts'
import { type ConsumerDefinition, checkDefinition, type StoreDatabase } from '../definition.ts'

/**
 * The consumers that a definition stands for: one for each partition, in order; without partitions itself.
 *
 * @throws TypeError where a name becomes too long.
 */
export function partitionDefinitions<Events extends Catalog, Tx, Database extends StoreDatabase>(
  definition: ConsumerDefinition<Events, Tx, Database>,
): ConsumerDefinition<Events, Tx, Database>[] {
  const { partitions } = definition
  if (partitions === undefined) return [definition]
  return partitionExchangesOf(definition.exchange, partitions).map((exchange, index) => {
    const name = `${definition.name}-${index + 1}`
    // It has what the definition has, be that an object of a class.
    const own: ConsumerDefinition<Events, Tx, Database> = Object.create(definition, {
      name: { value: name, enumerable: true },
      exchange: { value: exchange, enumerable: true },
      partitions: { value: undefined },
    })
    checkDefinition(own)
    return own
  })
}
