/**
 * Looks into a consumer's PostgreSQL store from outside, while the consumer runs or does not.
 */
import { fromText, openPostgres, type PostgresClient, shownAddress } from '../../history/index.ts'
import { ConsumerError } from '../errors.ts'
import type { StoredConsumer } from '../sqlite/sqlite-store-reader.ts'
import { guard } from './postgres-failure.ts'
import { type CountRow, countParked, toCounts } from './postgres-parking.ts'
import { type StateRow, selectWaiting, toState } from './postgres-store.ts'

/**
 * Reads the consumers that a database holds, in order of their names, without disturbing them.
 *
 * @param url - As in `postgres://user:password@host:5432/database`.
 * @throws ConsumerError `CONSUMER_STORE_FOREIGN` no such database, one without consumers, or one that denies
 *   this user; `CONSUMER_STORE_UNAVAILABLE`. HistoryError `HISTORY_DRIVER_MISSING`. TypeError for an address
 *   that is no URL.
 */
export async function readPostgresStore(url: string): Promise<StoredConsumer[]> {
  return await guard(url, async () => {
    const client = await openPostgres(url, { name: 'backstory store reader' })
    try {
      // State and inbox as they were at one moment.
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
      return await readConsumers(client, url)
    } finally {
      await client.end()
    }
  })
}

async function readConsumers(client: PostgresClient, url: string): Promise<StoredConsumer[]> {
  const found = await client.query<{ isStore: boolean }>(
    `SELECT to_regclass('backstory_consumers') IS NOT NULL AS "isStore"`,
  )
  if (!found.rows[0]!.isStore) {
    throw new ConsumerError(
      'CONSUMER_STORE_FOREIGN',
      `${shownAddress(url)} holds no consumer; name a consumer's store`,
    )
  }
  const consumers: StoredConsumer[] = []
  const { rows } = await client.query<StateRow>('SELECT * FROM backstory_consumers ORDER BY name')
  for (const row of rows) {
    const waiting = await client.query<{ source: string; id: string }>(selectWaiting.text, [row.name])
    const counts = await client.query<CountRow>(countParked.text, [row.name])
    consumers.push({
      name: row.name,
      exchange: row.exchange,
      state: toState(row),
      updatedAt: row.updated_at,
      waiting: waiting.rows.map(({ source, id }) => ({ source: fromText(source), id: fromText(id) })),
      counts: toCounts(counts.rows),
    })
  }
  return consumers
}
