/**
 * Reads a history in a PostgreSQL database. The history is looked for at the first use, so a reader may exist
 * before its recorder has made it.
 *
 * One writer commits in position order, so every statement sees a history without holes, on a replica too.
 */
import { type Identity, sequenceHeader, sequenceOf } from '../../events/index.ts'
import { HistoryError } from '../errors.ts'
import { isIndexed, scannedMax } from '../event-filter.ts'
import { type LatestRow, latestRow } from '../latest.ts'
import { packedSequence } from '../packed-properties.ts'
import { judgePage, prunedError } from '../page-gaps.ts'
import type {
  Checkpoint,
  Erasure,
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
  type PositionedIdentity,
  RowEvent,
  type SequencedEvent,
  type StoredEvent,
} from '../stored-event.ts'
import { addUp, beginning } from '../summarize.ts'
import { hexBigintArray, textArray, uuidArray } from './binary-arrays.ts'
import { eventKey } from './event-key.ts'
import { historyAddress } from './history-address.ts'
import { findHistory } from './history-schema.ts'
import { type PostgresClient, postgresError, shownAddress } from './postgres.ts'
import { textKey, toText } from './postgres-text.ts'
import { ReadConnections } from './read-connections.ts'
import { pageBytesMax, type ReadStatement, type ReadStatements, readStatements } from './reader-statements.ts'
import { rowTypes } from './row-types.ts'
import { isMissing } from './writer-connection.ts'

const pageLimit = 500

/**
 * @param options.history - The database's URL; `?exchange=` chooses one of its histories.
 * @param options.exchange - Which of its histories; may be left out where it is the only one.
 * @throws TypeError where the address is no URL. Each method: HistoryError `HISTORY_NOT_FOUND` while there is none; `HISTORY_AMBIGUOUS`,
 *   `HISTORY_CORRUPT`, `HISTORY_FOREIGN`, `HISTORY_TOO_NEW`, `HISTORY_UNAVAILABLE`,
 *   `HISTORY_DRIVER_MISSING`; `HISTORY_CLOSED` after `close()`.
 */
export function openPostgresHistory(options: { history: string; exchange?: string }): HistoryReader {
  return new PostgresReader(options)
}

/** The history that was found. */
interface Opened {
  readonly exchange: string
  readonly statements: ReadStatements
}

type Values = readonly unknown[]

/** What is read on one connection. */
interface Session extends Opened {
  rows<Row extends Values>(statement: ReadStatement, values: Values): Promise<Row[]>
}

class PostgresReader implements HistoryReader {
  readonly #history: string
  readonly #expected: string | undefined
  readonly #url: string
  #connections: ReadConnections | undefined
  #opened: Opened | undefined
  #closed = false

  constructor({ history, exchange }: { history: string; exchange?: string | undefined }) {
    const address = historyAddress({ history, exchange })
    this.#history = history
    this.#url = address.url
    this.#expected = address.exchange
  }

  async exchange(): Promise<string> {
    return await this.#query(async ({ exchange }) => exchange)
  }

  async bounds(): Promise<{ first: number; head: number }> {
    return await this.#query(boundsIn)
  }

