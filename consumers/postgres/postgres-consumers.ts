/** The consumers that a PostgreSQL store holds, by name. */
import type { PostgresClient } from '../../history/index.ts'

export async function consumersIn(client: PostgresClient): Promise<string[]> {
  const found = await client.query<{ isStore: boolean }>(
    `SELECT to_regclass('backstory_consumers') IS NOT NULL AS "isStore"`,
  )
  if (!found.rows[0]!.isStore) return []
  const { rows } = await client.query<{ name: string }>('SELECT name FROM backstory_consumers ORDER BY name')
  return rows.map(({ name }) => name)
}
