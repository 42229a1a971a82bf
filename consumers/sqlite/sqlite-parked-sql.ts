/** The statements of sqlite-parked-events.ts. */
import { namedBy } from '../parking/parked-bounds.ts'
import type { ParkedSelection, ParkedState } from '../parking/parked-events.ts'

/** The numbers that a mark means: a table of the connection's own, so that no count of them fills memory. */
export const chosen = 'temp.backstory_chosen'

/** All that a list shows: no bodies, no stacks. */
const entryColumns = `number, part, state, reason, source, id, type, subject, position, error_group, error_name,
  error_code, error_message, NULL AS error_stack, attempts, retries, parked_at, due_at,
  iif(edited_properties IS NULL, NULL, '{}') AS edited_properties`

export type Bindings = Readonly<Record<string, string | number | Buffer | null>>

/** @throws TypeError for a selection that names nothing. */
export function selectionWhere(selection: ParkedSelection, state: ParkedState): string {
  const parts = `consumer = @consumer AND state = '${parkedStates[state]}' AND part IN (@part, @otherPart)`
  return `${parts}${namedWhere[namedBy(selection).name]}`
}

const namedWhere = {
  number: ' AND number = @number',
  group: ' AND error_group = @group',
  subject: ' AND subject = @subject',
  all: '',
}

/** @throws TypeError where what it names is no number or text. */
export function selectionBindings(selection: ParkedSelection, consumer: string): Bindings {
  const { name, value } = namedBy(selection)
  const parts = { part: selection.part ?? 'apply', otherPart: selection.part ?? 'react' }
  return { consumer, ...parts, ...(value !== undefined && { [name]: value }) }
}

/** A page of one part, in the order of an index, or of the table itself where no index has it. */
export function pageOf({
  state,
  group,
  subject,
}: {
  state: ParkedState
  group: string | undefined
  subject: string | undefined
}): string {
  const conditions = [
    `consumer = @consumer AND state = '${parkedStates[state]}' AND part = @part AND number > @after`,
    ...(group === undefined ? [] : ['error_group = @group']),
    ...(subject === undefined ? [] : ['subject = @subject']),
  ]
  const index = group === undefined && subject === undefined ? 'NOT INDEXED' : ''
  return `SELECT ${entryColumns} FROM backstory_parked ${index}
    WHERE ${conditions.join(' AND ')} ORDER BY number LIMIT @limit`
}

/** What goes into a statement as text. */
const parkedStates: Readonly<Record<ParkedState, string>> = {
  parked: 'parked',
  discarded: 'discarded',
  mended: 'mended',
}

/** The subjects of what was chosen, and all that is parked of them: nothing else is looked at. */
const chosenSubjects = `(SELECT DISTINCT consumer, part, subject FROM backstory_parked
  WHERE number IN (SELECT number FROM ${chosen}) AND subject IS NOT NULL)`

const ofSubject = (row: string) =>
  `${row}.consumer = touched.consumer AND ${row}.state = 'parked' AND ${row}.part = touched.part
   AND ${row}.subject = touched.subject`

