/**
 * Opens a history by its address: the path of a SQLite file, or the URL of a PostgreSQL database or a feed.
 */
import type { HistoryReader } from './reader.ts'
import { openSqliteHistory } from './sqlite/sqlite-reader.ts'
import { openSqliteWriter } from './sqlite/sqlite-writer.ts'
import type { HistoryWriter } from './writer.ts'

/**
 * Opens a history for reading, at its first use: a reader may exist before its recorder has made the history.
 *
 * @param options.history - The path of a SQLite file.
 * @param options.exchange - Where given, the history must be this exchange's.
 * @throws Each method: HistoryError `HISTORY_NOT_FOUND` while there is none; `HISTORY_CORRUPT`,
 *   `HISTORY_FOREIGN`, `HISTORY_TOO_NEW`, `HISTORY_UNAVAILABLE`, `HISTORY_DRIVER_MISSING`; `HISTORY_CLOSED`
 *   after `close()`.
 */
export function openHistory({ history, exchange }: { history: string; exchange?: string }): HistoryReader {
  return openSqliteHistory({ path: history, exchange })
}

/**
 * Opens, or makes, the history of an exchange for writing.
 *
 * @throws HistoryError `HISTORY_LOCKED` where another writer has it; `HISTORY_CORRUPT`,
 *   `HISTORY_FOREIGN`, `HISTORY_TOO_NEW`, `HISTORY_UNAVAILABLE`, `HISTORY_DRIVER_MISSING`.
 */
export async function openHistoryWriter({
  history,
  exchange,
}: {
  history: string
  exchange: string
}): Promise<HistoryWriter> {
  return await openSqliteWriter({ path: history, exchange })
}
