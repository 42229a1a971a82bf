/** The parking lot in a consumer's PostgreSQL store. */
import type { Identity } from '../../events/index.ts'
import { fromText, toText } from '../../history/index.ts'
import type {
  ErasedIdentity,
  NewParked,
  ParkedError,
  ParkedEvent,
  ParkingCounts,
  ParkingTransaction,
  ParkReason,
  Part,
} from '../parking/parking.ts'
import { type MessageRow, messageColumns, toMessage } from './postgres-reactions.ts'
import type { PostgresSession } from './postgres-session.ts'

/** A row of `backstory_parked`. */
export interface ParkedRow extends MessageRow {
  readonly number: string
  readonly part: Part
  readonly state: 'parked' | 'discarded' | 'mended'
  readonly reason: ParkReason
  readonly source: string
  readonly id: string
  readonly type: string
  readonly subject: string | null
  readonly position: string | null
  readonly error_group: string | null
  readonly error_name: string | null
  readonly error_code: string | null
  readonly error_message: string | null
  readonly error_stack: string | null
  readonly attempts: number
  readonly retries: number
  readonly parked_at: string
  readonly due_at: string | null
  readonly edited_properties: string | null
  readonly edited_body: Buffer | null
  readonly version: number
}

export interface CountRow {
  readonly what: string
  readonly events: string
}

export class PostgresParking implements ParkingTransaction {
  readonly #session: PostgresSession
  readonly #consumer: string
  /** While nothing is parked, as is usual, there is nothing to look up. */
  #mayHaveRows = true

  constructor(session: PostgresSession, consumer: string) {
    this.#session = session
    this.#consumer = consumer
  }

  /** The transaction was rolled back, or another hand may have been here. */
  forget(): void {
    this.#mayHaveRows = true
  }

  async held(part: Part, subjects: readonly string[]): Promise<ReadonlySet<string>> {
    if (!this.#mayHaveRows) return new Set()
    const wanted = [...new Set(subjects)].map(toText)
    const [any, rows] = await Promise.all([
      this.#session.rows(anyParked, [this.#consumer]),
      this.#session.rows<{ subject: string }>(held, [this.#consumer, part, wanted]),
    ])
    this.#mayHaveRows = any.length > 0
    return new Set(rows.map(({ subject }) => fromText(subject)))
  }

  async park(events: readonly NewParked[]): Promise<void> {
    this.#mayHaveRows = true
    for (const { part, reason, event, position, error, attempts, parkedAt, dueAt } of events) {
      this.#session.send(park, [
        this.#consumer,
        part,
        reason,
        toText(event.source),
        toText(event.id),
        toText(event.type),
        textOrNull(event.subject),
        position ?? null,
        ...errorColumns(error),
        attempts,
        parkedAt,
        dueAt ?? null,
        ...messageColumns(event.message),
      ])
    }
  }

  async missing(part: Part, identities: readonly Identity[]): Promise<boolean[]> {
    const ids = identities.map(({ id }) => toText(id))
    const sources = identities.map(({ source }) => toText(source))
    const rows = await this.#session.rows<{ place: string }>(missing, [this.#consumer, part, ids, sources])
    const found = new Set(rows.map(({ place }) => Number(place)))
    return identities.map((_identity, index) => found.has(index + 1))
  }

  async due(part: Part, { now, limit }: { now: number; limit: number }): Promise<ParkedEvent[]> {
    if (!this.#mayHaveRows) return []
    const rows = await this.#session.rows<ParkedRow>(due, [this.#consumer, part, now, limit])
    return rows.map(toParked)
  }

  async failed(
    { number, version }: Pick<ParkedEvent, 'number' | 'version'>,
    { reason, error, attempts, dueAt, retries }: Parameters<ParkingTransaction['failed']>[1],
  ): Promise<void> {
    this.#session.send(failed, [
      this.#consumer,
      number,
      reason,
      ...errorColumns(error),
      attempts,
      retries,
      dueAt ?? null,
      version,
    ])
  }

  async resolve(events: readonly ParkedEvent[], now: number): Promise<number> {
    let resolved = 0
    for (const wasEdited of [false, true]) {
      const these = events.filter(({ edited }) => edited === wasEdited)
      if (these.length === 0) continue
      const [numbers, versions] = [these.map(({ number }) => number), these.map(({ version }) => version)]
      const action = wasEdited ? 'applied as edited' : 'applied'
      // An edited one stays, so that a rebuild can do the same again.
      const [done] = await this.#session.rows<{ resolved: string }>(wasEdited ? mend : drop, [
        this.#consumer,
        numbers,
        versions,
        now,
        action,
      ])
      resolved += Number(done!.resolved)
    }
    for (const part of ['apply', 'react'] as const) {
      const subjects = new Set(events.filter((event) => event.part === part).map(({ subject }) => subject))
      const freed = [...subjects].filter((subject) => subject !== undefined).map(toText)
      if (freed.length > 0) this.#session.send(release, [this.#consumer, part, freed, now])
    }
    return resolved
  }

  async erase(events: readonly ErasedIdentity[], now: number): Promise<{ replayed: number; live: number }> {
    const dropped = { replayed: 0, live: 0 }
    const rows = await this.#session.rows<ErasedRow>(erase, [
      this.#consumer,
      events.map(({ id }) => toText(id)),
      events.map(({ source }) => toText(source)),
    ])
    for (const { part, state, subject, position } of rows) {
      if (part === 'apply' && state !== 'mended') dropped[position === null ? 'live' : 'replayed'] += 1
      if (subject !== null) this.#session.send(release, [this.#consumer, part, [subject], now])
    }
    return dropped
  }

  async counts(): Promise<ParkingCounts> {
    const counts = toCounts(await this.#session.rows<CountRow>(countParked, [this.#consumer]))
    // Another hand may have restored what was discarded.
    this.#mayHaveRows ||= counts.parked + counts.reactions > 0
    return counts
  }
}

