/**
 * Writes a history into a SQLite file.
 *
 * The lock on the one writer is an open transaction on a file beside it, `<file>-writer`: the operating
 * system ends it with the process, however that ends, and readers of the history never meet it.
 */

import { isUtf8 } from 'node:buffer'
import { hash } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import { Checksum, encodeProperties, sequenceHeader, sequenceOf } from '../../events/index.ts'
import { HistoryError } from '../errors.ts'
import { identityTaken, notNext } from '../import-conflict.ts'
import { importStart } from '../import-start.ts'
import { erasureOf, packedSequence, packProperties, packRecorded } from '../packed-properties.ts'
import { eventColumns } from '../stored-event.ts'
import type { Appended, Batch, HistoryWriter, ImportBatch, NewEvent } from '../writer.ts'
import { canonicalPath, FileIdentity } from './file-identity.ts'
import { keepReserve } from './reserve.ts'
import { createSchema, readNote } from './schema.ts'
import { lockFile, openSqlite, type SqliteDatabase, sqliteError } from './sqlite.ts'

/**
 * Opens, or makes, the history of an exchange for writing.
 *
 * @throws HistoryError `HISTORY_LOCKED` where another writer has it; `HISTORY_CORRUPT`,
 *   `HISTORY_FOREIGN`, `HISTORY_TOO_NEW`, `HISTORY_UNAVAILABLE`, `HISTORY_DRIVER_MISSING`.
 */
export async function openSqliteWriter({
  path,
  exchange,
}: {
  path: string
  exchange: string
}): Promise<HistoryWriter> {
  const file = canonicalPath(path)
  const lock = await lockFile(`${file}-writer`)
  if (lock === undefined) {
    throw new HistoryError(
      'HISTORY_LOCKED',
      `${path} has another recorder; stop it, wait for it as a standby, or name another file`,
    )
  }
  try {
    const database = await openSqlite(file)
    // What moves from page to page leaves no copy behind, or an erasure could not find it (sqlite-keeper.ts).
    database.pragma('secure_delete = ON')
    createSchema(database, { path, exchange })
    return new SqliteWriter(database, { lock, path: file, exchange })
  } catch (error) {
    lock.release()
    throw error
  }
}

/** Batches between two looks whether the reserve is to be made. */
const reserveEvery = 1_000
const fenceKeepMs = 24 * 60 * 60 * 1_000

/** What the next event builds on. */
interface State {
  readonly head: number
  readonly checksum: string | undefined
  readonly unidentified: number
  /** Of the newest event, in milliseconds since 1970. */
  readonly recordedAt: number
}

class SqliteWriter implements HistoryWriter {
  readonly #database: SqliteDatabase
  readonly #lock: { release(): void }
  readonly #path: string
  readonly #exchange: string
  readonly #statements: ReturnType<typeof prepareStatements>
  readonly #write: (batch: Batch) => State & Appended
  readonly #import: (batch: ImportBatch) => State
  readonly #identity: FileIdentity
  #state: State
  #appends = 0
  #reserve: Promise<unknown> | undefined
  #closed = false

