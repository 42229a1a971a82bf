/**
 * The statements of a reader, each parsed once a connection.
 *
 * A page of events ends where their bodies and properties pass a number of bytes: the server sums them up,
 * which it can without reading them, since a page that is too large must not even be sent.
 */
import { hash } from 'node:crypto'
import { type EventFilter, isIndexed } from '../event-filter.ts'
import { eventColumns } from '../stored-event.ts'

export interface ReadStatement {
  readonly name: string
  readonly text: string
}

export type ReadStatements = ReturnType<typeof readStatements>

export function readStatements(schema: string) {
  // One connection reads several histories, and a statement's name has 63 characters at most.
  const tag = hash('sha256', schema).slice(0, 12)
  const statement = (name: string, text: string): ReadStatement => ({
    name: `backstory_${name}_${tag}`,
    text,
  })
  const within = 'position > $1 AND position <= $2 ORDER BY position LIMIT $3'
  return {
    // The last checkpoint is there when the last event has been removed by hand, too.
    bounds: statement(
      'bounds',
      `SELECT (SELECT position FROM ${schema}.events ORDER BY position LIMIT 1) AS first, greatest(
         (SELECT position FROM ${schema}.events ORDER BY position DESC LIMIT 1),
         (SELECT max(position) FROM ${schema}.checkpoints), 0) AS head`,
    ),
    read: statement('read', page(schema, { where: 'position > $1 AND position <= $2', order: 'ASC' })),
    latest: statement('latest', latest(schema)),
    identities: statement(
      'identities',
      `SELECT position, source, id, unidentified FROM ${schema}.events WHERE ${within}`,
    ),
    // Properties without a sequence may be large, and are not asked for.
    sequences: statement(
      'sequences',
      `SELECT position, source, id, type, subject, CASE
         WHEN starts_with(properties, '{') AND strpos(properties, 'ce-sequence') = 0 THEN '{}'
         ELSE properties END
       FROM ${schema}.events WHERE ${within}`,
    ),
    outlines: statement(
      'outlines',
      `SELECT position, source, type, subject, recorded_at, octet_length(body) FROM ${schema}.events WHERE ${within}`,
    ),
    spent: statement(
      'spent',
      `SELECT number, position, source, epoch, sequence FROM ${schema}.spent_sequences
       WHERE number > $1 AND position <= $2 ORDER BY number LIMIT $3`,
    ),
    checkpoints: statement(
      'checkpoints',
      `SELECT position, checksum, unidentified FROM ${schema}.checkpoints WHERE ${within}`,
    ),
    at: statement('at', `SELECT ${eventColumns} FROM ${schema}.events WHERE position = $1`),
    find: statement(
      'find',
      `SELECT ${eventColumns} FROM ${schema}.events
       WHERE position = (SELECT position FROM ${schema}.identities WHERE near = $1 AND key = $2)`,
    ),
    positionsOf: statement(
      'positions',
      `SELECT place, position FROM unnest($1::bigint[], $2::uuid[]) WITH ORDINALITY AS wanted (near, key, place)
       JOIN ${schema}.identities USING (near, key)`,
    ),
    fence: statement('fence', `SELECT position FROM ${schema}.fences WHERE key = $1`),
    note: statement('note', `SELECT value FROM ${schema}.notes WHERE name = $1`),
    consumers: statement(
      'consumers',
      `SELECT name, cursor, told_at FROM ${schema}.consumers ORDER BY name COLLATE "C"`,
    ),
    // The last one that begins at or below `$1`, and those that begin above.
    pruned: statement(
      'pruned',
      `SELECT first, last, checksum, unidentified, reason, pruned_at FROM ${schema}.pruned
       WHERE first >= coalesce((SELECT max(first) FROM ${schema}.pruned WHERE first <= $1), 0)
         AND last > $1 AND first <= $2
       ORDER BY first LIMIT $3`,
    ),
    erasures: statement(
      'erasures',
      `SELECT ${erasureColumns} FROM ${schema}.erasures WHERE number > $1 AND finished ORDER BY number LIMIT $2`,
    ),
    checkpoint: statement(
      'checkpoint',
      `SELECT position, checksum, unidentified FROM ${schema}.checkpoints
       WHERE position <= $1 ORDER BY position DESC LIMIT 1`,
    ),
    select(filter: EventFilter, { newestFirst }: { newestFirst: boolean }): ReadStatement {
      const where = `position > $1 AND position <= $2${conditions(filter)}`
      const text = page(schema, { where, order: newestFirst ? 'DESC' : 'ASC' })
      return statement(`select_${hash('sha256', text).slice(0, 12)}`, text)
    },
  }
}