export function toCounts(rows: readonly CountRow[]): ParkingCounts {
  const of = (what: string) => Number(rows.find((row) => row.what === what)?.events ?? 0)
  return { parked: of('parked apply'), reactions: of('parked react'), discarded: of('discarded apply') }
}

export function toParked(row: ParkedRow): ParkedEvent {
  const { edited_properties, edited_body, properties, body, version } = row
  const message = toMessage({
    ...row,
    properties: edited_properties ?? properties,
    body: edited_body ?? body,
  })
  return { ...parkedFields(row), version, message }
}

/** All but the message. */
export function parkedFields(
  row: Omit<ParkedRow, keyof MessageRow | 'edited_body' | 'version'>,
): Omit<ParkedEvent, 'message' | 'version'> {
  return {
    number: Number(row.number),
    part: row.part,
    reason: row.reason,
    source: fromText(row.source),
    id: fromText(row.id),
    type: fromText(row.type),
    subject: row.subject === null ? undefined : fromText(row.subject),
    position: row.position === null ? undefined : Number(row.position),
    error: toError(row),
    attempts: row.attempts,
    retries: row.retries,
    parkedAt: Number(row.parked_at),
    dueAt: row.due_at === null ? undefined : Number(row.due_at),
    edited: row.edited_properties !== null,
  }
}

function toError(row: Parameters<typeof parkedFields>[0]): ParkedError | undefined {
  if (row.error_group === null) return undefined
  return {
    name: fromText(row.error_name!),
    code: row.error_code === null ? undefined : fromText(row.error_code),
    message: fromText(row.error_message!),
    stack: row.error_stack === null ? undefined : fromText(row.error_stack),
    group: row.error_group,
  }
}

/** Group, name, code, message and stack. */
function errorColumns(error: ParkedError | undefined): (string | null)[] {
  return [
    error?.group ?? null,
    textOrNull(error?.name),
    textOrNull(error?.code),
    textOrNull(error?.message),
    textOrNull(error?.stack),
  ]
}

function textOrNull(text: string | undefined): string | null {
  return text === undefined ? null : toText(text)
}

const anyParked = {
  name: 'backstory_any_parked',
  text: `SELECT FROM backstory_parked WHERE consumer = $1 AND state = 'parked' LIMIT 1`,
}
/** What of a subject is parked. Its index has a hash, since a subject may be longer than an index entry. */
const ofSubject = `consumer = $1 AND state = 'parked' AND part = $2
  AND hashtextextended(subject, 0) = hashtextextended(wanted.name, 0) AND subject = wanted.name`
