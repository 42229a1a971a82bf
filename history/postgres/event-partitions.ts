/**
 * The partitions of a history's events: so many positions each, made before they are needed.
 *
 * A new table is filled with indexes first and attached then: `CREATE TABLE … PARTITION OF` would wait for
 * every reader, and every reader for it.
 */
import type { PostgresClient } from './postgres.ts'

/** The position up to which there are partitions; 0 where there is none. */
export async function partitionedUpTo(
  client: PostgresClient,
  { schema, partitionSize }: { schema: string; partitionSize: number },
): Promise<number> {
  const { rows } = await client.query<{ name: string }>(
    'SELECT relname AS name FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = $1::regclass',
    [`${schema}.events`],
  )
  const firsts = rows.map(({ name }) => Number(name.slice('events_'.length)))
  return firsts.length === 0 ? 0 : Math.max(...firsts) + partitionSize - 1
}

/** Makes the partition that begins at a position. */
export async function makePartition(
  client: PostgresClient,
  { schema, first, partitionSize }: { schema: string; first: number; partitionSize: number },
): Promise<void> {
  const name = `${schema}.events_${first}`
  await client.query(`
    BEGIN;
    CREATE TABLE ${name} (LIKE ${schema}.events INCLUDING ALL);
    ALTER TABLE ${schema}.events ATTACH PARTITION ${name} FOR VALUES FROM (${first}) TO (${first + partitionSize});
    COMMIT`)
}
