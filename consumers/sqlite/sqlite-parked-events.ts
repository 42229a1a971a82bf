/**
 * Parked events in a consumer's SQLite store, on a connection of their own.
 *
 * The running consumer may be in this very process, in the middle of an asynchronous handler: a turn to
 * write is waited for without holding up the process, which SQLite's own wait would.
 */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { decodeProperties, encodeProperties } from '../../events/index.ts'
import { openSqlite, type SqliteDatabase } from '../../history/index.ts'
import { chooseConsumer } from '../choose-consumer.ts'
import { ConsumerError } from '../errors.ts'
import { checkAt, checkLimit, checkReason, firstMax } from '../parking/parked-bounds.ts'
import { changeMessage, type ParkedChange } from '../parking/parked-change.ts'
import type {
  MarkOptions,
  ParkedAction,
  ParkedDetails,
  ParkedEntry,
  ParkedEvents,
  ParkedGroup,
  ParkedList,
  ParkedMark,
  ParkedOutcome,
  ParkedSelection,
} from '../parking/parked-events.ts'
import type { Part } from '../parking/parking.ts'
import { type Bindings, chosen, pageOf, selectionBindings, selectionWhere, sql } from './sqlite-parked-sql.ts'
import { type ParkedRow, parkedFields, toParked } from './sqlite-parking.ts'
import { guard } from './sqlite-store.ts'

const turnWaitMs = 10_000
const turnPollMs = 3

/** @throws as `openParkedEvents` does. */
export async function openSqliteParkedEvents({
  store: path,
  consumer,
}: {
  store: string
  consumer?: string | undefined
}): Promise<ParkedEvents> {
  if (!existsSync(path))
    throw new ConsumerError('CONSUMER_STORE_UNAVAILABLE', `${path} does not exist; name a consumer's store`)
  const database = await guard(path, () => openSqlite(path))
  try {
    database.pragma('busy_timeout = 0')
    const name = chooseConsumer(consumersIn(database), { store: path, consumer })
    return new SqliteParkedEvents(database, { path, consumer: name })
  } catch (error) {
    database.close()
    throw error
  }
}