  constructor(
    database: SqliteDatabase,
    options: { lock: { release(): void }; path: string; exchange: string },
  ) {
    this.#database = database
    this.#lock = options.lock
    this.#path = options.path
    this.#exchange = options.exchange
    this.#statements = prepareStatements(database)
    this.#identity = new FileIdentity(options.path)
    this.#write = database.transaction((batch: Batch) => this.#insertBatch(batch)).immediate
    this.#import = database.transaction((batch: ImportBatch) => this.#insertImported(batch)).immediate
    this.#state = (this.#statements.lastCheckpoint.get() as State | undefined) ?? {
      head: 0,
      checksum: undefined,
      unidentified: 0,
      recordedAt: 0,
    }
  }

  async head(): Promise<number> {
    return this.#state.head
  }

  async append(batch: Batch): Promise<Appended> {
    this.#requireOpen()
    if (this.#appends % reserveEvery === 0) this.#reserve = keepReserve(this.#path)
    this.#appends += 1
    try {
      const { head, checksum, unidentified, recordedAt, ...appended } = this.#write(batch)
      if (!this.#identity.isThere) throw replaced(this.#path)
      // Only now: a commit that failed must leave the next position as it was.
      this.#state = { head, checksum, unidentified, recordedAt }
      return { head, ...appended }
    } catch (error) {
      throw sqliteError(error, this.#path)
    }
  }

  async import(batch: ImportBatch): Promise<void> {
    this.#requireOpen()
    try {
      const state = this.#import(batch)
      if (!this.#identity.isThere) throw replaced(this.#path)
      this.#state = state
    } catch (error) {
      throw sqliteError(error, this.#path)
    }
  }

  async note(name: string): Promise<string | undefined> {
    this.#requireOpen()
    try {
      return readNote(this.#database, name)
    } catch (error) {
      throw sqliteError(error, this.#path)
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#reserve
    this.#database.close()
    this.#lock.release()
  }

  #requireOpen(): void {
    if (this.#closed) throw new HistoryError('HISTORY_CLOSED', `The writer of ${this.#path} was closed`)
  }

  #insertBatch({ events, fences, notes, cursors = [] }: Batch): State & Appended {
    const before = this.#state
    // Positions are found by time, so a clock that is set back must not show in them.
    const recordedAt = Math.max(Date.now(), before.recordedAt)
    const checksum = new Checksum(before.checksum)
    let { head, unidentified } = before
    let conflicts = 0
    for (const event of events) {
      const position = head + 1
      let id = event.id
      if (id === undefined) {
        id = `unidentified:${uuidv7()}`
        this.#insert(event, { position, id, recordedAt, unidentified: 1 })
        unidentified += 1
      } else if (!this.#insert(event, { position, id, recordedAt, unidentified: 0 })) {
        if (this.#isDuplicate(event, { id, head })) continue
        // An id of its own, but the same one each time: this may come again too.
        id = `${id} again:${hash('sha256', event.message.body, 'base64url')}`
        if (!this.#insert(event, { position, id, recordedAt, unidentified: 1 })) continue
        conflicts += 1
        unidentified += 1
      }
      head += 1
      checksum.add(event.source, id)
    }
    const recorded = head - before.head
    const duplicates = events.length - recorded
    const hex = checksum.toString()
    if (recorded > 0) this.#statements.insertCheckpoint.run(head, hex, unidentified)
    if (duplicates > 0) this.#statements.countDuplicates.run(duplicates)
    for (const fence of fences) this.#statements.insertFence.run(fence, head, recordedAt)
    if (fences.length > 0) this.#statements.dropFences.run(recordedAt - fenceKeepMs)
    for (const name in notes) this.#statements.keepNote.run(name, notes[name])
    for (const { consumer, cursor } of cursors) this.#statements.noteCursor.run(consumer, cursor, Date.now())
    return { head, checksum: hex, unidentified, recordedAt, recorded, duplicates, conflicts }
  }

  #insertImported({ events, spent, erasures = [], pruned, base }: ImportBatch): State {
    const before = this.#state
    const start = importStart({ base, pruned }, before, this.#path)
    if (start.position > before.head) {
      this.#statements.insertCheckpoint.run(start.position, start.checksum, start.unidentified)
    }
    if (pruned !== undefined) {
      const { first, last, checksum: sum, unidentified: unnamed, reason, at } = pruned
      this.#statements.keepPruned.run(first, last, sum, unnamed, reason, at.getTime())
    }
    const checksum = new Checksum(start.checksum)
    let { position: head, unidentified } = start
    let { recordedAt } = before
    for (const event of events) {
      const { position, source, id } = event
      if (position !== head + 1) throw notNext(this.#path, { position, head })
      recordedAt = Math.max(event.recordedAt.getTime(), recordedAt)
      const isUnidentified = event.unidentified ? 1 : 0
      const columns: Columns = {
        position,
        id,
        recordedAt: event.recordedAt.getTime(),
        unidentified: isUnidentified,
        properties: packRecorded(event),
      }
      if (!this.#insert(event, columns)) {
        throw identityTaken(this.#path, event, this.#statements.positionOf.get(id, source) as number)
      }
      head = position
      checksum.add(source, id)
      unidentified += isUnidentified
    }
    const hex = checksum.toString()
    if (events.length > 0) this.#statements.insertCheckpoint.run(head, hex, unidentified)
    for (const { position, source, epoch, sequence } of spent) {
      this.#statements.spend.run(position, source, epoch, sequence)
    }
    for (const { number, subject, reason, by, at, events: emptied, lastPosition } of erasures) {
      this.#statements.keepErasure.run(number, subject, reason, by, at.getTime(), emptied, lastPosition)
    }
    return { head, checksum: hex, unidentified, recordedAt }
  }

  /**
   * The same (source, id) with another body is another event, of a publisher that uses its ids again. A
   * duplicate that was published again has a number of its own, which is spent with it.
   */
  #isDuplicate({ source, message }: NewEvent, { id, head }: { id: string; head: number }): boolean {
    const { recorded, spend } = this.#statements
    const { body, properties } = recorded.get(id, source) as { body: Buffer; properties: string }
    // An erased event has no body to compare: its identity alone tells that it came before, and it stays erased.
    if (erasureOf(properties) === undefined && !message.body.equals(body)) return false
    const stated = sequenceOf(message.properties)
    if (stated !== undefined && message.properties.headers?.[sequenceHeader] !== packedSequence(properties))
      spend.run(head, source, stated.epoch, stated.sequence)
    return true
  }

  /** @returns false where the history has this identity already. */
  #insert(event: NewEvent, { position, id, recordedAt, unidentified, properties: packed }: Columns): boolean {
    const { properties, exchange, routingKey, body } = event.message
    const { insertText, insertBytes } = this.#statements
    const { changes } = (isUtf8(body) ? insertText : insertBytes).run(
      position,
      event.source,
      id,
      event.type,
      event.subject ?? null,
      properties.contentType ?? null,
      recordedAt,
      unidentified,
      exchange === this.#exchange ? null : exchange,
      routingKey,
      packed ?? (unidentified === 1 ? encodeProperties(properties) : packProperties(event)),
      body,
    )
    return changes === 1
  }
}

/** What the history itself says of an event. */
interface Columns {
  readonly position: number
  readonly id: string
  readonly recordedAt: number
  readonly unidentified: 0 | 1
  /** Packed. Default: those of the message. */
  readonly properties?: string
}

function prepareStatements(database: SqliteDatabase) {
  return {
    insertText: database.prepare(insertEvent('CAST(? AS TEXT)')),
    insertBytes: database.prepare(insertEvent('?')),
    recorded: database.prepare(
      'SELECT CAST(body AS BLOB) AS body, properties FROM events WHERE id = ? AND source = ?',
    ),
    spend: database.prepare(
      `INSERT INTO spent_sequences (position, source, epoch, sequence) VALUES (?, ?, ?, ?)
       ON CONFLICT (source, epoch, sequence) DO NOTHING`,
    ),
    insertCheckpoint: database.prepare(
      'INSERT INTO checkpoints (position, checksum, unidentified) VALUES (?, ?, ?)',
    ),
    lastCheckpoint: database.prepare(
      `SELECT position AS head, checksum, unidentified,
         coalesce((SELECT recorded_at FROM events ORDER BY position DESC LIMIT 1), 0) AS "recordedAt"
       FROM checkpoints ORDER BY position DESC LIMIT 1`,
    ),
    countDuplicates: database.prepare('UPDATE history SET duplicates = duplicates + ?'),
    insertFence: database.prepare(
      'INSERT INTO fences (id, position, recorded_at) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING',
    ),
    dropFences: database.prepare('DELETE FROM fences WHERE recorded_at < ?'),
    keepNote: database.prepare(
      'INSERT INTO notes (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
    ),
    noteCursor: database.prepare(
      `INSERT INTO consumers (name, cursor, told_at) VALUES (?, ?, ?)
       ON CONFLICT (name) DO UPDATE SET cursor = excluded.cursor, told_at = excluded.told_at`,
    ),
    positionOf: database.prepare('SELECT position FROM events WHERE id = ? AND source = ?').pluck(),
    keepPruned: database.prepare(
      `INSERT INTO pruned (first, last, checksum, unidentified, reason, pruned_at) VALUES (?, ?, ?, ?, ?, ?)`,
    ),
    keepErasure: database.prepare(
      `INSERT INTO erasures (number, subject, reason, erased_by, erased_at, events, last_position, finished)
       VALUES (?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT (number) DO NOTHING`,
    ),
  }
}

function insertEvent(body: string): string {
  return `INSERT INTO events (${eventColumns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ${body})
    ON CONFLICT (id, source) DO NOTHING`
}

function replaced(path: string): HistoryError {
  return new HistoryError(
    'HISTORY_REPLACED',
    `${path} was deleted or replaced while it was recorded into; put it back and start again. What was not acknowledged is still in the history queue`,
  )
}
