/** A consumer's marks by the address of its store. */
import { isPostgresUrl } from '../../history/index.ts'
import { openPostgresMarks } from '../postgres/postgres-consumer-marks.ts'
import { openSqliteMarks } from '../sqlite/sqlite-consumer-marks.ts'
import type { ConsumerMarks } from './consumer-marks.ts'

/**
 * Opens the marks of a consumer, to audit or to repair it; it may run meanwhile.
 *
 * @param options.consumer - Its name. Default: the only one in that store.
 * @throws ConsumerError `CONSUMER_STORE_FOREIGN` where this is no store, or does not hold that one consumer;
 *   `CONSUMER_STORE_UNAVAILABLE`.
 */
export async function openConsumerMarks(options: {
  store: string
  consumer?: string
}): Promise<ConsumerMarks> {
  return isPostgresUrl(options.store) ? await openPostgresMarks(options) : await openSqliteMarks(options)
}