function consumersIn(database: SqliteDatabase): string[] {
  const isStore = database.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'backstory_consumers'`).get()
  if (isStore === undefined) return []
  return database.prepare('SELECT name FROM backstory_consumers ORDER BY name').pluck().all() as string[]
}

class SqliteParkedEvents implements ParkedEvents {
  readonly consumer: string
  readonly #database: SqliteDatabase
  readonly #path: string

  constructor(database: SqliteDatabase, { path, consumer }: { path: string; consumer: string }) {
    this.#database = database
    this.#path = path
    this.consumer = consumer
    database.exec(sql.makeChosen)
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
    const named = { group: group ?? null, subject: subject ?? null }
    const page = { consumer: this.consumer, after, limit, ...named }
    return await this.#read(() => {
      const select = pageOf({ state, group, subject })
      // A page of each part, so that an index gives the order.
      const parts: readonly Part[] = part === undefined ? ['apply', 'react'] : [part]
      const rows = parts.flatMap((one) => this.#all<EntryRow>(select, { ...page, part: one }))
      return rows
        .sort((one, other) => one.number - other.number)
        .slice(0, limit)
        .map(toEntry)
    })
  }

  async get(number: number): Promise<ParkedDetails | undefined> {
    return await this.#read(() => this.#details(number))
  }

  async groups(): Promise<ParkedGroup[]> {
    const rows = await this.#read(() => this.#all<GroupRow>(sql.groups, { consumer: this.consumer }))
    return rows.map(({ code, ...rest }) => ({ ...rest, code: code ?? undefined }))
  }

  async retry(
    selection: ParkedSelection,
    { at, ...options }: MarkOptions & { readonly at?: Date | undefined } = {},
  ): Promise<ParkedMark> {
    checkAt(at)
    const action = at === undefined ? 'retry' : 'schedule'
    const where = `${selectionWhere(selection, 'parked')} AND ${waitsBehindNothing}`
    return await this.#mark(selection, { ...options, action, where }, (now) =>
      this.#run(sql.makeDue, { at: at?.getTime() ?? now }),
    )
  }

  async discard(selection: ParkedSelection, options: MarkOptions = {}): Promise<ParkedMark> {
    const where = selectionWhere(selection, 'parked')
    return await this.#mark(selection, { ...options, action: 'discard', where }, (now) => {
      this.#run(sql.discard)
      this.#run(sql.release, { now })
    })
  }

  async restore(selection: ParkedSelection, options: MarkOptions = {}): Promise<ParkedMark> {
    const where = selectionWhere(selection, 'discarded')
    return await this.#mark(selection, { ...options, action: 'restore', where }, () => this.#run(sql.restore))
  }

  async edit(
    number: number,
    change: ParkedChange,
    { reason, dryRun = false }: MarkOptions = {},
  ): Promise<ParkedDetails | undefined> {
    checkReason(reason)
    return await this.#write({ dryRun }, () => {
      const row = this.#get<ParkedRow>(sql.row, { consumer: this.consumer, number })
      if (row?.state !== 'parked') return undefined
      const { properties, body } = changeMessage(toParked(row).message, change)
      this.#run(sql.edit, { number, properties: encodeProperties(properties), body })
      const action = { consumer: this.consumer, number, at: Date.now(), action: 'edit' }
      this.#run(sql.act, { ...action, reason: reason ?? null })
      return this.#details(number)
    })
  }

  async outcome(mark: string): Promise<ParkedOutcome> {
    return await this.#read(() => {
      const bindings = { consumer: this.consumer, mark, now: Date.now() }
      return {
        ...this.#get<Pick<ParkedOutcome, 'applied' | 'failed' | 'pending' | 'discarded'>>(
          sql.outcome,
          bindings,
        )!,
        followed: this.#count(sql.followed, bindings),
        following: this.#count(sql.following, bindings),
        waiting: this.#count(sql.stillBehind, bindings),
      }
    })
  }

  async close(): Promise<void> {
    this.#database.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** One transaction that notes the numbers that are meant in a table of its own, and marks them all at once. */
  async #mark(
    selection: ParkedSelection,
    { reason, dryRun = false, action, where }: MarkOptions & { action: string; where: string },
    set: (now: number) => void,
  ): Promise<ParkedMark> {
    checkReason(reason)
    const bindings = selectionBindings(selection, this.consumer)
    return await this.#write({ dryRun }, () => {
      this.#run(sql.clear)
      const { changes: events } = this.#run(
        `INSERT INTO ${chosen} SELECT number FROM backstory_parked WHERE ${where}`,
        bindings,
      )
      const told = {
        events,
        first: this.#all<EntryRow>(sql.first, { limit: firstMax }).map(toEntry),
        waiting: this.#count(sql.waiting),
        behind: events === 0 && 'number' in selection ? this.#details(selection.number)?.behind : undefined,
      }
      if (dryRun) return { id: undefined, ...told }
      const [id, now] = [randomBytes(6).toString('hex'), Date.now()]
      set(now)
      this.#run(sql.actAll, { consumer: this.consumer, now, action, reason: reason ?? null, mark: id })
      return { id, ...told }
    })
  }

  #details(number: number): ParkedDetails | undefined {
    const { consumer } = this
    const row = this.#get<ParkedRow>(sql.row, { consumer, number })
    if (row === undefined) return undefined
    const { version: _version, ...parked } = toParked(row)
    const done = this.#all<ActionRow>(sql.actions, { consumer, number })
    const place = { consumer, part: row.part, subject: row.subject, number }
    const isWaiting = row.state === 'parked' && row.reason === 'behind'
    return {
      ...parked,
      state: row.state,
      original: {
        exchange: row.exchange,
        routingKey: row.routing_key,
        properties: decodeProperties(row.properties),
        body: row.body,
      },
      behind: isWaiting
        ? (this.#get<{ head: number | null }>(sql.head, place)!.head ?? undefined)
        : undefined,
      waiting: row.state === 'parked' ? this.#count(sql.behindIt, place) : 0,
      actions: done.map(({ reason, ...rest }) => ({ ...rest, reason: reason ?? undefined })),
    }
  }

  #all<Row>(text: string, bindings: Bindings = {}): Row[] {
    return this.#database.prepare(text).all(bindings) as Row[]
  }

  #get<Row>(text: string, bindings: Bindings): Row | undefined {
    return this.#database.prepare(text).get(bindings) as Row | undefined
  }

  #count(text: string, bindings: Bindings = {}): number {
    return this.#database.prepare(text).pluck().get(bindings) as number
  }

  #run(text: string, bindings: Bindings = {}): { changes: number } {
    return this.#database.prepare(text).run(bindings)
  }

  /** As it is at one moment. */
  async #read<Result>(work: () => Result): Promise<Result> {
    return await this.#inTurn(() => this.#database.transaction(work)())
  }

  async #write<Result>({ dryRun }: { dryRun: boolean }, work: () => Result): Promise<Result> {
    return await this.#inTurn(() => {
      // What is noted in the table of our own needs no turn.
      this.#database.exec(dryRun ? 'BEGIN' : 'BEGIN IMMEDIATE')
      try {
        const result = work()
        this.#database.exec(dryRun ? 'ROLLBACK' : 'COMMIT')
        return result
      } catch (error) {
        if (this.#database.inTransaction) this.#database.exec('ROLLBACK')
        throw error
      }
    })
  }

  async #inTurn<Result>(work: () => Result): Promise<Result> {
    return await guard(this.#path, async () => {
      for (const deadline = Date.now() + turnWaitMs; ; ) {
        if (!this.#database.open)
          throw new ConsumerError('CONSUMER_CLOSED', `The parked events of ${this.#path} were closed`)
        try {
          return work()
        } catch (error) {
          const isBusy = String((error as { code?: unknown } | null)?.code).startsWith('SQLITE_BUSY')
          if (!isBusy || Date.now() > deadline) throw error
        }
        await sleep(1 + Math.random() * turnPollMs)
      }
    })
  }
}

/** First of its subject, or failed itself. */
const waitsBehindNothing = `(reason <> 'behind' OR NOT EXISTS (
  SELECT 1 FROM backstory_parked AS earlier
  WHERE earlier.consumer = backstory_parked.consumer AND earlier.state = 'parked'
    AND earlier.part = backstory_parked.part AND earlier.subject = backstory_parked.subject
    AND earlier.number < backstory_parked.number))`

interface ActionRow extends Omit<ParkedAction, 'reason'> {
  readonly reason: string | null
}

interface GroupRow extends Omit<ParkedGroup, 'code'> {
  readonly code: string | null
}

type EntryRow = Parameters<typeof parkedFields>[0]

function toEntry(row: EntryRow): ParkedEntry {
  return { ...parkedFields(row), state: row.state }
}
