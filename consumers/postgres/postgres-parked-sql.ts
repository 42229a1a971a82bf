/**
 * The statements of postgres-parked-events.ts.
 *
 * What a mark means are the rows of `backstory_parked_actions` that have its id, written down first: so no
 * count of them fills memory here, and nothing is looked at twice.
 */
import { toText } from '../../history/index.ts'
import { namedBy } from '../parking/parked-bounds.ts'
import type { ParkedSelection } from '../parking/parked-events.ts'

/** All that a list shows: no bodies, no stacks. */
const entryColumns = `number, part, state, reason, source, id, type, subject, position, error_group, error_name,
  error_code, error_message, NULL AS error_stack, attempts, retries, parked_at, due_at,
  CASE WHEN edited_properties IS NOT NULL THEN '' END AS edited_properties`

/** Its index has a hash, since a subject may be longer than an index entry. */
const sameSubject = (one: string, other: string) =>
  `hashtextextended(${one}, 0) = hashtextextended(${other}, 0) AND ${one} = ${other}`

const named = {
  number: 'number = $4::bigint',
  group: 'error_group = $4::text',
  subject: sameSubject('subject', '$4::text'),
  all: '$4::text IS NULL',
}

/** First of its subject, or failed itself. Asked once for all, and not of each. */
const waitsBehindNothing = `(reason <> 'behind' OR number IN (
  SELECT min(number) FROM backstory_parked WHERE consumer = $1 AND state = 'parked' GROUP BY part, subject))`

/** $4 of `mark()`. @throws TypeError where a selection names nothing, or what is no number or text. */
export function selected(selection: ParkedSelection): string | number | null {
  const { value } = namedBy(selection)
  return typeof value === 'string' ? toText(value) : (value ?? null)
}

/** $1 consumer, $2 state, $3 parts, $4 what is named, $5 when, $6 action, $7 reason, $8 the mark. */
export function mark(selection: ParkedSelection, { firstOnly }: { firstOnly: boolean }): string {
  return `INSERT INTO backstory_parked_actions (consumer, number, at, action, reason, mark)
    SELECT consumer, number, $5::bigint, $6::text, $7::text, $8::text FROM backstory_parked
    WHERE consumer = $1 AND state = $2 AND part = ANY ($3::text[]) AND ${named[namedBy(selection).name]}
      ${firstOnly ? `AND ${waitsBehindNothing}` : ''} ORDER BY number`
}

/** A page: $1 consumer, $2 state, $3 parts, $4 the last number, $5 events at most, $6 group, $7 subject. */
export const page = `SELECT ${entryColumns} FROM backstory_parked
  WHERE consumer = $1 AND state = $2 AND part = ANY ($3::text[]) AND number > $4
    AND ($6::text IS NULL OR error_group = $6)
    AND ($7::text IS NULL OR ${sameSubject('subject', '$7')})
  ORDER BY number LIMIT $5`

/** Of an event: $1 consumer, $2 number. */
export const row = 'SELECT * FROM backstory_parked WHERE consumer = $1 AND number = $2'
export const actions = `SELECT at, action, reason FROM backstory_parked_actions
  WHERE consumer = $1 AND number = $2 ORDER BY place`

/** Of an event's place: $1 consumer, $2 part, $3 subject, $4 number. */
export const neighbours = `SELECT min(number) FILTER (WHERE number < $4) AS head,
    count(*) FILTER (WHERE number > $4 AND reason = 'behind') AS waiting
  FROM backstory_parked
  WHERE consumer = $1 AND state = 'parked' AND part = $2 AND ${sameSubject('subject', '$3')}`

/** $1 consumer. What waits behind a subject's first failure is its group's. */
export const groups = `WITH chains AS (
    SELECT part, count(*) FILTER (WHERE reason = 'behind') AS waiting,
      (array_agg(error_group ORDER BY number) FILTER (WHERE error_group IS NOT NULL))[1] AS error_group
    FROM backstory_parked WHERE consumer = $1 AND state = 'parked' AND subject IS NOT NULL
    GROUP BY part, subject
  ), waits AS (
    SELECT error_group, part, sum(waiting) AS waiting FROM chains GROUP BY error_group, part
  ), kinds AS (
    SELECT error_group, part, count(*) AS events, count(DISTINCT subject) AS subjects,
      min(parked_at) AS first_at, max(parked_at) AS last_at, max(number) AS newest
    FROM backstory_parked WHERE consumer = $1 AND state = 'parked' AND error_group IS NOT NULL
    GROUP BY error_group, part
  )
  SELECT error_group, part, sample.error_name AS name, sample.error_code AS code,
    sample.error_message AS message, events, subjects, coalesce(waits.waiting, 0) AS waiting, first_at, last_at
  FROM kinds JOIN (SELECT number, error_name, error_code, error_message FROM backstory_parked) AS sample
    ON sample.number = kinds.newest LEFT JOIN waits USING (error_group, part)
  ORDER BY events DESC, error_group, part`

