/**
 * The tables of a history in a PostgreSQL database, in a schema of its exchange's own, and the check that
 * they are one.
 *
 * They are those of a SQLite history (sqlite/schema.ts) with these differences. `events` is partitioned by
 * position (event-partitions.ts). A unique index cannot span partitions: `identities` has the key of each
 * event ever recorded, its positions rising with what publishers count or clock in their ids (`near`, see
 * event-key.ts). What may be longer than an index takes is found by a hash. `history.epoch` is one more with
 * each writer, and each transaction looks at it. Texts are written as postgres-text.ts has it.
 */
import { hash, randomUUID } from 'node:crypto'
import { HistoryError } from '../errors.ts'
import { type PostgresClient, shownAddress } from './postgres.ts'
import { fromText, toText } from './postgres-text.ts'

const version = 1
const schemaPrefix = 'backstory_history_'

/** Where a history is. */
export interface HistoryPlace {
  /** As it stands in a statement, quoted. */
  readonly schema: string
  readonly exchange: string
  /** Unlike any other history's, so that one which was dropped and made again is not taken for it. */
  readonly made: string
}

/**
 * The schema of an exchange's history: its name where that is short and plain, else what is plain of it and
 * a hash behind a `$`, which no plain name has.
 */
export function schemaOf(exchange: string): string {
  if (/^[a-z0-9_]{1,40}$/.test(exchange)) return `${schemaPrefix}${exchange}`
  const plain = exchange
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .slice(0, 20)
  return `${schemaPrefix}${plain}$${hash('sha256', exchange).slice(0, 20)}`
}

/**
 * Finds the history of an exchange, or, where none is named, the only one that is there.
 *
 * @throws HistoryError `HISTORY_NOT_FOUND`; `HISTORY_AMBIGUOUS` where several are there;
 *   `HISTORY_FOREIGN` the schema holds something else; `HISTORY_TOO_NEW`. What pg throws.
 */
export async function findHistory(
  client: PostgresClient,
  { url, exchange }: { url: string; exchange: string | undefined },
): Promise<HistoryPlace> {
  const shown = shownAddress(url)
  if (exchange !== undefined) {
    const found = await lookAt(client, { url, schema: schemaOf(exchange) })
    if (found === undefined) throw notFound(`${shown} has no history of exchange ${exchange} (yet)`)
    return found
  }
  const { rows } = await client.query<{ schema: string }>(listHistories, [`${schemaPrefix}%`, listedMax + 1])
  const [first] = rows
  if (first === undefined) throw notFound(`${shown} holds no history (yet)`)
  if (rows.length === 1) return (await lookAt(client, { url, schema: first.schema }))!
  const names: string[] = []
  for (const { schema } of rows.slice(0, listedMax)) {
    names.push((await lookAt(client, { url, schema }))!.exchange)
  }
  const more = rows.length > listedMax ? ' and more' : ''
  throw new HistoryError(
    'HISTORY_AMBIGUOUS',
    `${shown} holds the histories of ${names.join(', ')}${more}; name the exchange, or add ?exchange=${names[0]} to the address`,
  )
}

const listedMax = 20

/** Only where its table can be used at all is a schema a history. */
const listHistories = `
  SELECT nspname AS schema FROM pg_namespace JOIN pg_class ON relnamespace = pg_namespace.oid
  WHERE nspname LIKE replace($1, '_', '\\_') AND relname = 'history' AND relkind = 'r'
  ORDER BY nspname LIMIT $2`

function notFound(what: string): HistoryError {
  return new HistoryError('HISTORY_NOT_FOUND', `${what}; start its recorder or name another database`)
}

/** The history that a schema holds, undefined where there is no such schema, or an empty one. */
async function lookAt(
  client: PostgresClient,
  { url, schema }: { url: string; schema: string },
): Promise<HistoryPlace | undefined> {
  const { rows } = await client.query<{ tables: string; isHistory: boolean }>(lookAtSchema, [schema])
  const { tables, isHistory } = rows[0]!
  if (!isHistory) {
    if (tables === '0') return undefined
    throw new HistoryError(
      'HISTORY_FOREIGN',
      `Schema ${schema} in ${shownAddress(url)} holds something else, no history; name another database`,
    )
  }
  const history = await client.query<{ version: number; exchange: string; made: string }>(
    `SELECT version, exchange, made FROM "${schema}".history`,
  )
  const row = history.rows[0]!
  if (row.version > version) {
    throw new HistoryError(
      'HISTORY_TOO_NEW',
      `Schema ${schema} in ${shownAddress(url)} has version ${row.version}, this backstory reads up to ${version}; install a newer one`,
    )
  }
  return { schema: `"${schema}"`, exchange: fromText(row.exchange), made: row.made }
}

const lookAtSchema = `
  SELECT count(*) AS tables, coalesce(bool_or(relname = 'history'), false) AS "isHistory"
  FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = $1`

/**
 * Makes the history of an exchange where there is none, and what an older version's lacks. For whoever holds
 * the writer's lock.
 *
 * @throws as `findHistory` does; HistoryError `HISTORY_FOREIGN` where the database is not in UTF-8.
 */