const held = {
  name: 'backstory_held',
  text: `SELECT wanted.name AS subject FROM unnest($3::text[]) AS wanted (name)
    WHERE EXISTS (SELECT FROM backstory_parked WHERE ${ofSubject})`,
}
const park = {
  name: 'backstory_park',
  text: `INSERT INTO backstory_parked (consumer, part, reason, source, id, type, subject, position, error_group,
      error_name, error_code, error_message, error_stack, attempts, parked_at, due_at, exchange, routing_key,
      properties, body)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)`,
}
const missing = {
  name: 'backstory_missing',
  text: `SELECT wanted.place
    FROM unnest($3::text[], $4::text[]) WITH ORDINALITY AS wanted (id, source, place)
    WHERE EXISTS (
      SELECT FROM backstory_parked AS parked
      WHERE consumer = $1 AND hashtextextended(parked.id, 0) = hashtextextended(wanted.id, 0)
        AND parked.id = wanted.id AND part = $2 AND parked.source = wanted.source AND state <> 'mended'
    )`,
}
const due = {
  name: 'backstory_due',
  // Of each subject so many at most, and none behind one that is not due: a long chain is not read to its end.
  text: `WITH heads AS MATERIALIZED (
      SELECT number, subject FROM backstory_parked
      WHERE consumer = $1 AND part = $2 AND state = 'parked' AND due_at <= $3
      ORDER BY due_at, number LIMIT $4
    ), chained AS (
      SELECT chain.number FROM heads CROSS JOIN LATERAL (
        SELECT number, bool_and(reason = 'behind' OR coalesce(due_at <= $3, false)) OVER (ORDER BY number) AS may_run FROM (
          SELECT number, reason, due_at FROM backstory_parked
          WHERE consumer = $1 AND state = 'parked' AND part = $2
            AND hashtextextended(subject, 0) = hashtextextended(heads.subject, 0) AND subject = heads.subject
            AND number > heads.number
          ORDER BY number LIMIT $4
        ) AS behind
      ) AS chain WHERE chain.may_run
    ), chosen AS (
      SELECT number FROM heads UNION SELECT number FROM chained ORDER BY number LIMIT $4
    )
    SELECT * FROM backstory_parked WHERE number IN (SELECT number FROM chosen) ORDER BY number`,
}
const failed = {
  name: 'backstory_failed',
  text: `UPDATE backstory_parked SET reason = $3, error_group = $4, error_name = $5, error_code = $6,
      error_message = $7, error_stack = $8, attempts = $9, retries = $10, due_at = $11
    WHERE consumer = $1 AND number = $2 AND state = 'parked' AND version = $12`,
}
/** Those that are still as they were read, written down as `$5` and counted. */
const resolved = `(SELECT * FROM unnest($2::bigint[], $3::integer[]) AS wanted (number, version))`
const acted = `acted AS (
      INSERT INTO backstory_parked_actions (consumer, number, at, action)
      SELECT $1, number, $4::bigint, $5::text FROM done
    ) SELECT count(*) AS resolved FROM done`
const drop = {
  name: 'backstory_unpark',
  text: `WITH done AS (
      DELETE FROM backstory_parked AS parked USING ${resolved} AS wanted
      WHERE consumer = $1 AND parked.number = wanted.number AND state = 'parked'
        AND parked.version = wanted.version RETURNING parked.number
    ), ${acted}`,
}
const mend = {
  name: 'backstory_mend',
  text: `WITH done AS (
      UPDATE backstory_parked AS parked SET state = 'mended', due_at = NULL FROM ${resolved} AS wanted
      WHERE consumer = $1 AND parked.number = wanted.number AND state = 'parked'
        AND parked.version = wanted.version RETURNING parked.number
    ), ${acted}`,
}
/** What of a subject stands first becomes due; what else waits, waits for that. */
interface ErasedRow {
  readonly part: string
  readonly state: string
  /** As it is stored. */
  readonly subject: string | null
  readonly position: string | null
}

const erase = {
  name: 'backstory_parked_erase',
  text: `DELETE FROM backstory_parked WHERE consumer = $1 AND hashtextextended(id, 0) IN (
      SELECT hashtextextended(name, 0) FROM unnest($2::text[]) AS wanted (name))
    AND (id, source) IN (SELECT * FROM unnest($2::text[], $3::text[]))
    RETURNING part, state, subject, position`,
}
const release = {
  name: 'backstory_release',
  text: `UPDATE backstory_parked SET due_at = $4 WHERE reason = 'behind' AND number IN (
      SELECT (SELECT number FROM backstory_parked WHERE ${ofSubject} ORDER BY number LIMIT 1)
      FROM unnest($3::text[]) AS wanted (name)
    )`,
}
export const countParked = {
  name: 'backstory_count_parked',
  text: `SELECT state || ' ' || part AS what, count(*) AS events FROM backstory_parked
    WHERE consumer = $1 GROUP BY state, part`,
}