/**
 * For a mark of many. Right after they were parked PostgreSQL believes that there are few, and would go
 * through all of them for each.
 */
export const expectMany = 'SET LOCAL enable_nestloop = off'
export const manyMin = 1_000

/** The numbers of a mark, $1, and their subjects. */
const marked = 'SELECT number FROM backstory_parked_actions WHERE mark = $1'
const touched = `(SELECT DISTINCT consumer, part, subject FROM backstory_parked
  WHERE number IN (${marked}) AND subject IS NOT NULL)`
/** What is parked of a touched subject. */
const ofTouched = (one: string) => `${one}.consumer = touched.consumer AND ${one}.state = 'parked'
  AND ${one}.part = touched.part AND ${sameSubject(`${one}.subject`, 'touched.subject')}`
const countBehind = `SELECT count(*) AS events FROM ${touched} AS touched
  JOIN backstory_parked AS waiting ON ${ofTouched('waiting')} WHERE waiting.reason = 'behind'`

/** Of a mark: $1. */
export const first = `SELECT ${entryColumns} FROM backstory_parked
  WHERE number IN (${marked} ORDER BY number LIMIT $2) ORDER BY number`
export const waiting = `${countBehind}
  AND NOT EXISTS (SELECT FROM (${marked}) AS marked WHERE marked.number = waiting.number)`
export const makeDue = `UPDATE backstory_parked SET due_at = $2 WHERE number IN (${marked})`
export const discard = `UPDATE backstory_parked SET state = 'discarded', due_at = NULL, version = version + 1
  WHERE number IN (${marked})`
export const release = `UPDATE backstory_parked SET due_at = $2
  WHERE reason = 'behind' AND due_at IS NULL AND number IN (
    SELECT (SELECT number FROM backstory_parked AS left_over WHERE ${ofTouched('left_over')}
      ORDER BY number LIMIT 1)
    FROM ${touched} AS touched)`
export const restore = `UPDATE backstory_parked SET state = 'parked', version = version + 1
  WHERE number IN (${marked})`

/** $1 number, $2 properties, $3 body. */
export const edit = `UPDATE backstory_parked
  SET edited_properties = $2, edited_body = $3, version = version + 1 WHERE number = $1`
/** $1 consumer, $2 number, $3 when, $4 reason. */
export const noteEdit = `INSERT INTO backstory_parked_actions (consumer, number, at, action, reason)
  VALUES ($1, $2, $3, 'edit', $4)`

/** How many a mark, $1, means. */
export const countMarked = 'SELECT count(*) AS events FROM backstory_parked_actions WHERE mark = $1'
/** What became of a mark: $1, $2 now, $3 consumer. One that took effect is gone, or mended. */
export const outcome = `SELECT
    count(*) FILTER (WHERE state IS NULL OR state = 'mended') AS applied,
    count(*) FILTER (WHERE state = 'parked' AND due_at <= $2) AS pending,
    count(*) FILTER (WHERE state = 'parked' AND (due_at IS NULL OR due_at > $2)) AS failed,
    count(*) FILTER (WHERE state = 'discarded') AS discarded,
    (SELECT count(*) FROM backstory_parked_actions AS done
      WHERE done.place > (SELECT max(place) FROM backstory_parked_actions WHERE mark = $1)
        AND done.consumer = $3 AND done.action LIKE 'applied%'
        AND NOT EXISTS (SELECT FROM (${marked}) AS marked WHERE marked.number = done.number)) AS followed,
    (SELECT count(*) FROM backstory_parked
      WHERE consumer = $3 AND part IN ('apply', 'react') AND state = 'parked' AND reason = 'behind'
        AND due_at <= $2) AS following,
    (SELECT count(*) FROM (
        SELECT DISTINCT consumer, part, subject FROM backstory_parked
        WHERE number IN (${marked}) AND state = 'parked' AND subject IS NOT NULL
      ) AS touched JOIN backstory_parked AS waiting ON ${ofTouched('waiting')}
      WHERE waiting.reason = 'behind') AS waiting
  FROM (${marked}) AS marked LEFT JOIN backstory_parked AS parked USING (number)`
