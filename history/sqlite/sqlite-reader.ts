/**
 * Reads a history in a SQLite file. The file is opened at the first use, so a reader may exist before
 * its recorder has made the file.
 */
import { type Identity, sequenceHeader, sequenceOf } from '../../events/index.ts'
import { HistoryError } from '../errors.ts'
import { type LatestRow, latestRow } from '../latest.ts'
import { packedSequence } from '../packed-properties.ts'
import { judgePage, prunedError } from '../page-gaps.ts'
import type {
  Checkpoint,
  Erasure,
  HistoryCounts,
  HistoryReader,
  HistorySummary,
  KnownConsumer,
  LatestPage,
  Page,
  PrunedRange,
  Selected,
  SelectPage,
  SpentSequence,
} from '../reader.ts'
import {
  type EventOutline,
  type EventRow,
  eventColumns,
  type PositionedIdentity,
  RowEvent,
  type SequencedEvent,
  type StoredEvent,
} from '../stored-event.ts'
import { summarize } from '../summarize.ts'
import { FileIdentity } from './file-identity.ts'
import { checkSchema, readNote } from './schema.ts'
import { openSqlite, type SqliteDatabase, sqliteError } from './sqlite.ts'
import { SqliteRemovals } from './sqlite-removals.ts'
import { SqliteSelect } from './sqlite-select.ts'

const pageLimit = 500
/** A page of large bodies ends early. */
const pageBytesMax = 16 * 1024 * 1024

/**
 * @param options.exchange - Where given, the file must hold this exchange's history.
 * @throws Each method: HistoryError `HISTORY_NOT_FOUND` while the file does not exist; `HISTORY_CORRUPT`,
 *   `HISTORY_FOREIGN`, `HISTORY_TOO_NEW`, `HISTORY_UNAVAILABLE`; `HISTORY_CLOSED` after `close()`.
 */
export function openSqliteHistory({ path, exchange }: { path: string; exchange?: string }): HistoryReader {
  return new SqliteReader(path, exchange)
}

class SqliteReader implements HistoryReader {
  readonly #path: string
  readonly #expected: string | undefined
  #opening: Promise<Opened> | undefined
  #lookAt = 0
  #closed = false

  constructor(path: string, exchange: string | undefined) {
    this.#path = path
    this.#expected = exchange
  }

  exchange(): Promise<string> {
    return this.#query(({ exchange }) => exchange)
  }

  bounds(): Promise<{ first: number; head: number }> {
    return this.#query(({ statements }) => boundsOf(statements))
  }

