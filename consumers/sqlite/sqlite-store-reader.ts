/**
 * Looks into a consumer's SQLite store from outside, while the consumer runs or does not.
 */
import type { Identity } from '../../events/index.ts'
import { openSqlite } from '../../history/index.ts'
import { ConsumerError } from '../errors.ts'
import type { ParkingCounts } from '../parking/parking.ts'
import type { ConsumerState } from '../store.ts'
import { countParked } from './sqlite-parking.ts'
import { guard, type StateRow, selectWaiting, toState } from './sqlite-store.ts'

/** A consumer's marks, as another process sees them. */
export interface StoredConsumer {
  readonly name: string
  readonly exchange: string
  readonly state: ConsumerState
  readonly updatedAt: Date
  /** Identities applied live that the cursor has not passed. */
  readonly waiting: readonly Identity[]
  /** Events that are parked or were discarded. */
  readonly counts: ParkingCounts
}

/**
 * Reads the consumers that a store file holds, without disturbing them.
 *
 * @throws ConsumerError `CONSUMER_STORE_FOREIGN` no SQLite database, or one without consumers;
 *   `CONSUMER_STORE_UNAVAILABLE` no such file, or it cannot be read.
 */
export async function readSqliteStore(path: string): Promise<StoredConsumer[]> {
  const database = await guard(path, () => openSqlite(path, { readonly: true }))
  try {
    return database.transaction(() => {
      const isStore = database.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'backstory_consumers'`).get()
      if (isStore === undefined) {
        throw new ConsumerError(
          'CONSUMER_STORE_FOREIGN',
          `${path} holds no consumer; name a consumer's store`,
        )
      }
      const rows = database.prepare('SELECT * FROM backstory_consumers ORDER BY name').all() as StateRow[]
      return rows.map((row) => ({
        counts: countParked(database, row.name),
        name: row.name,
        exchange: row.exchange,
        state: toState(row),
        updatedAt: new Date(row.updated_at),
        waiting: database.prepare(selectWaiting).all(row.name) as Identity[],
      }))
    })()
  } finally {
    database.close()
  }
}