/** Those of an `ErasureRow`. */
export const erasureColumns = 'number, subject, reason, erased_by, erased_at, events, last_position'

/** Of events and their properties. */
export const pageBytesMax = 16 * 1024 * 1024

/** `bytes` is of this row and those before it. */
function page(schema: string, { where, order }: { where: string; order: 'ASC' | 'DESC' }): string {
  const size = 'octet_length(body) + octet_length(properties)'
  return `SELECT ${eventColumns}, bytes FROM (
      SELECT ${eventColumns}, ${size} AS size,
        sum(${size}) OVER (ORDER BY position ${order} ROWS UNBOUNDED PRECEDING) AS bytes
      FROM (SELECT * FROM ${schema}.events WHERE ${where} ORDER BY position ${order} LIMIT $3) AS chosen
    ) AS measured
    WHERE bytes - size < ${pageBytesMax} ORDER BY position ${order}`
}

/** As `page`, of which superseded events have no body and add nothing to the bytes. */
function latest(schema: string): string {
  const columns = eventColumns.replace(/, body$/, '')
  return `SELECT ${columns}, CASE WHEN superseded THEN NULL ELSE body END FROM (
      SELECT *, sum(size) OVER (ORDER BY position ROWS UNBOUNDED PRECEDING) AS bytes FROM (
        SELECT *, CASE WHEN superseded THEN 0 ELSE octet_length(body) + octet_length(properties) END AS size
        FROM (
          SELECT *, subject IS NOT NULL AND EXISTS (
            SELECT FROM ${schema}.events AS later
            WHERE hashtextextended(later.subject, 0) = hashtextextended(chosen.subject, 0)
              AND later.subject = chosen.subject AND later.position > chosen.position AND later.position <= $2
          ) AS superseded
          FROM (SELECT * FROM ${schema}.events WHERE position > $1 AND position <= $2 ORDER BY position LIMIT $3) AS chosen
          OFFSET 0
        ) AS judged
      ) AS sized
    ) AS measured
    WHERE bytes - size < ${pageBytesMax} ORDER BY position`
}

/** The values are three arrays, `$4` subjects, `$5` types, `$6` sources; each is named, so that its type is known. */
function conditions(filter: EventFilter): string {
  const { types, subjects, sources } = filter
  const bySubject = isIndexed(filter) && subjects !== undefined
  const byType = isIndexed(filter) && subjects === undefined
  return [
    bySubject ? hashed('subject', '$4') : '',
    byType ? hashed('type', '$5') : '',
    oneOf('subject', '$4', subjects),
    oneOf('type', '$5', types),
    oneOf('source', '$6', sources),
  ].join('')
}

/** The index has a hash, since a text may be longer than an index entry. */
function hashed(column: string, values: string): string {
  return ` AND hashtextextended(${column}, 0) = hashtextextended((${values}::text[])[1], 0)`
}

function oneOf(column: string, parameter: string, values: readonly string[] | undefined): string {
  return values === undefined
    ? ` AND ${parameter}::text[] IS NULL`
    : ` AND ${column} = ANY (${parameter}::text[])`
}
