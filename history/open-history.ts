/**
 * Opens a history by its address: the path of a SQLite file, or the URL of a PostgreSQL database or a feed.
 */
import { isFeedUrl } from './feed/feed-address.ts'
import { openHttpHistory } from './feed/http-reader.ts'
import type { HistoryKeeper } from './keeper.ts'
import { isPostgresUrl } from './postgres/postgres.ts'
import { openPostgresKeeper } from './postgres/postgres-keeper.ts'
import { openPostgresHistory } from './postgres/postgres-reader.ts'
import { openPostgresWriter } from './postgres/postgres-writer.ts'
import type { HistoryReader } from './reader.ts'
import { openSqliteKeeper } from './sqlite/sqlite-keeper.ts'
import { openSqliteHistory } from './sqlite/sqlite-reader.ts'
import { openSqliteWriter } from './sqlite/sqlite-writer.ts'
import type { HistoryWriter } from './writer.ts'

export interface HistoryOptions {
  readonly history: string
  readonly exchange?: string
  readonly token?: string
  readonly ca?: string | Buffer
}

/**
 * Opens a history for reading, at its first use: a reader may exist before its recorder has made the history.
 *
 * @param options.history - The path of a SQLite file; the URL of a PostgreSQL database, as in
 *   `postgres://user:password@host:5432/database`; or the URL of a feed, as in
 *   `https://host:9480/exchanges/orders`.
 * @param options.exchange - Where given, the history must be this exchange's. A PostgreSQL database may hold
 *   several: then this says which, or `?exchange=` at the end of the URL.
 * @param options.token - What a feed lets this reader in by.
 * @param options.ca - PEM of the authority behind a feed's certificate. Default: those that Node trusts.
 * @throws TypeError for a URL that is none. Each method: HistoryError `HISTORY_NOT_FOUND` while there is none;
 *   `HISTORY_AMBIGUOUS` where several are there and none is named; `HISTORY_CORRUPT`, `HISTORY_FOREIGN`,
 *   `HISTORY_TOO_NEW`, `HISTORY_UNAVAILABLE`, `HISTORY_DENIED`, `HISTORY_DRIVER_MISSING`; `HISTORY_CLOSED`
 *   after `close()`.
 */
export function openHistory({ history, exchange, token, ca }: HistoryOptions): HistoryReader {
  if (isFeedUrl(history)) return openHttpHistory({ url: history, exchange, token, ca })
  if (isPostgresUrl(history)) return openPostgresHistory({ history, exchange })
  return openSqliteHistory({ path: history, exchange })
}

/**
 * Opens, or makes, the history of an exchange for writing.
 *
 * @param options.history - The path of a SQLite file, or the URL of a PostgreSQL database.
 * @throws TypeError for a feed. HistoryError `HISTORY_LOCKED` where another writer has it; `HISTORY_CORRUPT`,
 *   `HISTORY_FOREIGN`, `HISTORY_TOO_NEW`, `HISTORY_UNAVAILABLE`, `HISTORY_DRIVER_MISSING`.
 */
export async function openHistoryWriter({
  history,
  exchange,
}: {
  history: string
  exchange: string
}): Promise<HistoryWriter> {
  requireWritable(history)
  return isPostgresUrl(history)
    ? await openPostgresWriter({ history, exchange })
    : await openSqliteWriter({ path: history, exchange })
}

/**
 * Opens a history to remove from it, beside its recorder.
 *
 * @param options.history - The path of a SQLite file, or the URL of a PostgreSQL database.
 * @param options.clearWaitMs - SQLite: longest wait for a reader in the way, fifty times; see `erase`. Default 100.
 * @throws TypeError for the URL of a feed, which only reads.
 * @throws HistoryError `HISTORY_NOT_FOUND`, `HISTORY_AMBIGUOUS`, `HISTORY_CORRUPT`, `HISTORY_FOREIGN`, `HISTORY_TOO_NEW`,
 *   `HISTORY_UNAVAILABLE`, `HISTORY_DRIVER_MISSING`.
 */
export async function openHistoryKeeper({
  history,
  clearWaitMs,
}: {
  history: string
  clearWaitMs?: number
}): Promise<HistoryKeeper> {
  requireWritable(history)
  if (isPostgresUrl(history)) return await openPostgresKeeper({ history })
  return await openSqliteKeeper({ path: history, ...(clearWaitMs !== undefined && { clearWaitMs }) })
}

function requireWritable(history: string): void {
  if (isFeedUrl(history))
    throw new TypeError('Expected `history` to be a file or a database: a feed is for reading')
}
