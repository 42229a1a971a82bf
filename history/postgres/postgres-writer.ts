/**
 * Writes a history into a PostgreSQL database.
 *
 * One writer (writer-connection.ts), so that positions are given here and not by a sequence: there is no
 * later transaction that could be seen before an earlier one. A connection that is lost is made again at the
 * next call. Where it was lost between a commit and its answer, the history itself says whether the batch is
 * in it, and a batch that is tried again is not written twice.
 */
import { HistoryError } from '../errors.ts'
import { identityTaken, notNext } from '../import-conflict.ts'
import { importStart } from '../import-start.ts'
import type { RecordedEvent } from '../stored-event.ts'
import type { Appended, Batch, HistoryWriter, ImportBatch } from '../writer.ts'
import { type BatchPlan, keysOf, planBatch, planImport, type Recorded } from './batch-plan.ts'
import {
  appendStatements,
  type BatchEnd,
  type BatchStatement,
  baseStatement,
  erasuresStatement,
  knownStatement,
  prunedStatement,
  remarkStatements,
} from './batch-statements.ts'
import type { EventKey } from './event-key.ts'
import { makePartition, partitionedUpTo } from './event-partitions.ts'
import { historyAddress } from './history-address.ts'
import { postgresError, shownAddress } from './postgres.ts'
import { fromText, toText } from './postgres-text.ts'
import {
  isMissing,
  locked,
  replaced,
  type Tenure,
  WriterConnection,
  type WriterPlace,
} from './writer-connection.ts'

export interface PostgresWriterOptions {
  /** The database's URL. */
  readonly history: string
  readonly exchange: string
  /** Positions a partition, where the history is made. Default 5,000,000. */
  readonly partitionSize?: number
}

/**
 * Opens, or makes, the history of an exchange for writing.
 *
 * @throws HistoryError `HISTORY_LOCKED` where another writer has it; `HISTORY_FOREIGN`, `HISTORY_TOO_NEW`,
 *   `HISTORY_UNAVAILABLE`, `HISTORY_DRIVER_MISSING`.
 */
export async function openPostgresWriter({
  history,
  exchange,
  partitionSize = 5_000_000,
}: PostgresWriterOptions): Promise<HistoryWriter> {
  const { url } = historyAddress({ history, exchange })
  const place = { url, exchange, partitionSize }
  const connection = await WriterConnection.open(place)
  try {
    const tenure = await connection.begin()
    const writer = new PostgresWriter(connection, { place, tenure })
    await writer.load()
    return writer
  } catch (error) {
    await connection.close()
    throw postgresError(error, url)
  }
}

/** A batch whose commit was not answered. */
interface Doubt {
  readonly batch: Batch | ImportBatch
  readonly end: BatchEnd
  readonly appended: Appended
}

