/** Starts a consumer: one, or with partitions one for each. */
import type { Catalog } from '../events/index.ts'
import type { SqliteDatabase } from '../history/index.ts'
import { type Consumer, openConsumer } from './consumer.ts'
import type { ConsumerOptions } from './consumer-options.ts'
import { type ConsumerDefinition, checkDefinition, type StoreDatabase } from './definition.ts'
import { startPartitionedConsumer } from './partitions/partitioned-consumer.ts'

/**
 * Opens the store and starts the consumer; it connects, and reconnects, by itself.
 *
 * What ends it (see `stopped`): ConsumerError `CONSUMER_HANDLER_FAILED`, `CONSUMER_HISTORY_TRUNCATED`,
 * `CONSUMER_AHEAD`; BrokerError `BROKER_ACCESS_REFUSED`, `BROKER_TOPOLOGY_MISMATCH`; HistoryError
 * `HISTORY_CORRUPT`, `HISTORY_FOREIGN`, `HISTORY_TOO_NEW`.
 *
 * @throws TypeError for an option out of its range; ConsumerError `CONSUMER_LOCKED`,
 *   `CONSUMER_STORE_FOREIGN`, `CONSUMER_STORE_UNAVAILABLE`; what the definition's `prepare` throws.
 */
export async function startConsumer<
  Events extends Catalog,
  Tx = SqliteDatabase,
  Database extends StoreDatabase = SqliteDatabase,
>(definition: ConsumerDefinition<Events, Tx, Database>, options: ConsumerOptions): Promise<Consumer> {
  checkDefinition(definition)
  const { partitions } = definition
  if (partitions !== undefined) return await startPartitionedConsumer(definition, { ...options, partitions })
  const opened = await openConsumer(definition, options)
  return await opened.start()
}