  async read({ after, upTo = maxPosition, limit = pageLimit }: Page): Promise<StoredEvent[]> {
    return await this.#withoutHoles({ after, upTo, limit }, async ({ rows, statements, exchange }) =>
      eventsOf(await rows(statements.read, [after, upTo, limit]), exchange),
    )
  }

  async latest({ after, upTo, limit = pageLimit }: LatestPage): Promise<StoredEvent[]> {
    const read = async ({ rows, statements, exchange }: Session) =>
      (await rows<LatestRow>(statements.latest, [after, upTo, limit])).map(
        (row) => new RowEvent(latestRow(row), exchange),
      )
    return await this.#query((session, client) =>
      inSnapshot(client, () => this.#judged(session, { after, upTo, limit }, read), { settings: byIndex }),
    )
  }

  async select({
    filter,
    after,
    upTo = maxPosition,
    limit = pageLimit,
    newestFirst = false,
  }: SelectPage): Promise<Selected> {
    return await this.#query(async (session) => {
      const { rows, statements, exchange } = session
      const scanned = isIndexed(filter) ? maxPosition : scannedMax
      const newest = Math.min(upTo, (await boundsIn(session)).head)
      const from = newestFirst ? Math.max(after, newest - scanned) : after
      const to = newestFirst ? newest : Math.min(newest, after + scanned)
      const found = await rows<PageRow>(statements.select(filter, { newestFirst }), [
        ...[from, to, limit],
        ...[filter.subjects, filter.types, filter.sources].map(
          (texts) => texts && textArray(texts.map(toText)),
        ),
      ])
      const events = eventsOf(found, exchange)
      const isFull = events.length > 0 && (events.length === limit || bytesOf(found) >= pageBytesMax)
      const end = newestFirst ? from + 1 : Math.max(to, after)
      return { events, through: isFull ? events.at(-1)!.position : end }
    })
  }

  async identities({ after, upTo = maxPosition, limit = pageLimit }: Page): Promise<PositionedIdentity[]> {
    return await this.#withoutHoles({ after, upTo, limit }, async ({ rows, statements }) =>
      (await rows<IdentityRow>(statements.identities, [after, upTo, limit])).map(identityOf),
    )
  }

  async sequences({ after, upTo = maxPosition, limit = pageLimit }: Page): Promise<SequencedEvent[]> {
    return await this.#query(async ({ rows, statements }) =>
      (await rows<SequenceRow>(statements.sequences, [after, upTo, limit])).map(
        ([position, source, id, type, subject, properties]) => {
          const stated = packedSequence(properties)
          const { epoch, sequence } =
            (stated === undefined ? undefined : sequenceOf({ headers: { [sequenceHeader]: stated } })) ??
            noSequence
          return { position, source, id, type, subject: subject ?? undefined, epoch, sequence }
        },
      ),
    )
  }

  async spentSequences({ after, upTo, limit }: Required<Page>): Promise<SpentSequence[]> {
    return await this.#query(async ({ rows, statements }) =>
      (await rows<SpentRow>(statements.spent, [after, upTo, limit])).map(
        ([number, position, source, epoch, sequence]) => ({ number, position, source, epoch, sequence }),
      ),
    )
  }

  async checkpoints({ after, upTo = maxPosition, limit = pageLimit }: Page): Promise<Checkpoint[]> {
    return await this.#query(async ({ rows, statements }) =>
      (await rows<CheckpointRow>(statements.checkpoints, [after, upTo, limit])).map(checkpointOf),
    )
  }

  async outlines({ after, upTo = maxPosition, limit = pageLimit }: Page): Promise<EventOutline[]> {
    return await this.#query(async ({ rows, statements }) =>
      (await rows<OutlineRow>(statements.outlines, [after, upTo, limit])).map(
        ([position, source, type, subject, recordedAt, bodyBytes]) => ({
          position,
          source,
          type,
          subject: subject ?? undefined,
          recordedAt: new Date(recordedAt),
          bodyBytes,
        }),
      ),
    )
  }

  /** The indexes have hashes, and counting by them would tell no names. */
  async counts(): Promise<undefined> {
    await this.#query(async () => {})
  }

  async at(position: number): Promise<StoredEvent | undefined> {
    return await this.#query(async ({ rows, statements, exchange }) => {
      const [row] = await rows<EventRow>(statements.at, [position])
      return row && new RowEvent(row, exchange)
    })
  }

  async find(identity: Identity): Promise<StoredEvent | undefined> {
    return await this.#query(async ({ rows, statements, exchange }) => {
      const { near, key } = eventKey(identity)
      const [row] = await rows<EventRow>(statements.find, [Buffer.from(near, 'hex'), Buffer.from(key, 'hex')])
      return row && new RowEvent(row, exchange)
    })
  }

  async positionsOf(identities: readonly Identity[]): Promise<(number | undefined)[]> {
    return await this.#query(async ({ rows, statements }) => {
      const keys = identities.map(eventKey)
      const found = await rows<readonly [place: number, position: number]>(statements.positionsOf, [
        hexBigintArray(keys.map(({ near }) => near)),
        uuidArray(keys.map(({ key }) => key)),
      ])
      const positions = new Array<number | undefined>(identities.length).fill(undefined)
      for (const [place, position] of found) positions[place - 1] = position
      return positions
    })
  }

  async fence(id: string): Promise<number | undefined> {
    return await this.#query(async ({ rows, statements }) => {
      const [row] = await rows<readonly [position: number]>(statements.fence, [textKey(id)])
      return row?.[0]
    })
  }

  async note(name: string): Promise<string | undefined> {
    return await this.#query(async ({ rows, statements }) => {
      const [row] = await rows<readonly [value: string]>(statements.note, [toText(name)])
      return row?.[0]
    })
  }

  async consumers(): Promise<KnownConsumer[]> {
    return await this.#query(async ({ rows, statements }) =>
      (await rows<readonly [name: string, cursor: number, toldAt: number]>(statements.consumers, [])).map(
        ([name, cursor, toldAt]) => ({ name, cursor, toldAt: new Date(toldAt) }),
      ),
    )
  }

  async pruned({ after, upTo = maxPosition, limit = pageLimit }: Page): Promise<PrunedRange[]> {
    return await this.#query((session) => prunedIn(session, { after, upTo, limit }))
  }

  async erasures({ after, limit = pageLimit }: { after: number; limit?: number }): Promise<Erasure[]> {
    return await this.#query(async ({ rows, statements }) =>
      (await rows<ErasureRow>(statements.erasures, [after, limit])).map(toErasure),
    )
  }

  async summary({ upTo = maxPosition }: { upTo?: number } = {}): Promise<HistorySummary> {
    return await this.#query(async (session, client) => {
      // Nothing must be pruned between a checkpoint and what comes after it.
      return await inSnapshot(client, () => this.#summaryIn(session, upTo))
    })
  }

  async #summaryIn(session: Session, wanted: number): Promise<HistorySummary> {
    const { rows, statements, exchange } = session
    const upTo = Math.min(wanted, (await boundsIn(session)).head)
    const checkpointAt = async (position: number) => {
      const [row] = await rows<CheckpointRow>(statements.checkpoint, [position])
      return row === undefined ? beginning : checkpointOf(row)
    }
    let base = await checkpointAt(upTo)
    let ranges: PrunedRange[] = []
    while (base.position < upTo) {
      ranges = await prunedIn(session, { after: base.position, upTo, limit: maxPosition })
      const first = ranges[0]?.first ?? upTo
      if (first > base.position) break
      base = await checkpointAt(first - 1)
    }
    const held = await rows<IdentityRow>(statements.identities, [base.position, upTo, maxPosition])
    return addUp(
      { base, ranges, rows: held.map(identityOf) },
      { upTo, what: `The history of ${exchange} in ${this.#shown}` },
    )
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#connections?.leave()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** @throws HistoryError `HISTORY_CORRUPT` where a page leaves a position out. */
  async #withoutHoles<Row extends { readonly position: number }>(
    page: Required<Page>,
    read: (session: Session) => Promise<Row[]>,
  ): Promise<Row[]> {
    const found = await this.#query(read)
    if (found.length > 0 && found.at(-1)!.position === page.after + found.length) return found
    // Nothing more yet, or a history that begins later: the head must not move meanwhile.
    return await this.#query((session, client) => inSnapshot(client, () => this.#judged(session, page, read)))
  }

  async #judged<Row extends { readonly position: number }>(
    session: Session,
    page: Required<Page>,
    read: (session: Session) => Promise<Row[]>,
  ): Promise<Row[]> {
    const rows = await read(session)
    const pruned = await prunedIn(session, { ...page, limit: rows.length + 2 })
    const judged = judgePage(rows, { ...page, ...(await boundsIn(session)), pruned })
    const what = `The history of ${session.exchange} in ${this.#shown}`
    if (judged.needed !== undefined) throw prunedError(what, judged.needed)
    if (judged.missing === undefined) return [...judged.rows]
    throw new HistoryError(
      'HISTORY_CORRUPT',
      `${what} has no event at position ${judged.missing}, though it was recorded: it has been removed by hand. \`backstory audit\` names all that is missing; restore it from a copy that has it`,
    )
  }

  async #query<Result>(
    query: (session: Session, client: PostgresClient) => Promise<Result>,
  ): Promise<Result> {
    this.#requireOpen()
    this.#connections ??= ReadConnections.join(this.#url)
    try {
      return await this.#connections.with(async (client) => {
        this.#opened ??= await this.#find(client)
        this.#requireOpen()
        return await query(sessionOn(client, this.#opened), client)
      })
    } catch (error) {
      throw this.#failure(error)
    }
  }

  async #find(client: PostgresClient): Promise<Opened> {
    const { schema, exchange } = await findHistory(client, { url: this.#url, exchange: this.#expected })
    return { exchange, statements: readStatements(schema) }
  }

  #failure(error: unknown): unknown {
    if (!isMissing(error)) return postgresError(error, this.#url)
    // Dropped while it was read: the next query looks for what is there.
    this.#opened = undefined
    return new HistoryError(
      'HISTORY_NOT_FOUND',
      `The history in ${this.#shown} was dropped; start its recorder or name another database`,
      { cause: error },
    )
  }

  get #shown(): string {
    return shownAddress(this.#history)
  }

  #requireOpen(): void {
    if (this.#closed) throw new HistoryError('HISTORY_CLOSED', `The reader of ${this.#shown} was closed`)
  }
}