class PostgresWriter implements HistoryWriter {
  readonly #place: WriterPlace
  readonly #tenure: Tenure
  #connection: WriterConnection
  /** What the next event builds on. */
  #end: BatchEnd = { head: 0, recordedAt: 0, checksum: '0'.repeat(32), unidentified: 0 }
  #partitionedUpTo = 0
  #doubt: Doubt | undefined
  /** The last batch had some: where one is, more are likely. */
  #expectsDuplicates = false
  /** One call at a time: the newest one's end. */
  #last: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(connection: WriterConnection, { place, tenure }: { place: WriterPlace; tenure: Tenure }) {
    this.#connection = connection
    this.#place = place
    this.#tenure = tenure
  }

  /** Reads how far the history is. */
  async load(): Promise<void> {
    const { client } = this.#connection
    const { rows } = await client.query<EndRow>(lastCheckpoint(this.#tenure.schema))
    const [row] = rows
    if (Number(row?.head ?? 0) < this.#end.head) throw replaced(this.#place)
    if (row !== undefined) {
      const { head, recorded_at, unidentified, checksum } = row
      this.#end = {
        head: Number(head),
        recordedAt: Number(recorded_at),
        unidentified: Number(unidentified),
        checksum,
      }
    }
    this.#partitionedUpTo = await partitionedUpTo(client, this.#tenure)
  }

  async head(): Promise<number> {
    return await this.#inTurn(async () => this.#end.head)
  }

  async append(batch: Batch): Promise<Appended> {
    return await this.#inTurn(async () => {
      const done = this.#takeDoubt(batch)
      if (done !== undefined) return done.appended
      if (!this.#expectsDuplicates) {
        try {
          return await this.#append(batch, new Map())
        } catch (error) {
          if (!isDuplicateKey(error)) throw error
        }
      }
      return await this.#append(batch, await this.#known(keysOf(batch.events)))
    })
  }

  async import(batch: ImportBatch): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#takeDoubt(batch) === undefined) await this.#import(batch)
    })
  }

  async note(name: string): Promise<string | undefined> {
    return await this.#inTurn(async ({ client }) => {
      const text = `SELECT value FROM ${this.#tenure.schema}.notes WHERE name = $1`
      const { rows } = await client.query<{ value: string }>(text, [toText(name)])
      return rows[0] && fromText(rows[0].value)
    })
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#last
    await this.#connection.close()
  }

  async #append(batch: Batch, known: ReadonlyMap<string, Recorded>): Promise<Appended> {
    const { events, fences, notes = {}, cursors = [] } = batch
    const before = this.#end
    // Positions are found by time, so a clock that is set back must not show in them.
    const recordedAt = Math.max(Date.now(), before.recordedAt)
    const plan = planBatch(events, { ...before, recordedAt, known })
    const end = endOf(plan, { ...before, recordedAt })
    const { spent, duplicates, conflicts } = plan
    const remarks = { fences, notes, cursors, spent, duplicates, head: end.head, recordedAt }
    const statements = [
      ...appendStatements(this.#tenure, { plan, end, exchange: this.#place.exchange }),
      ...remarkStatements(this.#tenure, remarks),
    ]
    const appended = { head: end.head, recorded: plan.events.length, duplicates, conflicts }
    await this.#write(statements, { batch, end, appended })
    this.#expectsDuplicates = duplicates > 0
    return appended
  }

  async #import(batch: ImportBatch): Promise<void> {
    const { events, spent, erasures = [], pruned, base } = batch
    const shown = this.#shown
    const { head } = this.#end
    const start = importStart({ base, pruned }, this.#end, shown)
    const before = { ...this.#end, ...start, head: start.position }
    for (const [index, { position }] of events.entries()) {
      const last = before.head + index
      if (position !== last + 1) throw notNext(shown, { position, head: last })
    }
    const plan = planImport(events, before.checksum)
    const recordedAt = Math.max(before.recordedAt, ...plan.events.map((event) => event.recordedAt))
    const end = endOf(plan, { ...before, recordedAt })
    const remarks = { spent, fences: [], notes: {}, cursors: [], duplicates: 0, head: end.head, recordedAt }
    const statements = [
      ...(start.position > head ? [baseStatement(this.#tenure, start)] : []),
      ...(pruned === undefined ? [] : [prunedStatement(this.#tenure, pruned)]),
      ...appendStatements(this.#tenure, { plan, end, exchange: this.#place.exchange }),
      ...remarkStatements(this.#tenure, remarks),
      ...(erasures.length === 0 ? [] : [erasuresStatement(this.#tenure, erasures)]),
    ]
    const appended = { head: end.head, recorded: events.length, duplicates: 0, conflicts: 0 }
    try {
      await this.#write(statements, { batch, end, appended })
    } catch (error) {
      throw isDuplicateKey(error) ? await this.#identityTaken(events, plan, error) : error
    }
  }

  /** One transaction; where it is one statement, one round trip. */
  async #write(statements: readonly BatchStatement[], doubt: Doubt): Promise<void> {
    const { client } = this.#connection
    const { end } = doubt
    await this.#makePartitions(end.head)
    // A batch that does not move the head leaves nothing to tell it by, and does no harm twice.
    if (end.head > this.#end.head) this.#doubt = doubt
    const isAlone = statements.length === 1
    if (!isAlone) await client.query('BEGIN')
    try {
      for (const statement of statements) {
        const { rowCount } = await client.query(statement)
        // The epoch is over: nothing was written.
        if (rowCount !== 1) throw locked(this.#place)
      }
      if (!isAlone) await client.query('COMMIT')
    } catch (error) {
      if (!isAlone) await client.query('ROLLBACK').catch(() => {})
      throw error
    }
    this.#doubt = undefined
    this.#end = end
  }

  /** The batch in doubt, where it is this one and was written after all. */
  #takeDoubt(batch: Batch | ImportBatch): Doubt | undefined {
    const doubt = this.#doubt
    this.#doubt = undefined
    const { head, checksum } = this.#end
    return doubt?.batch === batch && doubt.end.head === head && doubt.end.checksum === checksum
      ? doubt
      : undefined
  }

  /** What the history has of these, by key. */
  async #known(keys: readonly EventKey[]): Promise<Map<string, Recorded>> {
    const statement = knownStatement(this.#tenure.schema, keys)
    const { rows } = await this.#connection.client.query<KnownRow>(statement)
    return new Map(
      rows.map(({ key, position, bodyHash, properties }) => [
        key.replaceAll('-', ''),
        { position: Number(position), bodyHash: bodyHash ?? undefined, properties: fromText(properties) },
      ]),
    )
  }

  async #identityTaken(events: readonly RecordedEvent[], plan: BatchPlan, error: unknown): Promise<unknown> {
    const known = await this.#known(plan.events)
    const seen = new Map<string, number>()
    for (const [index, { key }] of plan.events.entries()) {
      const event = events[index]!
      const taken = known.get(key)?.position ?? seen.get(key)
      if (taken !== undefined) return identityTaken(this.#shown, event, taken)
      seen.set(key, event.position)
    }
    return error
  }

  /** Up to a position, and half a partition more, so that none is ever waited for. */
  async #makePartitions(upTo: number): Promise<void> {
    const { schema, partitionSize } = this.#tenure
    while (this.#partitionedUpTo < upTo + Math.floor(partitionSize / 2)) {
      // Those of positions that are no longer held may be gone.
      const held = Math.floor(this.#end.head / partitionSize) * partitionSize
      const below = Math.max(this.#partitionedUpTo, held)
      await makePartition(this.#connection.client, { schema, first: below + 1, partitionSize })
      this.#partitionedUpTo = below + partitionSize
    }
  }

  /** Works on a connection that holds the lock, one call after another. */
  async #inTurn<Result>(work: (connection: WriterConnection) => Promise<Result>): Promise<Result> {
    const result = this.#last.then(async () => {
      if (this.#closed) throw new HistoryError('HISTORY_CLOSED', `The writer of ${this.#shown} was closed`)
      try {
        return await work(await this.#connected())
      } catch (error) {
        throw this.#failure(error)
      }
    })
    this.#last = result.catch(() => {})
    return await result
  }

  async #connected(): Promise<WriterConnection> {
    if (!this.#connection.isLost) return this.#connection
    const connection = await WriterConnection.open(this.#place, this.#connection)
    this.#connection = connection
    try {
      await connection.resume(this.#tenure)
      await this.load()
      return connection
    } catch (error) {
      connection.cut()
      throw error
    }
  }

  #failure(error: unknown): unknown {
    if (isMissing(error)) return replaced(this.#place)
    const failure = postgresError(error, this.#place.url)
    // The connection may be one that will never answer; and a new one finds out what was committed.
    if (failure instanceof HistoryError && failure.code === 'HISTORY_UNAVAILABLE') this.#connection.cut()
    return failure
  }

  get #shown(): string {
    return `the history of ${this.#place.exchange} in ${shownAddress(this.#place.url)}`
  }
}

interface EndRow {
  readonly head: string
  readonly recorded_at: string
  readonly unidentified: string
  readonly checksum: string
}

interface KnownRow {
  readonly key: string
  readonly position: string
  readonly bodyHash: string | null
  readonly properties: string
}

/** @param before - What the plan builds on; the time is already the new one. */
function endOf({ events, checksum, unidentified }: BatchPlan, before: BatchEnd): BatchEnd {
  return {
    head: before.head + events.length,
    recordedAt: before.recordedAt,
    checksum,
    unidentified: before.unidentified + unidentified,
  }
}

function isDuplicateKey(error: unknown): boolean {
  return (error as { code?: unknown }).code === '23505'
}

const lastCheckpoint = (schema: string) => `
  SELECT position AS head, recorded_at, unidentified, checksum FROM ${schema}.checkpoints
  ORDER BY position DESC LIMIT 1`
