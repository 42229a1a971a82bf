/**
 * Parked events in a consumer's PostgreSQL store, on a connection of their own.
 *
 * Whoever marks has the consumer's row locked, as each transaction of the working instance has: so a mark
 * falls between two of these, and what was edited or discarded while it was being tried has another version.
 */
import { randomBytes } from 'node:crypto'
import { encodeProperties } from '../../events/index.ts'
import { fromText, openPostgres, type PostgresClient, shownAddress, toText } from '../../history/index.ts'
import { chooseConsumer } from '../choose-consumer.ts'
import { ConsumerError } from '../errors.ts'
import { checkAt, checkLimit, checkReason, firstMax } from '../parking/parked-bounds.ts'
import { changeMessage, type ParkedChange } from '../parking/parked-change.ts'
import type {
  MarkOptions,
  ParkedDetails,
  ParkedEntry,
  ParkedEvents,
  ParkedGroup,
  ParkedList,
  ParkedMark,
  ParkedOutcome,
  ParkedSelection,
  ParkedState,
} from '../parking/parked-events.ts'
import type { Part } from '../parking/parking.ts'
import { consumersIn } from './postgres-consumers.ts'
import { guard } from './postgres-failure.ts'
import * as sql from './postgres-parked-sql.ts'
import { type ParkedRow, parkedFields, toParked } from './postgres-parking.ts'
import { toMessage } from './postgres-reactions.ts'
import { makeTables } from './postgres-tables.ts'

const turnWaitMs = 10_000
const connection = { name: 'backstory parked events' }

/** @throws as `openParkedEvents` does. */
export async function openPostgresParkedEvents({
  store: url,
  consumer,
}: {
  store: string
  consumer?: string | undefined
}): Promise<ParkedEvents> {
  return await guard(url, async () => {
    const client = await openPostgres(url, connection)
    try {
      const name = chooseConsumer(await consumersIn(client), { store: shownAddress(url), consumer })
      // Those of an older store lack a column.
      await makeTables(client)
      return new PostgresParkedEvents(client, { url, consumer: name })
    } catch (error) {
      await client.end()
      throw error
    }
  })
}

