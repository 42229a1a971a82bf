/** The parking lot in a consumer's SQLite store. */
import { decodeProperties, encodeProperties, type Identity, type Message } from '../../events/index.ts'
import type { SqliteDatabase } from '../../history/index.ts'
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

/** A row of `backstory_parked`. */
export interface ParkedRow {
  readonly number: number
  readonly part: Part
  readonly state: 'parked' | 'discarded' | 'mended'
  readonly reason: ParkReason
  readonly source: string
  readonly id: string
  readonly type: string
  readonly subject: string | null
  readonly position: number | null
  readonly error_group: string | null
  readonly error_name: string | null
  readonly error_code: string | null
  readonly error_message: string | null
  readonly error_stack: string | null
  readonly attempts: number
  readonly retries: number
  readonly parked_at: number
  readonly due_at: number | null
  readonly exchange: string
  readonly routing_key: string
  readonly properties: string
  readonly body: Buffer
  readonly edited_properties: string | null
  readonly edited_body: Buffer | null
  readonly version: number
}

export class SqliteParking implements ParkingTransaction {
  readonly #consumer: string
  readonly #statements: ReturnType<typeof prepareStatements>
  /** While nothing is parked, as is usual, there is nothing to look up. */
  #mayHaveRows = true

  constructor(database: SqliteDatabase, consumer: string) {
    this.#consumer = consumer
    this.#statements = prepareStatements(database)
  }

  /** The transaction was rolled back, or another hand may have been here. */
  forget(): void {
    this.#mayHaveRows = true
  }

