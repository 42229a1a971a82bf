/** A consumer's parked events by the address of its store. */
import { isPostgresUrl } from '../../history/index.ts'
import { openPostgresParkedEvents } from '../postgres/postgres-parked-events.ts'
import { openSqliteParkedEvents } from '../sqlite/sqlite-parked-events.ts'
import type { ParkedEvents } from './parked-events.ts'

/**
 * Opens the parked events of a consumer, from any process, whether the consumer runs or not. Each method
 * waits up to ten seconds for its turn to write.
 *
 * @param options.store - Path of the consumer's SQLite file, or URL of its PostgreSQL database.
 * @param options.consumer - Default: the only one in that store.
 * @throws ConsumerError `CONSUMER_STORE_FOREIGN` where this is no store, or does not hold that one consumer;
 *   `CONSUMER_STORE_UNAVAILABLE`, as all methods where it cannot be read or written now; HistoryError
 *   `HISTORY_DRIVER_MISSING`. The methods: `CONSUMER_CLOSED`.
 */
export async function openParkedEvents(options: {
  store: string
  consumer?: string | undefined
}): Promise<ParkedEvents> {
  return isPostgresUrl(options.store)
    ? await openPostgresParkedEvents(options)
    : await openSqliteParkedEvents(options)
}
