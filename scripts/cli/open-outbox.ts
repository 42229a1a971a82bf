/** The outbox of an application, opened for a relay: a SQLite file, or a PostgreSQL database by its URL. */
import { existsSync } from 'node:fs'
import type { OutboxRows } from '../../publisher/index.ts'
import { CliError } from './errors.ts'
import { PostgresConnections } from './postgres-connections.ts'

export interface OpenedOutbox {
  readonly rows: OutboxRows
  close(): Promise<void>
}

/**
 * Opens what the application has made; makes nothing.
 *
 * @throws CliError `CLI_FILE_UNREADABLE`; HistoryError where the database is not to be had; PublishError
 *   `PUBLISH_OUTBOX_FOREIGN` where the database has no outbox for the exchange.
 */
export async function openOutboxOf(
  database: string,
  { exchange }: { exchange: string },
): Promise<OpenedOutbox> {
  const [{ isPostgresUrl, openSqlite }, { openOutbox }] = await Promise.all([
    import('../../history/index.ts'),
    import('../../publisher/index.ts'),
  ])
  if (isPostgresUrl(database)) {
    const connections = new PostgresConnections(database)
    try {
      const { rows } = await openOutbox({ database: connections, exchange })
      return { rows, close: () => connections.close() }
    } catch (error) {
      await connections.close()
      throw error
    }
  }
  if (!existsSync(database)) throw new CliError('CLI_FILE_UNREADABLE', `${database} does not exist`)
  const file = await openSqlite(database)
  try {
    const { rows } = openOutbox({ database: file, exchange })
    return { rows, close: async () => void file.close() }
  } catch (error) {
    file.close()
    throw error
  }
}
