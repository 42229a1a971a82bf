/**
 * The statements that write a batch. One writes its events, their identities and the checkpoint: a batch is
 * one round trip and one transaction, but for the few that have more to say.
 *
 * Nothing is written where the writer's epoch is over: what a statement inserts it joins to the row of
 * `history` that has that epoch, and locks, so that the next writer waits for it. Each gives a row back
 * where the epoch holds.
 */
import type { Checkpoint, Erasure, PrunedRange } from '../reader.ts'
import type { ConsumerCursor } from '../writer.ts'
import type { BatchPlan, PlannedEvent, Spent } from './batch-plan.ts'
import {
  bigintArray,
  booleanArray,
  bytesArray,
  hexBigintArray,
  textArray,
  uuidArray,
} from './binary-arrays.ts'
import type { EventKey } from './event-key.ts'
import { textKey, toText } from './postgres-text.ts'
import type { Tenure } from './writer-connection.ts'

/** Parsed once a connection. */
export interface BatchStatement {
  readonly name: string
  readonly text: string
  readonly values: unknown[]
}

/** What a batch makes of the history, so far known. */
export interface BatchEnd {
  readonly head: number
  readonly recordedAt: number
  readonly checksum: string
  /** In the whole history. */
  readonly unidentified: number
}

/** A statement takes so many bytes of bodies and properties, or one event: a message has a largest size. */
const statementBytesMax = 64 * 1024 * 1024

/** The statements that write events behind a position, and the sums at their end; none where there are none. */
export function appendStatements(
  { schema, made, epoch }: Tenure,
  { plan, end, exchange }: { plan: BatchPlan; end: BatchEnd; exchange: string },
): BatchStatement[] {
  const statements: BatchStatement[] = []
  let position = end.head - plan.events.length
  for (const events of partsOf(plan.events)) {
    const values = [made, epoch, position, ...columnsOf(events, exchange)]
    position += events.length
    const { head, recordedAt, unidentified, checksum } = end
    statements.push(
      position < head
        ? { name: 'backstory_append', text: appendText(schema), values }
        : {
            name: 'backstory_append_end',
            text: appendEndText(schema),
            values: [...values, head, recordedAt, unidentified, checksum],
          },
    )
  }
  return statements
}

/** What a batch says beside its events. */
export interface Remarks {
  readonly fences: readonly string[]
  readonly notes: Readonly<Record<string, string>>
  readonly cursors: readonly ConsumerCursor[]
  readonly spent: readonly Spent[]
  readonly duplicates: number
  readonly head: number
  readonly recordedAt: number
}

/** The statement that writes remarks; none where there are none. */
export function remarkStatements({ schema, made, epoch }: Tenure, remarks: Remarks): BatchStatement[] {
  const { spent, duplicates, head, recordedAt } = remarks
  const fences = [...new Set(remarks.fences)]
  const notes = Object.entries(remarks.notes)
  const cursors = [...new Map(remarks.cursors.map(({ consumer, cursor }) => [consumer, cursor]))]
  if (fences.length + notes.length + cursors.length + spent.length + duplicates === 0) return []
  const values = [
    ...[made, epoch, duplicates],
    uuidArray(spent.map(({ source, epoch, sequence }) => textKey(`${epoch} ${sequence} ${source}`))),
    bigintArray(spent.map(({ position }) => position)),
    textArray(spent.map(({ source }) => toText(source))),
    textArray(spent.map((number) => number.epoch)),
    bigintArray(spent.map(({ sequence }) => sequence)),
    uuidArray(fences.map(textKey)),
    ...[head, recordedAt, recordedAt - fenceKeepMs],
    textArray(notes.map(([name]) => toText(name))),
    textArray(notes.map(([, value]) => toText(value))),
    uuidArray(cursors.map(([consumer]) => textKey(consumer))),
    textArray(cursors.map(([consumer]) => toText(consumer))),
    bigintArray(cursors.map(([, cursor]) => cursor)),
    Date.now(),
  ]
  return [{ name: 'backstory_remark', text: remarkText(schema), values }]
}

