/** A consumer's parked events by the address of its store. */
import { isPostgresUrl } from '../../history/index.ts'
import { ConsumerError } from '../errors.ts'
import { readStore } from '../open-store.ts'
import { PartitionedParkedEvents } from '../partitions/partitioned-parked-events.ts'
import { partitionsIn } from '../partitions/stored-partitions.ts'
import { openPostgresParkedEvents } from '../postgres/postgres-parked-events.ts'
import { openSqliteParkedEvents } from '../sqlite/sqlite-parked-events.ts'
import type { ParkedEvents } from './parked-events.ts'

interface ParkedOptions {
  store: string
  consumer?: string | undefined
}

/**
 * Opens the parked events of a consumer, from any process, whether the consumer runs or not. Each method
 * waits up to ten seconds for its turn to write.
 *
 * @param options.store - Path of the consumer's SQLite file, or URL of its PostgreSQL database.
 * @param options.consumer - Its name; of one with partitions, `production` for all and `production-2` for
 *   one of them. Default: the only one in that store.
 * @throws ConsumerError `CONSUMER_STORE_FOREIGN` where this is no store, or does not hold that one consumer;
 *   `CONSUMER_STORE_UNAVAILABLE`, as all methods where it cannot be read or written now; HistoryError
 *   `HISTORY_DRIVER_MISSING`. The methods: `CONSUMER_CLOSED`.
 */
export async function openParkedEvents(options: ParkedOptions): Promise<ParkedEvents> {
  try {
    return await openOne(options)
  } catch (error) {
    if (!(error instanceof ConsumerError) || error.code !== 'CONSUMER_STORE_FOREIGN') throw error
    const parted = await openPartitions(options)
    if (parted === undefined) throw error
    return parted
  }
}

async function openOne(options: ParkedOptions): Promise<ParkedEvents> {
  return isPostgresUrl(options.store)
    ? await openPostgresParkedEvents(options)
    : await openSqliteParkedEvents(options)
}

/** The store does not hold a consumer of that name: it may hold its partitions. */
async function openPartitions({ store, consumer }: ParkedOptions): Promise<ParkedEvents | undefined> {
  const found = partitionsIn(await readStore(store), consumer)
  if (found === undefined) return undefined
  const parts: ParkedEvents[] = []
  try {
    for (const name of found.names) parts.push(await openOne({ store, consumer: name }))
  } catch (error) {
    for (const part of parts) await part.close()
    throw error
  }
  return new PartitionedParkedEvents(found.consumer, parts)
}