const maxPosition = Number.MAX_SAFE_INTEGER

/**
 * Where a table was not analyzed lately, the planner would collect all events of a subject to look whether
 * there is one: 42 s for 100,000 events in place of 2.
 */
const byIndex = 'SET LOCAL enable_bitmapscan = off; SET LOCAL enable_seqscan = off; SET LOCAL jit = off'

/** All that `work` reads on this connection is as of one moment. */
async function inSnapshot<Result>(
  client: PostgresClient,
  work: () => Promise<Result>,
  { settings = '' }: { settings?: string } = {},
): Promise<Result> {
  await client.query(`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ${settings}`)
  const outcome = await work().catch((error: unknown) => {
    // Any other leaves a connection that is not used again, and not to be waited for.
    if (error instanceof HistoryError) return error
    throw error
  })
  await client.query('COMMIT')
  if (outcome instanceof HistoryError) throw outcome
  return outcome
}

function sessionOn(client: PostgresClient, opened: Opened): Session {
  return {
    ...opened,
    async rows<Row extends Values>({ name, text }: ReadStatement, values: Values) {
      const { rows } = await client.query({
        name,
        text,
        values: [...values],
        rowMode: 'array',
        types: rowTypes,
      })
      return rows as unknown as Row[]
    },
  }
}

async function boundsIn({ rows, statements }: Session): Promise<{ first: number; head: number }> {
  const [row] = await rows<readonly [first: number | null, head: number]>(statements.bounds, [])
  const [first, head] = row!
  return { first: first ?? head + 1, head }
}