const fenceKeepMs = 24 * 60 * 60 * 1_000

/** The records of what was erased among imported events; numbers of later erasures go on behind them. */
export function erasuresStatement(
  { schema, made, epoch }: Tenure,
  erasures: readonly Erasure[],
): BatchStatement {
  const text = `${holding(schema)}, kept AS (
      INSERT INTO ${schema}.erasures
        (number, subject, reason, erased_by, erased_at, events, last_position, finished)
      OVERRIDING SYSTEM VALUE
      SELECT given.*, true FROM holding, unnest($3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[],
        $8::bigint[], $9::bigint[]) AS given
      ON CONFLICT (number) DO NOTHING
    ), counted AS (
      SELECT setval(pg_get_serial_sequence('${schema}.erasures', 'number'), greatest($10::bigint,
        coalesce((SELECT max(number) FROM ${schema}.erasures), 0))) FROM holding
    ) SELECT FROM holding, counted`
  const values = [
    ...[made, epoch],
    bigintArray(erasures.map(({ number }) => number)),
    textArray(erasures.map(({ subject }) => toText(subject))),
    textArray(erasures.map(({ reason }) => toText(reason))),
    textArray(erasures.map(({ by }) => toText(by))),
    bigintArray(erasures.map(({ at }) => at.getTime())),
    bigintArray(erasures.map(({ events }) => events)),
    bigintArray(erasures.map(({ lastPosition }) => lastPosition)),
    Math.max(...erasures.map(({ number }) => number)),
  ]
  return { name: 'backstory_erasures', text, values }
}

/** Positions that retention has removed from the history that is imported. */
export function prunedStatement({ schema, made, epoch }: Tenure, pruned: PrunedRange): BatchStatement {
  const text = `${holding(schema)}, kept AS (
      INSERT INTO ${schema}.pruned (first, last, checksum, unidentified, reason, pruned_at)
      SELECT $3::bigint, $4::bigint, $5::text, $6::bigint, $7::text, $8::bigint FROM holding
    ) SELECT FROM holding`
  const { first, last, checksum, unidentified, reason, at } = pruned
  const values = [made, epoch, first, last, checksum, unidentified, toText(reason), at.getTime()]
  return { name: 'backstory_pruned', text, values }
}

/** The sums of what lies below the first event. */
export function baseStatement({ schema, made, epoch }: Tenure, base: Checkpoint): BatchStatement {
  const text = `${holding(schema)}, checked AS (
      INSERT INTO ${schema}.checkpoints (position, recorded_at, unidentified, checksum)
      SELECT $3::bigint, 0, $4::bigint, $5::text FROM holding
    ) SELECT FROM holding`
  const { position, unidentified, checksum } = base
  return { name: 'backstory_base', text, values: [made, epoch, position, unidentified, checksum] }
}

/** What the history has of these keys: a row each. */
export function knownStatement(schema: string, keys: readonly EventKey[]): BatchStatement {
  return {
    name: 'backstory_known',
    text: `SELECT key, position, encode(sha256(body), 'hex') AS "bodyHash", coalesce(properties, '{}') AS properties
      FROM unnest($1::bigint[], $2::uuid[]) AS wanted (near, key)
      JOIN ${schema}.identities USING (near, key) LEFT JOIN ${schema}.events USING (position)`,
    values: [hexBigintArray(keys.map(({ near }) => near)), uuidArray(keys.map(({ key }) => key))],
  }
}

function* partsOf(events: readonly PlannedEvent[]): Generator<readonly PlannedEvent[]> {
  let from = 0
  let bytes = 0
  for (const [index, { event, properties }] of events.entries()) {
    const more = event.message.body.length + properties.length
    if (index > from && bytes + more > statementBytesMax) {
      yield events.slice(from, index)
      from = index
      bytes = 0
    }
    bytes += more
  }
  if (from < events.length) yield from === 0 ? events : events.slice(from)
}