export async function makeHistory(
  client: PostgresClient,
  { url, exchange, partitionSize }: { url: string; exchange: string; partitionSize: number },
): Promise<HistoryPlace> {
  const schema = schemaOf(exchange)
  const found = await lookAt(client, { url, schema })
  if (found !== undefined) return await migrate(client, found)
  const { rows } = await client.query<{ encoding: string }>('SHOW server_encoding')
  const [encoding] = Object.values(rows[0]!)
  if (encoding !== 'UTF8') {
    throw new HistoryError(
      'HISTORY_FOREIGN',
      `${shownAddress(url)} has the encoding ${encoding}, which cannot keep every event; make a database with ENCODING 'UTF8'`,
    )
  }
  const place = { schema: `"${schema}"`, exchange, made: randomUUID() }
  await client.query('BEGIN')
  try {
    const { rowCount } = await client.query('SELECT FROM pg_namespace WHERE nspname = $1', [schema])
    // Even "IF NOT EXISTS" asks for the right to make schemas, which a recorder's user need not have.
    if (rowCount === 0) await client.query(`CREATE SCHEMA ${place.schema}`)
    await client.query(tablesIn(place.schema))
    await client.query(
      `INSERT INTO ${place.schema}.history (version, made, exchange, created_at, partition_size) VALUES ($1, $2, $3, $4, $5)`,
      [version, place.made, toText(exchange), Date.now(), partitionSize],
    )
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  }
  return place
}

/** Brings an older version's tables to this one: what each step adds, readers of either can do without. */
async function migrate(client: PostgresClient, place: HistoryPlace): Promise<HistoryPlace> {
  const { schema } = place
  const { rows } = await client.query<{ version: number }>(`SELECT version FROM ${schema}.history`)
  const steps = migrations.slice(rows[0]!.version - 1)
  if (steps.length === 0) return place
  const text = steps.map((step) => step(schema)).join('\n')
  await client.query(`BEGIN; ${text} UPDATE ${schema}.history SET version = ${version}; COMMIT`)
  return place
}

/** From version 1 on, one step a version. */
const migrations: readonly ((schema: string) => string)[] = []

const tablesIn = (schema: string) => `
CREATE TABLE ${schema}.history (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  version integer NOT NULL,
  made uuid NOT NULL,
  exchange text NOT NULL,
  created_at bigint NOT NULL,
  -- Positions a partition of events.
  partition_size bigint NOT NULL,
  -- One more with each writer: one of an earlier epoch cannot commit.
  epoch bigint NOT NULL DEFAULT 0,
  duplicates bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

CREATE TABLE ${schema}.events (
  position bigint NOT NULL,
  recorded_at bigint NOT NULL,
  unidentified boolean NOT NULL,
  source text NOT NULL,
  id text NOT NULL,
  type text NOT NULL,
  subject text,
  content_type text,
  exchange text,
  routing_key text NOT NULL,
  properties text NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (position)
) PARTITION BY RANGE (position);
CREATE INDEX events_subject ON ${schema}.events (hashtextextended(subject, 0), position) WHERE subject IS NOT NULL;
CREATE INDEX events_type ON ${schema}.events (hashtextextended(type, 0), position);
CREATE INDEX events_unidentified ON ${schema}.events (position) WHERE unidentified;

-- near, key: see event-key.ts.
CREATE TABLE ${schema}.identities (
  position bigint NOT NULL,
  near bigint NOT NULL,
  key uuid NOT NULL,
  PRIMARY KEY (near, key)
);

CREATE TABLE ${schema}.checkpoints (
  position bigint PRIMARY KEY,
  recorded_at bigint NOT NULL,
  unidentified bigint NOT NULL,
  checksum text NOT NULL
);

-- key: of source, epoch and sequence.
CREATE TABLE ${schema}.spent_sequences (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key uuid NOT NULL UNIQUE,
  position bigint NOT NULL,
  source text NOT NULL,
  epoch text NOT NULL,
  sequence bigint NOT NULL
);

-- Of retention and erasure, as in SQLite. key: of the name.
CREATE TABLE ${schema}.consumers (
  key uuid PRIMARY KEY,
  name text NOT NULL,
  cursor bigint NOT NULL,
  told_at bigint NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE ${schema}.pruned (
  first bigint PRIMARY KEY,
  last bigint NOT NULL,
  checksum text NOT NULL,
  unidentified bigint NOT NULL,
  reason text NOT NULL,
  pruned_at bigint NOT NULL
);
CREATE TABLE ${schema}.erasures (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  subject text NOT NULL,
  reason text NOT NULL,
  erased_by text NOT NULL,
  erased_at bigint NOT NULL,
  events bigint NOT NULL,
  last_position bigint NOT NULL,
  -- Nothing of them is left.
  finished boolean NOT NULL
);

CREATE TABLE ${schema}.notes (
  name text PRIMARY KEY,
  value text NOT NULL
);

-- key: of the id.
CREATE TABLE ${schema}.fences (
  key uuid PRIMARY KEY,
  position bigint NOT NULL,
  recorded_at bigint NOT NULL
);
`
