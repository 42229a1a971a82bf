/**
 * Parked events at the swap of a rebuild: what the draft has parked takes the place of what the consumer
 * has. The discarded ones stay as they are, and so do reactions; what was done to an event stays with it.
 *
 * They get new numbers, in the draft's order: a number says what waits behind what. One that is parked no
 * longer has taken effect, as it was edited or as it was published.
 */
import type { SqliteDatabase } from '../../history/index.ts'
import { draftSchema } from './rebuild-target.ts'

export interface ParkedSwapOptions {
  readonly consumer: string
  /** Milliseconds since 1970. */
  readonly now: number
  /** When what is parked is to be retried by itself; null: when asked. */
  readonly dueAt: number | null
}

/** Swaps, within the open transaction. @returns Whether anything is or was parked. */
export function swapParked(database: SqliteDatabase, options: ParkedSwapOptions): boolean {
  const isOld = database.prepare(`SELECT EXISTS (SELECT 1 FROM main.${parkedOf})`).pluck().get(options) === 1
  const isNew =
    database.prepare(`SELECT EXISTS (SELECT 1 FROM ${draftSchema}.${parkedOf})`).pluck().get(options) === 1
  if (!isOld && !isNew) return false
  database.exec(temporaryTables)
  for (const step of steps) database.prepare(step).run(options)
  database.exec(
    'DROP TABLE temp.backstory_old; DROP TABLE temp.backstory_again; DROP TABLE temp.backstory_done',
  )
  return true
}

const parkedOf = `backstory_parked WHERE consumer = @consumer AND part = 'apply' AND state = 'parked'`

/** `old`: what may come to be parked again; `again`: what is parked now, and where it was; `done`: what is not. */
const temporaryTables = `
  CREATE TEMP TABLE backstory_old (id, source, number, PRIMARY KEY (id, source)) WITHOUT ROWID;
  CREATE TEMP TABLE backstory_again (draft INTEGER PRIMARY KEY, number, old);
  CREATE TEMP TABLE backstory_done (number INTEGER PRIMARY KEY)`

const steps = [
  `INSERT INTO temp.backstory_old
   SELECT id, source, number FROM main.backstory_parked
   WHERE consumer = @consumer AND part = 'apply' AND state <> 'discarded'`,

  `INSERT INTO temp.backstory_again
   SELECT new.number,
     (SELECT coalesce(max(seq), 0) FROM main.sqlite_sequence WHERE name = 'backstory_parked')
       + row_number() OVER (ORDER BY new.number),
     old.number
   FROM (SELECT number, id, source FROM ${draftSchema}.${parkedOf}) AS new
   LEFT JOIN temp.backstory_old AS old ON old.id = new.id AND old.source = new.source`,

  `INSERT INTO temp.backstory_done
   SELECT number FROM main.${parkedOf}
     AND number NOT IN (SELECT old FROM temp.backstory_again WHERE old IS NOT NULL)`,

  `INSERT INTO main.backstory_parked (number, consumer, part, reason, source, id, type, subject, position,
     error_group, error_name, error_code, error_message, error_stack, attempts, parked_at, due_at, exchange,
     routing_key, properties, body, edited_properties, edited_body)
   SELECT again.number, new.consumer, new.part, new.reason, new.source, new.id, new.type, new.subject,
     new.position, new.error_group, new.error_name, new.error_code, new.error_message, new.error_stack,
     new.attempts, coalesce(old.parked_at, new.parked_at), iif(new.reason = 'behind', NULL, @dueAt),
     new.exchange, new.routing_key, coalesce(old.properties, new.properties), coalesce(old.body, new.body),
     old.edited_properties, old.edited_body
   FROM temp.backstory_again AS again
   JOIN ${draftSchema}.backstory_parked AS new ON new.number = again.draft
   LEFT JOIN main.backstory_parked AS old ON old.number = again.old
   ORDER BY again.number`,

  `UPDATE main.backstory_parked_actions AS action SET number = again.number FROM temp.backstory_again AS again
   WHERE again.old IS NOT NULL AND action.consumer = @consumer AND action.number = again.old`,

  `INSERT INTO main.backstory_parked_actions (consumer, number, at, action, reason)
   SELECT consumer, number, @now, iif(edited_properties IS NULL, 'applied', 'applied as edited'), 'rebuilt'
   FROM main.backstory_parked WHERE number IN (SELECT number FROM temp.backstory_done)`,

  // An edited one stays, so that the next rebuild can do the same again.
  `UPDATE main.backstory_parked SET state = 'mended', due_at = NULL
   WHERE number IN (SELECT number FROM temp.backstory_done) AND edited_properties IS NOT NULL`,

  `DELETE FROM main.backstory_parked
   WHERE number IN (SELECT number FROM temp.backstory_done) AND edited_properties IS NULL
     OR number IN (SELECT old FROM temp.backstory_again WHERE old IS NOT NULL)`,
]