/** In the order of `appendText`. */
function columnsOf(events: readonly PlannedEvent[], ownExchange: string): Buffer[] {
  const texts = (of: (event: PlannedEvent) => string | undefined) =>
    textArray(
      events.map((event) => {
        const text = of(event)
        return text === undefined ? null : toText(text)
      }),
    )
  return [
    bigintArray(events.map(({ recordedAt }) => recordedAt)),
    hexBigintArray(events.map(({ near }) => near)),
    uuidArray(events.map(({ key }) => key)),
    booleanArray(events.map(({ unidentified }) => unidentified)),
    texts(({ event }) => event.source),
    texts(({ id }) => id),
    texts(({ event }) => event.type),
    texts(({ event }) => event.subject),
    texts(({ event }) => event.message.properties.contentType),
    texts(({ event }) => (event.message.exchange === ownExchange ? undefined : event.message.exchange)),
    texts(({ event }) => event.message.routingKey),
    texts(({ properties }) => properties),
    bytesArray(events.map(({ event }) => event.message.body)),
  ]
}

const holding = (schema: string) => `
  WITH holding AS MATERIALIZED (
    SELECT FROM ${schema}.history WHERE made = $1::uuid AND epoch = $2::bigint FOR UPDATE
  )`

const appending = (schema: string) => `${holding(schema)}, identified AS (
    INSERT INTO ${schema}.identities (position, near, key)
    SELECT $3::bigint + place, near, key
    FROM holding, unnest($5::bigint[], $6::uuid[]) WITH ORDINALITY AS given (near, key, place)
  ), recorded AS (
    INSERT INTO ${schema}.events (position, recorded_at, unidentified, source, id, type, subject, content_type,
      exchange, routing_key, properties, body)
    SELECT $3::bigint + place, recorded_at, unidentified, source, id, type, subject, content_type, exchange,
      routing_key, properties, body
    FROM holding, unnest($4::bigint[], $7::boolean[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[],
      $13::text[], $14::text[], $15::text[], $16::bytea[]) WITH ORDINALITY
      AS given (recorded_at, unidentified, source, id, type, subject, content_type, exchange, routing_key,
        properties, body, place)
  )`

const appendText = (schema: string) => `${appending(schema)} SELECT FROM holding`

const appendEndText = (schema: string) => `${appending(schema)}, checked AS (
    INSERT INTO ${schema}.checkpoints (position, recorded_at, unidentified, checksum)
    SELECT $17::bigint, $18::bigint, $19::bigint, $20::text FROM holding
  ) SELECT FROM holding`

const remarkText = (schema: string) => `${holding(schema)}, counted AS (
    UPDATE ${schema}.history SET duplicates = duplicates + $3::bigint FROM holding WHERE $3::bigint > 0
  ), spent AS (
    INSERT INTO ${schema}.spent_sequences (key, position, source, epoch, sequence)
    SELECT key, position, source, epoch, sequence
    FROM holding, unnest($4::uuid[], $5::bigint[], $6::text[], $7::text[], $8::bigint[])
      AS given (key, position, source, epoch, sequence)
    ON CONFLICT (key) DO NOTHING
  ), fenced AS (
    INSERT INTO ${schema}.fences (key, position, recorded_at)
    SELECT key, $10::bigint, $11::bigint FROM holding, unnest($9::uuid[]) AS given (key)
    ON CONFLICT (key) DO NOTHING
  ), dropped AS (
    DELETE FROM ${schema}.fences USING holding
    WHERE cardinality($9::uuid[]) > 0 AND recorded_at < $12::bigint
  ), noted AS (
    INSERT INTO ${schema}.notes (name, value)
    SELECT name, value FROM holding, unnest($13::text[], $14::text[]) AS given (name, value)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value
  ), told AS (
    INSERT INTO ${schema}.consumers (key, name, cursor, told_at)
    SELECT key, name, cursor, $18::bigint
    FROM holding, unnest($15::uuid[], $16::text[], $17::bigint[]) AS given (key, name, cursor)
    ON CONFLICT (key) DO UPDATE SET cursor = excluded.cursor, told_at = excluded.told_at
  ) SELECT FROM holding`