async function prunedIn(
  { rows, statements }: Session,
  { after, upTo, limit }: Required<Page>,
): Promise<PrunedRange[]> {
  type Row = readonly [number, number, string, number, string, number]
  return (await rows<Row>(statements.pruned, [after, upTo, limit])).map(
    ([first, last, checksum, unidentified, reason, at]) => ({
      ...{ first, last, checksum, unidentified, reason },
      at: new Date(at),
    }),
  )
}

/** An event's columns, and the bytes of the page up to it. */
type PageRow = readonly [...event: EventRow, bytes: number]
type IdentityRow = readonly [position: number, source: string, id: string, unidentified: number]
type SequenceRow = readonly [
  position: number,
  source: string,
  id: string,
  type: string,
  subject: string | null,
  properties: string,
]
type OutlineRow = readonly [
  position: number,
  source: string,
  type: string,
  subject: string | null,
  recordedAt: number,
  bodyBytes: number,
]
type SpentRow = readonly [number: number, position: number, source: string, epoch: string, sequence: number]
type CheckpointRow = readonly [position: number, checksum: string, unidentified: number]

/** The columns of `erasureColumns`, in its order. */
export type ErasureRow = readonly [
  number: number,
  subject: string,
  reason: string,
  by: string,
  at: number,
  events: number,
  lastPosition: number,
]

export function toErasure(row: ErasureRow): Erasure {
  const [number, subject, reason, by, at, events, lastPosition] = row
  return { number, subject, reason, by, at: new Date(at), events, lastPosition }
}

const noSequence = { epoch: undefined, sequence: undefined }

function eventsOf(rows: readonly PageRow[], exchange: string): StoredEvent[] {
  return rows.map((row) => new RowEvent(row as unknown as EventRow, exchange))
}

function bytesOf(rows: readonly PageRow[]): number {
  return rows.at(-1)?.at(-1) as number
}

function identityOf([position, source, id, unidentified]: IdentityRow): PositionedIdentity {
  return { position, source, id, unidentified: unidentified === 1 }
}

function checkpointOf([position, checksum, unidentified]: CheckpointRow): Checkpoint {
  return { position, checksum, unidentified }
}