  read({ after, upTo = Number.MAX_SAFE_INTEGER, limit = pageLimit }: Page): Promise<StoredEvent[]> {
    return this.#query((opened) =>
      this.#withoutHoles(opened, { after, upTo, limit }, () => {
        const rows = opened.statements.read.iterate(after, upTo, limit) as Iterable<EventRow>
        return takePage(rows, { limit, exchange: opened.exchange }).events
      }),
    )
  }

  latest({ after, upTo, limit = pageLimit }: LatestPage): Promise<StoredEvent[]> {
    return this.#query((opened) =>
      this.#withoutHoles(opened, { after, upTo, limit }, () => {
        const rows = latestStatement(opened, this.#path).iterate(upTo, after, upTo, limit)
        const { exchange } = opened
        return takePage(latestRows(rows as Iterable<LatestRow>), { limit, exchange }).events
      }),
    )
  }

  select({
    filter,
    after,
    upTo = Number.MAX_SAFE_INTEGER,
    limit = pageLimit,
    newestFirst = false,
  }: SelectPage): Promise<Selected> {
    return this.#query(({ statements, exchange, select }) => {
      const page = { filter, after, upTo: Math.min(upTo, boundsOf(statements).head), limit, newestFirst }
      const { rows, end } = select.page(page)
      const { events, isFull } = takePage(rows, { limit, exchange })
      return { events, through: isFull ? events.at(-1)!.position : end }
    })
  }

  identities({
    after,
    upTo = Number.MAX_SAFE_INTEGER,
    limit = pageLimit,
  }: Page): Promise<PositionedIdentity[]> {
    return this.#query((opened) =>
      this.#withoutHoles(opened, { after, upTo, limit }, () => {
        const rows = opened.statements.identities.all(after, upTo, limit) as (Identity & {
          position: number
          unidentified: number
        })[]
        return rows.map(({ position, source, id, unidentified }) => ({
          position,
          source,
          id,
          unidentified: unidentified === 1,
        }))
      }),
    )
  }

  sequences({ after, upTo = Number.MAX_SAFE_INTEGER, limit = pageLimit }: Page): Promise<SequencedEvent[]> {
    return this.#query(({ statements }) => {
      const events: SequencedEvent[] = []
      // Row by row: the properties of a page of foreign messages may be large.
      for (const row of statements.sequences.iterate(after, upTo, limit) as Iterable<SequenceRow>) {
        const [position, source, id, type, subject, properties] = row
        const stated = packedSequence(properties)
        const { epoch, sequence } =
          (stated === undefined ? undefined : sequenceOf({ headers: { [sequenceHeader]: stated } })) ??
          noSequence
        events.push({ position, source, id, type, subject: subject ?? undefined, epoch, sequence })
      }
      return events
    })
  }

  outlines({ after, upTo = Number.MAX_SAFE_INTEGER, limit = pageLimit }: Page): Promise<EventOutline[]> {
    return this.#query(({ statements }) => {
      const rows = statements.outlines.all(after, upTo, limit) as OutlineRow[]
      return rows.map(([position, source, type, subject, recordedAt, bodyBytes]) => ({
        position,
        source,
        type,
        subject: subject ?? undefined,
        recordedAt: new Date(recordedAt),
        bodyBytes,
      }))
    })
  }

  counts(): Promise<HistoryCounts> {
    return this.#query(({ statements }) => ({
      types: statements.types.all() as { type: string; events: number }[],
      subjects: statements.subjects.get() as number,
    }))
  }

  spentSequences({ after, upTo, limit }: Required<Page>): Promise<SpentSequence[]> {
    return this.#query(({ statements }) => statements.spent.all(after, upTo, limit) as SpentSequence[])
  }

  checkpoints({ after, upTo = Number.MAX_SAFE_INTEGER, limit = pageLimit }: Page): Promise<Checkpoint[]> {
    return this.#query(({ statements }) => statements.checkpoints.all(after, upTo, limit) as Checkpoint[])
  }

  at(position: number): Promise<StoredEvent | undefined> {
    return this.#query(({ statements, exchange }) => {
      const row = statements.at.get(position) as EventRow | undefined
      return row && new RowEvent(row, exchange)
    })
  }

  find({ source, id }: Identity): Promise<StoredEvent | undefined> {
    return this.#query(({ statements, exchange }) => {
      const row = statements.find.get(id, source) as EventRow | undefined
      return row && new RowEvent(row, exchange)
    })
  }

  positionsOf(identities: readonly Identity[]): Promise<(number | undefined)[]> {
    return this.#query(({ statements }) =>
      identities.map(({ source, id }) => statements.positionOf.get(id, source) as number | undefined),
    )
  }

  fence(id: string): Promise<number | undefined> {
    return this.#query(({ statements }) => statements.fence.get(id) as number | undefined)
  }

  note(name: string): Promise<string | undefined> {
    return this.#query(({ database }) => readNote(database, name))
  }

  summary({ upTo = Number.MAX_SAFE_INTEGER }: { upTo?: number } = {}): Promise<HistorySummary> {
    return this.#query(({ database, statements, removals }) =>
      // One transaction: the head must not move between the checkpoint and what comes after it.
      database.transaction(() => {
        const position = Math.min(upTo, boundsOf(statements).head)
        return summarize(
          {
            checkpointAt: (at) => statements.checkpoint.get(at) as Checkpoint | undefined,
            pruned: (after, to) => removals.pruned({ after, upTo: to, limit: -1 }),
            // Begun where it is asked for: an open query keeps every other one out.
            *identities(after, to) {
              yield* statements.identities.iterate(after, to, -1) as Iterable<PositionedIdentity>
            },
          },
          { position, what: this.#path },
        )
      })(),
    )
  }

  /** @throws HistoryError `HISTORY_CORRUPT` where a page leaves a position out. */
  #withoutHoles<Row extends { readonly position: number }>(
    { database, statements, removals }: Opened,
    page: Required<Page>,
    read: () => Row[],
  ): Row[] {
    const rows = read()
    if (rows.length > 0 && rows.at(-1)!.position === page.after + rows.length) return rows
    // Nothing more yet, or a history that begins later. One transaction: the head must not move meanwhile.
    return database.transaction(() => {
      const again = read()
      const pruned = removals.pruned({ ...page, limit: again.length + 2 })
      const judged = judgePage(again, { ...page, ...boundsOf(statements), pruned })
      if (judged.needed !== undefined) throw prunedError(this.#path, judged.needed)
      if (judged.missing === undefined) return [...judged.rows]
      throw new HistoryError(
        'HISTORY_CORRUPT',
        `${this.#path} has no event at position ${judged.missing}, though it was recorded: it has been removed by hand. \`backstory audit\` names all that is missing; restore the file from a copy that has it`,
      )
    })()
  }

  pruned({ after, upTo = Number.MAX_SAFE_INTEGER, limit = pageLimit }: Page): Promise<PrunedRange[]> {
    return this.#query(({ removals }) => removals.pruned({ after, upTo, limit }))
  }

  consumers(): Promise<KnownConsumer[]> {
    return this.#query(({ removals }) => removals.consumers())
  }

  erasures({ after, limit = pageLimit }: { after: number; limit?: number }): Promise<Erasure[]> {
    return this.#query(({ removals }) => removals.erasures({ after, limit }))
  }

  async close(): Promise<void> {
    this.#closed = true
    const opening = this.#opening
    this.#opening = undefined
    const opened = await opening?.catch(() => undefined)
    opened?.database.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #query<Result>(query: (opened: Opened) => Result): Promise<Result> {
    const opened = await this.#open()
    if (this.#closed) throw new HistoryError('HISTORY_CLOSED', `The reader of ${this.#path} was closed`)
    try {
      return query(opened)
    } catch (error) {
      throw sqliteError(error, this.#path)
    }
  }

  async #open(): Promise<Opened> {
    if (this.#closed) throw new HistoryError('HISTORY_CLOSED', `The reader of ${this.#path} was closed`)
    await this.#leaveReplaced()
    this.#opening ??= openFile(this.#path, this.#expected)
    try {
      return await this.#opening
    } catch (error) {
      this.#opening = undefined
      throw error
    }
  }

  /** A file that was deleted or replaced is no longer the history: the next query opens what is there. */
  async #leaveReplaced(): Promise<void> {
    if (this.#opening === undefined || Date.now() < this.#lookAt) return
    this.#lookAt = Date.now() + lookEveryMs
    const opened = await this.#opening.catch(() => undefined)
    if (opened === undefined || opened.identity.isThere) return
    this.#opening = undefined
    opened.database.close()
  }
}

const lookEveryMs = 1_000

type Statements = ReturnType<typeof prepareStatements>

interface Opened {
  readonly database: SqliteDatabase
  /** Prepared when it is first needed: a file of an older version lacks its index. */
  latest?: ReturnType<typeof prepareLatest>
  readonly statements: Statements
  readonly select: SqliteSelect
  readonly removals: SqliteRemovals
  readonly exchange: string
  readonly identity: FileIdentity
}

async function openFile(path: string, expected: string | undefined): Promise<Opened> {
  const database = await openSqlite(path, { readonly: true })
  try {
    const exchange = checkSchema(database, { path, exchange: expected })
    return {
      database,
      statements: prepareStatements(database),
      select: new SqliteSelect(database),
      removals: new SqliteRemovals(database),
      exchange,
      identity: new FileIdentity(path),
    }
  } catch (error) {
    database.close()
    throw error
  }
}

function prepareStatements(database: SqliteDatabase) {
  return {
    // The last checkpoint is there when the last event has been removed by hand, too.
    bounds: database.prepare(
      `SELECT (SELECT min(position) FROM events) AS first, max(
         coalesce((SELECT max(position) FROM events), 0),
         coalesce((SELECT max(position) FROM checkpoints), 0)) AS head`,
    ),
    read: database
      .prepare(
        `SELECT ${eventColumns} FROM events WHERE position > ? AND position <= ? ORDER BY position LIMIT ?`,
      )
      .raw(),
    identities: database.prepare(
      `SELECT position, source, id, unidentified FROM events
       WHERE position > ? AND position <= ? ORDER BY position LIMIT ?`,
    ),
    sequences: database
      .prepare(
        `SELECT position, source, id, type, subject, properties FROM events
         WHERE position > ? AND position <= ? ORDER BY position LIMIT ?`,
      )
      .raw(),
    outlines: database
      .prepare(
        `SELECT position, source, type, subject, recorded_at, octet_length(body) FROM events
         WHERE position > ? AND position <= ? ORDER BY position LIMIT ?`,
      )
      .raw(),
    types: database.prepare(
      'SELECT type, count(*) AS events FROM events GROUP BY type ORDER BY events DESC, type',
    ),
    // Not count(DISTINCT …), which looks at every entry of the index.
    subjects: database
      .prepare('SELECT count(*) FROM (SELECT DISTINCT subject FROM events WHERE subject IS NOT NULL)')
      .pluck(),
    spent: database.prepare(
      `SELECT number, position, source, epoch, sequence FROM spent_sequences
       WHERE number > ? AND position <= ? ORDER BY number LIMIT ?`,
    ),
    checkpoints: database.prepare(
      `SELECT position, checksum, unidentified FROM checkpoints
       WHERE position > ? AND position <= ? ORDER BY position LIMIT ?`,
    ),
    at: database.prepare(`SELECT ${eventColumns} FROM events WHERE position = ?`).raw(),
    find: database.prepare(`SELECT ${eventColumns} FROM events WHERE id = ? AND source = ?`).raw(),
    positionOf: database.prepare('SELECT position FROM events WHERE id = ? AND source = ?').pluck(),
    fence: database.prepare('SELECT position FROM fences WHERE id = ?').pluck(),
    checkpoint: database.prepare(
      `SELECT position, checksum, unidentified FROM checkpoints
       WHERE position <= ? ORDER BY position DESC LIMIT 1`,
    ),
  }
}

/** @throws HistoryError `HISTORY_UNAVAILABLE` where each event would take a look at all behind it. */
function latestStatement(opened: Opened, path: string): ReturnType<typeof prepareLatest> {
  const { database } = opened
  if (opened.latest !== undefined) return opened.latest
  if (database.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'events_subject'`).get() === undefined) {
    throw new HistoryError(
      'HISTORY_UNAVAILABLE',
      `${path} was made by an older version and has no index by subject yet; start its recorder with this version, which adds it`,
    )
  }
  opened.latest = prepareLatest(database)
  return opened.latest
}

/** Looked at once an event, and the body read of those alone that have no later one. */
function prepareLatest(database: SqliteDatabase) {
  const columns = eventColumns.replace(/, body$/, '')
  return database
    .prepare(
      `SELECT ${columns}, CASE WHEN subject IS NOT NULL AND EXISTS (
         SELECT 1 FROM events AS later INDEXED BY events_subject
         WHERE later.subject = events.subject AND later.position > events.position AND later.position <= ?
       ) THEN NULL ELSE body END
       FROM events WHERE position > ? AND position <= ? ORDER BY position LIMIT ?`,
    )
    .raw()
}

function* latestRows(rows: Iterable<LatestRow>): Generator<EventRow> {
  for (const row of rows) yield latestRow(row)
}

/** Rows as events, until there are enough of them or of their bodies. */
function takePage(
  rows: Iterable<EventRow>,
  { limit, exchange }: { limit: number; exchange: string },
): { events: StoredEvent[]; isFull: boolean } {
  const events: StoredEvent[] = []
  let bytes = 0
  for (const row of rows) {
    const event = new RowEvent(row, exchange)
    events.push(event)
    bytes += event.bodyLength
    if (bytes >= pageBytesMax) return { events, isFull: true }
  }
  return { events, isFull: events.length > 0 && events.length === limit }
}

/** The columns of `statements.sequences`, in its order. */
type SequenceRow = readonly [
  position: number,
  source: string,
  id: string,
  type: string,
  subject: string | null,
  properties: string,
]

/** The columns of `statements.outlines`, in its order. */
type OutlineRow = readonly [
  position: number,
  source: string,
  type: string,
  subject: string | null,
  recordedAt: number,
  bodyBytes: number,
]

const noSequence = { epoch: undefined, sequence: undefined }

function boundsOf(statements: Statements): { first: number; head: number } {
  const { first, head } = statements.bounds.get() as { first: number | null; head: number }
  return { first: first ?? head + 1, head }
}