class PostgresParkedEvents implements ParkedEvents {
  readonly consumer: string
  readonly #url: string
  /** Undefined once it was lost: the next one is opened when it is needed. */
  #client: PostgresClient | undefined
  #isClosed = false
  /** One transaction at a time: the newest one's end. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(client: PostgresClient, { url, consumer }: { url: string; consumer: string }) {
    this.consumer = consumer
    this.#url = url
    this.#keep(client)
  }

  async list({
    group,
    subject,
    part,
    state = 'parked',
    after = 0,
    limit = 100,
  }: ParkedList = {}): Promise<ParkedEntry[]> {
    checkLimit(limit)
    const named = [group ?? null, subject === undefined ? null : toText(subject)]
    return await this.#read(async (client) => {
      const values = [this.consumer, state, partsOf(part), after, limit, ...named]
      return (await client.query<EntryRow>(sql.page, values)).rows.map(toEntry)
    })
  }

  async get(number: number): Promise<ParkedDetails | undefined> {
    return await this.#read((client) => this.#details(client, number))
  }

  async groups(): Promise<ParkedGroup[]> {
    const { rows } = await this.#read((client) => client.query<GroupRow>(sql.groups, [this.consumer]))
    return rows.map((row) => ({
      group: row.error_group,
      part: row.part,
      name: fromText(row.name),
      code: row.code === null ? undefined : fromText(row.code),
      message: fromText(row.message),
      events: Number(row.events),
      subjects: Number(row.subjects),
      waiting: Number(row.waiting),
      firstAt: Number(row.first_at),
      lastAt: Number(row.last_at),
    }))
  }

  async retry(
    selection: ParkedSelection,
    { at, ...options }: MarkOptions & { readonly at?: Date | undefined } = {},
  ): Promise<ParkedMark> {
    checkAt(at)
    const marking = {
      state: 'parked',
      action: at === undefined ? 'retry' : 'schedule',
      firstOnly: true,
    } as const
    return await this.#mark(selection, { ...options, ...marking }, async (client, { id, now }) => {
      await client.query(sql.makeDue, [id, at?.getTime() ?? now])
    })
  }

  async discard(selection: ParkedSelection, options: MarkOptions = {}): Promise<ParkedMark> {
    const marking = { state: 'parked', action: 'discard' } as const
    return await this.#mark(selection, { ...options, ...marking }, async (client, { id, now }) => {
      await client.query(sql.discard, [id])
      await client.query(sql.release, [id, now])
    })
  }

  async restore(selection: ParkedSelection, options: MarkOptions = {}): Promise<ParkedMark> {
    const marking = { state: 'discarded', action: 'restore' } as const
    return await this.#mark(selection, { ...options, ...marking }, async (client, { id }) => {
      await client.query(sql.restore, [id])
    })
  }

  async edit(
    number: number,
    change: ParkedChange,
    { reason, dryRun = false }: MarkOptions = {},
  ): Promise<ParkedDetails | undefined> {
    checkReason(reason)
    return await this.#write({ dryRun }, async (client) => {
      const row = await this.#row(client, number)
      if (row?.state !== 'parked') return undefined
      const { properties, body } = changeMessage(toParked(row).message, change)
      await client.query(sql.edit, [number, toText(encodeProperties(properties)), body])
      const why = reason === undefined ? null : toText(reason)
      await client.query(sql.noteEdit, [this.consumer, number, Date.now(), why])
      return await this.#details(client, number)
    })
  }

  async outcome(mark: string): Promise<ParkedOutcome> {
    return await this.#read(async (client) => {
      const marked = await client.query<{ events: string }>(sql.countMarked, [mark])
      if (Number(marked.rows[0]!.events) >= sql.manyMin) await client.query(sql.expectMany)
      const values = [mark, Date.now(), this.consumer]
      const { rows } = await client.query<Record<keyof ParkedOutcome, string>>(sql.outcome, values)
      const counts = Object.entries(rows[0]!).map(([name, text]) => [name, Number(text)])
      return Object.fromEntries(counts) as ParkedOutcome
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#last
    await this.#client?.end()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** One transaction that writes down what is meant, and marks it all at once. */
  async #mark(
    selection: ParkedSelection,
    { reason, dryRun = false, state, action, firstOnly = false }: MarkOptions & Marking,
    set: (client: PostgresClient, mark: { id: string; now: number }) => Promise<void>,
  ): Promise<ParkedMark> {
    checkReason(reason)
    const [text, value] = [sql.mark(selection, { firstOnly }), sql.selected(selection)]
    const [id, now] = [randomBytes(6).toString('hex'), Date.now()]
    const why = reason === undefined ? null : toText(reason)
    return await this.#write({ dryRun }, async (client) => {
      const which = [this.consumer, state, partsOf(selection.part), value]
      const { rowCount: events } = await client.query(text, [...which, now, action, why, id])
      if (events! >= sql.manyMin) await client.query(sql.expectMany)
      const first = await client.query<EntryRow>(sql.first, [id, firstMax])
      const waiting = await client.query<{ events: string }>(sql.waiting, [id])
      const isNone = events === 0 && 'number' in selection
      const told = {
        events: events!,
        first: first.rows.map(toEntry),
        waiting: Number(waiting.rows[0]!.events),
        behind: isNone ? (await this.#details(client, selection.number))?.behind : undefined,
      }
      if (dryRun) return { id: undefined, ...told }
      await set(client, { id, now })
      return { id, ...told }
    })
  }

  async #row(client: PostgresClient, number: number): Promise<ParkedRow | undefined> {
    return (await client.query<ParkedRow>(sql.row, [this.consumer, number])).rows[0]
  }

  async #details(client: PostgresClient, number: number): Promise<ParkedDetails | undefined> {
    const row = await this.#row(client, number)
    if (row === undefined) return undefined
    const { version: _version, ...parked } = toParked(row)
    const done = await client.query<ActionRow>(sql.actions, [this.consumer, number])
    const place = [this.consumer, row.part, row.subject, number]
    const near = await client.query<{ head: string | null; waiting: string }>(sql.neighbours, place)
    const { head, waiting } = near.rows[0]!
    const isParked = row.state === 'parked'
    return {
      ...parked,
      state: row.state,
      original: toMessage(row),
      behind: isParked && row.reason === 'behind' && head !== null ? Number(head) : undefined,
      waiting: isParked ? Number(waiting) : 0,
      actions: done.rows.map(({ at, action, reason }) => ({
        ...{ at: Number(at), action },
        reason: reason === null ? undefined : fromText(reason),
      })),
    }
  }

  /** As it is at one moment. */
  async #read<Result>(work: (client: PostgresClient) => Promise<Result>): Promise<Result> {
    return await this.#inTurn(async (client) => {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
      return await work(client)
    })
  }

  async #write<Result>(
    { dryRun }: { dryRun: boolean },
    work: (client: PostgresClient) => Promise<Result>,
  ): Promise<Result> {
    return await this.#inTurn(async (client) => {
      await client.query(`BEGIN; SET LOCAL lock_timeout = ${turnWaitMs}`)
      await client.query('SELECT FROM backstory_consumers WHERE name = $1 FOR NO KEY UPDATE', [this.consumer])
      const result = await work(client)
      if (!dryRun) await client.query('COMMIT')
      return result
    })
  }

  /** What is not committed by `work` is rolled back. */
  async #inTurn<Result>(work: (client: PostgresClient) => Promise<Result>): Promise<Result> {
    const done = this.#last.then(() =>
      guard(this.#url, async () => {
        if (this.#isClosed)
          throw new ConsumerError(
            'CONSUMER_CLOSED',
            `The parked events of ${shownAddress(this.#url)} were closed`,
          )
        const client = this.#client ?? this.#keep(await openPostgres(this.#url, connection))
        try {
          return await work(client)
        } finally {
          if (client.getTransactionStatus() !== 'I') await client.query('ROLLBACK').catch(() => {})
        }
      }),
    )
    this.#last = done.catch(() => {})
    return await done
  }

  #keep(client: PostgresClient): PostgresClient {
    this.#client = client
    client.once('end', () => {
      if (this.#client === client) this.#client = undefined
    })
    return client
  }
}

interface Marking {
  readonly state: ParkedState
  readonly action: string
  /** Of a subject only what waits behind nothing. */
  readonly firstOnly?: boolean
}

type EntryRow = Parameters<typeof parkedFields>[0]

interface ActionRow {
  readonly at: string
  readonly action: string
  readonly reason: string | null
}

interface GroupRow {
  readonly error_group: string
  readonly part: Part
  readonly name: string
  readonly code: string | null
  readonly message: string
  readonly events: string
  readonly subjects: string
  readonly waiting: string
  readonly first_at: string
  readonly last_at: string
}

function toEntry(row: EntryRow): ParkedEntry {
  return { ...parkedFields(row), state: row.state }
}

function partsOf(part: Part | undefined): readonly Part[] {
  return part === undefined ? ['apply', 'react'] : [part]
}