  async held(part: Part, subjects: readonly string[]): Promise<ReadonlySet<string>> {
    const held = new Set<string>()
    if (!this.#mayHaveRows) return held
    this.#mayHaveRows = this.#statements.any.get(this.#consumer) !== undefined
    if (!this.#mayHaveRows) return held
    for (const subject of new Set(subjects))
      if (this.#statements.held.get(this.#consumer, part, subject) !== undefined) held.add(subject)
    return held
  }

  async park(events: readonly NewParked[]): Promise<void> {
    this.#mayHaveRows = true
    for (const { part, reason, event, position, error, attempts, parkedAt, dueAt } of events) {
      const { exchange, routingKey, properties, body } = event.message
      this.#statements.park.run({
        consumer: this.#consumer,
        part,
        reason,
        source: event.source,
        id: event.id,
        type: event.type,
        subject: event.subject ?? null,
        position: position ?? null,
        ...errorColumns(error),
        attempts,
        parkedAt,
        dueAt: dueAt ?? null,
        exchange,
        routingKey,
        properties: encodeProperties(properties),
        body,
      })
    }
  }

  async missing(part: Part, identities: readonly Identity[]): Promise<boolean[]> {
    return identities.map(
      ({ id, source }) => this.#statements.missing.get(this.#consumer, id, part, source) !== undefined,
    )
  }

  async due(part: Part, { now, limit }: { now: number; limit: number }): Promise<ParkedEvent[]> {
    const { heads, chain } = this.#statements
    const due = new Map<number, ParkedRow>()
    for (const head of heads.all(this.#consumer, part, now, limit) as ParkedRow[]) {
      if (due.size >= limit) break
      due.set(head.number, head)
      if (head.subject === null) continue
      const behind = chain.all(this.#consumer, part, head.subject, head.number, limit - due.size)
      for (const row of behind as ParkedRow[]) {
        // One that has failed itself and is not due: it and what follows wait.
        if (row.reason !== 'behind' && (row.due_at === null || row.due_at > now)) break
        due.set(row.number, row)
      }
    }
    return [...due.values()].sort((one, other) => one.number - other.number).map(toParked)
  }

  async failed(
    { number, version }: Pick<ParkedEvent, 'number' | 'version'>,
    { reason, error, attempts, dueAt, retries }: Parameters<ParkingTransaction['failed']>[1],
  ): Promise<void> {
    this.#statements.failed.run({
      consumer: this.#consumer,
      number,
      version,
      reason,
      ...errorColumns(error),
      attempts,
      retries,
      dueAt: dueAt ?? null,
    })
  }

  async resolve(events: readonly ParkedEvent[], now: number): Promise<number> {
    const { drop, mend, release, act } = this.#statements
    let resolved = 0
    for (const { number, edited, version } of events) {
      // An edited one stays, so that a rebuild can do the same again.
      const { changes } = (edited ? mend : drop).run(this.#consumer, number, version)
      if (changes === 0) continue
      act.run(this.#consumer, number, now, edited ? 'applied as edited' : 'applied')
      resolved += 1
    }
    const subjects = new Map(events.map(({ part, subject }) => [`${part} ${subject}`, { part, subject }]))
    for (const { part, subject } of subjects.values())
      if (subject !== undefined) release.run({ consumer: this.#consumer, part, subject, now })
    return resolved
  }

  async erase(events: readonly ErasedIdentity[], now: number): Promise<{ replayed: number; live: number }> {
    const dropped = { replayed: 0, live: 0 }
    for (const { source, id, subject } of events) {
      const rows = this.#statements.erase.all(this.#consumer, id, source) as Pick<
        ParkedRow,
        'part' | 'state' | 'position'
      >[]
      for (const { part, state, position } of rows) {
        if (part === 'apply' && state !== 'mended') dropped[position === null ? 'live' : 'replayed'] += 1
        if (subject !== undefined)
          this.#statements.release.run({ consumer: this.#consumer, part, subject, now })
      }
    }
    return dropped
  }

  async counts(): Promise<ParkingCounts> {
    return toCounts(this.#statements.counts.all(this.#consumer) as CountRow[])
  }
}

interface CountRow {
  readonly what: string
  readonly events: number
}

const selectCounts = `
  SELECT state || ' ' || part AS what, count(*) AS events FROM backstory_parked
  WHERE consumer = ? GROUP BY state, part`

export function countParked(database: SqliteDatabase, consumer: string): ParkingCounts {
  return toCounts(database.prepare(selectCounts).all(consumer) as CountRow[])
}

function toCounts(rows: readonly CountRow[]): ParkingCounts {
  const of = (what: string) => rows.find((row) => row.what === what)?.events ?? 0
  return { parked: of('parked apply'), reactions: of('parked react'), discarded: of('discarded apply') }
}

export function toParked(row: ParkedRow): ParkedEvent {
  return { ...parkedFields(row), version: row.version, message: messageOf(row) }
}

/** All but the message. */
export function parkedFields(
  row: Omit<ParkedRow, 'exchange' | 'routing_key' | 'properties' | 'body' | 'edited_body' | 'version'>,
): Omit<ParkedEvent, 'message' | 'version'> {
  return {
    number: row.number,
    part: row.part,
    reason: row.reason,
    source: row.source,
    id: row.id,
    type: row.type,
    subject: row.subject ?? undefined,
    position: row.position ?? undefined,
    error: toError(row),
    attempts: row.attempts,
    retries: row.retries,
    parkedAt: row.parked_at,
    dueAt: row.due_at ?? undefined,
    edited: row.edited_properties !== null,
  }
}

/** What a retry gives to the handler: as edited, or as published. */
function messageOf(row: ParkedRow): Message {
  return {
    exchange: row.exchange,
    routingKey: row.routing_key,
    properties: decodeProperties(row.edited_properties ?? row.properties),
    body: row.edited_body ?? row.body,
  }
}

function toError(row: Parameters<typeof parkedFields>[0]): ParkedError | undefined {
  if (row.error_group === null) return undefined
  return {
    name: row.error_name!,
    code: row.error_code ?? undefined,
    message: row.error_message!,
    stack: row.error_stack ?? undefined,
    group: row.error_group,
  }
}

function errorColumns(error: ParkedError | undefined) {
  return {
    group: error?.group ?? null,
    name: error?.name ?? null,
    code: error?.code ?? null,
    message: error?.message ?? null,
    stack: error?.stack ?? null,
  }
}

/** What of a subject stands first becomes due; what else waits, waits for that. */
const releaseFirst = `
  UPDATE backstory_parked SET due_at = @now WHERE number = (
    SELECT number FROM backstory_parked
    WHERE consumer = @consumer AND state = 'parked' AND part = @part AND subject = @subject
    ORDER BY number LIMIT 1
  ) AND reason = 'behind'`

function prepareStatements(database: SqliteDatabase) {
  return {
    any: database.prepare(`SELECT 1 FROM backstory_parked WHERE consumer = ? AND state = 'parked' LIMIT 1`),
    held: database.prepare(
      `SELECT 1 FROM backstory_parked WHERE consumer = ? AND state = 'parked' AND part = ? AND subject = ? LIMIT 1`,
    ),
    park: database.prepare(
      `INSERT INTO backstory_parked (consumer, part, reason, source, id, type, subject, position, error_group,
         error_name, error_code, error_message, error_stack, attempts, parked_at, due_at, exchange,
         routing_key, properties, body)
       VALUES (@consumer, @part, @reason, @source, @id, @type, @subject, @position, @group, @name, @code,
         @message, @stack, @attempts, @parkedAt, @dueAt, @exchange, @routingKey, @properties, @body)`,
    ),
    missing: database.prepare(
      `SELECT 1 FROM backstory_parked
       WHERE consumer = ? AND id = ? AND part = ? AND source = ? AND state <> 'mended' LIMIT 1`,
    ),
    heads: database.prepare(
      `SELECT * FROM backstory_parked
       WHERE consumer = ? AND part = ? AND state = 'parked' AND due_at <= ? ORDER BY due_at, number LIMIT ?`,
    ),
    chain: database.prepare(
      `SELECT * FROM backstory_parked
       WHERE consumer = ? AND state = 'parked' AND part = ? AND subject = ? AND number > ?
       ORDER BY number LIMIT ?`,
    ),
    failed: database.prepare(
      `UPDATE backstory_parked SET reason = @reason, error_group = @group, error_name = @name,
         error_code = @code, error_message = @message, error_stack = @stack, attempts = @attempts,
         retries = @retries, due_at = @dueAt
       WHERE number = @number AND consumer = @consumer AND state = 'parked' AND version = @version`,
    ),
    drop: database.prepare(
      `DELETE FROM backstory_parked WHERE consumer = ? AND number = ? AND state = 'parked' AND version = ?`,
    ),
    mend: database.prepare(
      `UPDATE backstory_parked SET state = 'mended', due_at = NULL
       WHERE consumer = ? AND number = ? AND state = 'parked' AND version = ?`,
    ),
    release: database.prepare(releaseFirst),
    erase: database.prepare(
      'DELETE FROM backstory_parked WHERE consumer = ? AND id = ? AND source = ? RETURNING part, state, position',
    ),
    act: database.prepare(
      'INSERT INTO backstory_parked_actions (consumer, number, at, action) VALUES (?, ?, ?, ?)',
    ),
    counts: database.prepare(selectCounts),
  }
}