export const sql = {
  makeChosen: 'CREATE TEMP TABLE IF NOT EXISTS backstory_chosen (number INTEGER PRIMARY KEY)',
  row: 'SELECT * FROM backstory_parked WHERE consumer = @consumer AND number = @number',
  actions: `SELECT at, action, reason FROM backstory_parked_actions
       WHERE consumer = @consumer AND number = @number ORDER BY rowid`,
  head: `SELECT min(number) AS head FROM backstory_parked WHERE consumer = @consumer AND state = 'parked'
           AND part = @part AND subject = @subject AND number < @number`,
  behindIt: `SELECT count(*) FROM backstory_parked WHERE consumer = @consumer AND state = 'parked'
           AND part = @part AND subject = @subject AND number > @number AND reason = 'behind'`,
  groups: `WITH failed AS MATERIALIZED (
         SELECT error_group, part, subject, number, parked_at FROM backstory_parked
         WHERE consumer = @consumer AND state = 'parked' AND error_group IS NOT NULL
       ), chains AS MATERIALIZED (
         SELECT part, subject, count(*) AS waiting FROM backstory_parked
         WHERE consumer = @consumer AND state = 'parked' AND part IN ('apply', 'react') AND reason = 'behind'
         GROUP BY part, subject
       ), heads AS (
         SELECT part, subject, error_group, min(number) FROM failed WHERE subject IS NOT NULL GROUP BY part, subject
       ), waits AS MATERIALIZED (
         SELECT heads.error_group, heads.part, sum(waiting) AS waiting
         FROM chains JOIN heads ON heads.part = chains.part AND heads.subject = chains.subject
         GROUP BY heads.error_group, heads.part
       ), kinds AS (
         SELECT error_group, part, count(*) AS events, count(DISTINCT subject) AS subjects,
           min(parked_at) AS first_at, max(parked_at) AS last_at, max(number) AS newest
         FROM failed GROUP BY error_group, part
       )
       SELECT kinds.error_group AS "group", kinds.part, sample.error_name AS name, sample.error_code AS code,
         sample.error_message AS message, kinds.events, kinds.subjects, coalesce(waits.waiting, 0) AS waiting,
         kinds.first_at AS firstAt, kinds.last_at AS lastAt
       FROM kinds JOIN backstory_parked AS sample ON sample.number = kinds.newest
       LEFT JOIN waits ON waits.error_group = kinds.error_group AND waits.part = kinds.part
       ORDER BY kinds.events DESC, kinds.error_group, kinds.part`,
  clear: `DELETE FROM ${chosen}`,
  first: `SELECT ${entryColumns} FROM backstory_parked
       WHERE number IN (SELECT number FROM ${chosen} ORDER BY number LIMIT @limit) ORDER BY number`,
  waiting: `SELECT count(*) FROM ${chosenSubjects} AS touched CROSS JOIN backstory_parked AS waiting
         WHERE ${ofSubject('waiting')} AND waiting.reason = 'behind'
           AND waiting.number NOT IN (SELECT number FROM ${chosen})`,
  makeDue: `UPDATE backstory_parked SET due_at = @at WHERE number IN (SELECT number FROM ${chosen})`,
  discard: `UPDATE backstory_parked SET state = 'discarded', due_at = NULL, version = version + 1
       WHERE number IN (SELECT number FROM ${chosen})`,
  release: `UPDATE backstory_parked SET due_at = @now WHERE reason = 'behind' AND due_at IS NULL AND number IN (
         SELECT (SELECT number FROM backstory_parked AS left_over WHERE ${ofSubject('left_over')}
                 ORDER BY number LIMIT 1)
         FROM ${chosenSubjects} AS touched)`,
  restore: `UPDATE backstory_parked SET state = 'parked', version = version + 1
       WHERE number IN (SELECT number FROM ${chosen})`,
  edit: `UPDATE backstory_parked SET edited_properties = @properties, edited_body = @body, version = version + 1
       WHERE number = @number`,
  act: `INSERT INTO backstory_parked_actions (consumer, number, at, action, reason)
       VALUES (@consumer, @number, @at, @action, @reason)`,
  actAll: `INSERT INTO backstory_parked_actions (consumer, number, at, action, reason, mark)
       SELECT @consumer, number, @now, @action, @reason, @mark FROM ${chosen}`,
  // One that took effect is gone, or mended.
  outcome: `SELECT count(*) FILTER (WHERE state IS NULL OR state = 'mended') AS applied,
         count(*) FILTER (WHERE state = 'parked' AND due_at <= @now) AS pending,
         count(*) FILTER (WHERE state = 'parked' AND (due_at IS NULL OR due_at > @now)) AS failed,
         count(*) FILTER (WHERE state = 'discarded') AS discarded
       FROM backstory_parked_actions AS marked LEFT JOIN backstory_parked AS parked
         ON parked.number = marked.number
       WHERE marked.mark = @mark`,
  followed: `SELECT count(*) FROM backstory_parked_actions AS done
         WHERE done.rowid > (SELECT max(rowid) FROM backstory_parked_actions WHERE mark = @mark)
           AND done.consumer = @consumer AND done.action LIKE 'applied%'
           AND NOT EXISTS (SELECT 1 FROM backstory_parked_actions AS marked
             WHERE marked.consumer = done.consumer AND marked.number = done.number AND marked.mark = @mark)`,
  following: `SELECT count(*) FROM backstory_parked
         WHERE consumer = @consumer AND part IN ('apply', 'react') AND state = 'parked' AND reason = 'behind'
           AND due_at <= @now`,
  stillBehind: `SELECT count(*) FROM (
           SELECT DISTINCT parked.consumer, parked.part, parked.subject
           FROM backstory_parked_actions AS marked JOIN backstory_parked AS parked
             ON parked.number = marked.number
           WHERE marked.mark = @mark AND parked.state = 'parked' AND parked.subject IS NOT NULL
         ) AS touched CROSS JOIN backstory_parked AS waiting
         WHERE ${ofSubject('waiting')} AND waiting.reason = 'behind'`,
}
