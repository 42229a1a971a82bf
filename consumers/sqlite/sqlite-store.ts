/**
 * A consumer's store in a SQLite file: the application's tables and, with `backstory_` names, ours.
 *
 * The connection belongs to the consumer. Handlers may be asynchronous, so a transaction is BEGIN and
 * COMMIT around them: whoever else wants the file opens a connection of his own.
 */
import type { Identity } from '../../events/index.ts'
import {
  canonicalPath,
  HistoryError,
  isHistory,
  lockFile,
  openSqlite,
  type SqliteDatabase,
} from '../../history/index.ts'
import { ConsumerError } from '../errors.ts'
import { AppliedBlocks } from '../marks/applied-blocks.ts'
import type { Part } from '../parking/parking.ts'
import {
  type ConsumerState,
  type ConsumerStore,
  type InboxMark,
  initialState,
  type StoreTransaction,
} from '../store.ts'
import { SqliteParking } from './sqlite-parking.ts'
import { SqliteReactions } from './sqlite-reactions.ts'
import { makeTables } from './sqlite-tables.ts'

export interface SqliteStoreOptions<Tx> {
  readonly path: string
  /** The consumer's name; one file may hold several consumers. */
  readonly consumer: string
  readonly exchange: string
  /** See ConsumerDefinition. */
  prepare?(database: SqliteDatabase): Tx | Promise<Tx>
}

/**
 * Opens, or makes, a consumer's store.
 *
 * @throws ConsumerError `CONSUMER_LOCKED` where this consumer runs on this file already;
 *   `CONSUMER_STORE_FOREIGN` the file is no SQLite database, or holds a consumer of that name of another
 *   exchange; `CONSUMER_STORE_UNAVAILABLE`. What `prepare` throws.
 */
export async function openSqliteStore<Tx = SqliteDatabase>({
  path,
  consumer,
  exchange,
  prepare = (database) => database as Tx,
}: SqliteStoreOptions<Tx>): Promise<ConsumerStore<Tx>> {
  const file = canonicalPath(path)
  const lock = await guard(path, () => lockFile(`${file}-${consumer}-consumer`))
  if (lock === undefined) {
    throw new ConsumerError(
      'CONSUMER_LOCKED',
      `Consumer ${consumer} runs on ${path} already; stop that one first`,
    )
  }
  let database: SqliteDatabase | undefined
  try {
    database = await guard(path, () => openSqlite(file))
    // A wait for another writer would hold up this whole process, that writer's handler perhaps with it.
    database.pragma('busy_timeout = 0')
    if (isHistory(database)) {
      throw new ConsumerError(
        'CONSUMER_STORE_FOREIGN',
        `${path} is a history; name a file of the consumer's own`,
      )
    }
    await guard(path, async () => makeTables(database!))
    checkExchange(database, { path, consumer, exchange })
    return new SqliteStore(database, { lock, path, consumer, exchange, tx: await prepare(database) })
  } catch (error) {
    database?.close()
    lock.release()
    throw error
  }
}

export interface StateRow
  extends Omit<ConsumerState, 'reactAfter' | 'pruned' | 'erased' | 'superseded' | 'latestTo' | 'erasure'> {
  readonly name: string
  readonly exchange: string
  readonly generation: number
  readonly react_after: number | null
  /** Absent, as the next four are, in a store that an older version has made. */
  readonly pruned?: number
  readonly erased?: number
  readonly superseded?: number
  readonly latest_to?: number
  readonly erasure?: number
  readonly updated_at: number
}

export function toState({
  phase,
  cursor,
  replayed,
  live,
  duplicates,
  unidentified,
  repairs,
  checksum,
  react_after,
  pruned = 0,
  erased = 0,
  superseded = 0,
  latest_to: latestTo = 0,
  erasure = 0,
}: StateRow): ConsumerState {
  const reactAfter = react_after ?? undefined
  const counts = { replayed, live, duplicates, unidentified, repairs, pruned, erased, superseded }
  return { phase, cursor, ...counts, checksum, reactAfter, latestTo, erasure }
}

class SqliteStore<Tx> implements ConsumerStore<Tx>, StoreTransaction<Tx> {
  readonly tx: Tx
  readonly parking: SqliteParking
  readonly reactions: SqliteReactions
  readonly #database: SqliteDatabase
  readonly #lock: { release(): void }
  readonly #path: string
  readonly #consumer: string
  readonly #exchange: string
  readonly #statements: ReturnType<typeof prepareStatements>
  readonly #applied = new AppliedBlocks()
  #generation = 0
  /** While the inbox is empty, as it is through a first replay, there is nothing to look up. */
  #inboxMayHaveRows: boolean
  /** One transaction at a time: the newest one's end. */
  #last: Promise<void> = Promise.resolve()
  #closed = false

  constructor(
    database: SqliteDatabase,
    options: { lock: { release(): void }; path: string; consumer: string; exchange: string; tx: Tx },
  ) {
    this.#database = database
    this.#lock = options.lock
    this.#path = options.path
    this.#consumer = options.consumer
    this.#exchange = options.exchange
    this.tx = options.tx
    this.parking = new SqliteParking(database, options.consumer)
    this.reactions = new SqliteReactions(database, options.consumer)
    this.#statements = prepareStatements(database)
    this.#inboxMayHaveRows = this.#hasRows()
  }

  /** The lock on the file keeps other instances out. */
  async acquire(): Promise<void> {
    this.#generation = this.#storedGeneration()
    this.#forgetCaches()
  }

  async state(): Promise<ConsumerState> {
    const row = this.#statements.state.get(this.#consumer) as StateRow | undefined
    return row === undefined ? initialState : toState(row)
  }

  async waiting(): Promise<Identity[]> {
    return this.#statements.waiting.all(this.#consumer) as Identity[]
  }

  async transaction<Result>(work: (transaction: StoreTransaction<Tx>) => Promise<Result>): Promise<Result> {
    const before = this.#last
    const { promise, done } = completion()
    this.#last = promise
    await before
    try {
      return await this.#transact(work)
    } finally {
      done()
    }
  }

  async #transact<Result>(work: (transaction: StoreTransaction<Tx>) => Promise<Result>): Promise<Result> {
    if (this.#closed) throw new ConsumerError('CONSUMER_CLOSED', `The store ${this.#path} was closed`)
    try {
      this.#statements.begin.run()
      if (this.#storedGeneration() !== this.#generation) throw superseded(this.#consumer, this.#path)
      const result = await work(this)
      this.#commit()
      return result
    } catch (error) {
      this.#rollback()
      throw storeError(error, this.#path)
    }
  }

  async marks(identities: readonly Identity[]): Promise<(InboxMark | undefined)[]> {
    if (!this.#inboxMayHaveRows) return new Array(identities.length).fill(undefined)
    return identities.map(
      ({ source, id }) => this.#statements.mark.get(this.#consumer, id, source) as InboxMark,
    )
  }

  async add(identities: readonly Identity[], passedAt?: number): Promise<void> {
    this.#inboxMayHaveRows = true
    for (const { source, id } of identities)
      this.#statements.add.run(this.#consumer, id, source, passedAt ?? null)
  }

  async pass(identities: readonly Identity[], at: number): Promise<void> {
    for (const { source, id } of identities) this.#statements.pass.run(at, this.#consumer, id, source)
  }

  async forget(passedBefore: number): Promise<void> {
    this.#statements.forget.run(passedBefore, this.#consumer)
    this.#inboxMayHaveRows = this.#hasRows()
  }

  async save(state: ConsumerState): Promise<void> {
    this.#statements.save.run(
      this.#consumer,
      this.#exchange,
      this.#generation,
      state.phase,
      state.cursor,
      state.replayed,
      state.live,
      state.duplicates,
      state.unidentified,
      state.repairs,
      state.checksum,
      state.reactAfter ?? null,
      state.pruned,
      state.erased,
      state.superseded,
      state.latestTo,
      state.erasure,
      Date.now(),
    )
  }

  async noteApplied(positions: readonly number[]): Promise<void> {
    const { bits, saveBits } = this.#statements
    const load = (block: number) => bits.get(this.#consumer, block) as Buffer | undefined
    for (const noted of this.#applied.note(positions, load))
      saveBits.run(this.#consumer, noted.block, noted.bits)
  }

  async countTry(part: Part, { source, id }: Identity): Promise<number> {
    return (this.#statements.countTry.get(this.#consumer, part, id, source) as number) - 1
  }

  async forgetTries(part: Part, { source, id }: Identity): Promise<void> {
    this.#statements.forgetTries.run(this.#consumer, part, id, source)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#database.close()
    this.#lock.release()
  }

  #commit(): void {
    try {
      this.#statements.commit.run()
    } catch (cause) {
      if (!String((cause as { code?: unknown }).code).startsWith('SQLITE_CONSTRAINT')) throw cause
      const reason = (cause as Error).message
      throw new ConsumerError('CONSUMER_COMMIT_REFUSED', `${this.#path} refused the commit: ${reason}`, {
        cause,
      })
    }
  }

  #hasRows(): boolean {
    return this.#statements.anyInbox.get(this.#consumer) !== undefined
  }

  #storedGeneration(): number {
    return (this.#statements.generation.get(this.#consumer) as number | undefined) ?? 0
  }

  #rollback(): void {
    // A full disk may have rolled back by itself.
    if (this.#database.open && this.#database.inTransaction) this.#statements.rollback.run()
    this.#forgetCaches()
  }

  #forgetCaches(): void {
    this.#inboxMayHaveRows = true
    this.#applied.forget()
    this.parking.forget()
  }
}

function completion(): { promise: Promise<void>; done: () => void } {
  let done!: () => void
  const promise = new Promise<void>((resolve) => {
    done = resolve
  })
  return { promise, done }
}

/** The identities that wait in a consumer's inbox. */
export const selectWaiting = 'SELECT source, id FROM backstory_inbox WHERE consumer = ? AND passed_at IS NULL'

function prepareStatements(database: SqliteDatabase) {
  return {
    begin: database.prepare('BEGIN IMMEDIATE'),
    commit: database.prepare('COMMIT'),
    rollback: database.prepare('ROLLBACK'),
    state: database.prepare('SELECT * FROM backstory_consumers WHERE name = ?'),
    generation: database.prepare('SELECT generation FROM backstory_consumers WHERE name = ?').pluck(),
    save: database.prepare(
      `INSERT OR REPLACE INTO backstory_consumers (name, exchange, generation, phase, cursor, replayed, live,
         duplicates, unidentified, repairs, checksum, react_after, pruned, erased, superseded, latest_to, erasure, updated_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    bits: database.prepare('SELECT bits FROM backstory_applied WHERE consumer = ? AND block = ?').pluck(),
    saveBits: database.prepare(
      'INSERT OR REPLACE INTO backstory_applied (consumer, block, bits) VALUES (?, ?, ?)',
    ),
    countTry: database
      .prepare(
        `INSERT INTO backstory_tries (consumer, part, id, source, tries) VALUES (?, ?, ?, ?, 1)
         ON CONFLICT (consumer, part, id, source) DO UPDATE SET tries = tries + 1 RETURNING tries`,
      )
      .pluck(),
    forgetTries: database.prepare(
      'DELETE FROM backstory_tries WHERE consumer = ? AND part = ? AND id = ? AND source = ?',
    ),
    waiting: database.prepare(selectWaiting),
    anyInbox: database.prepare('SELECT 1 FROM backstory_inbox WHERE consumer = ? LIMIT 1'),
    mark: database
      .prepare(
        `SELECT iif(passed_at IS NULL, 'waiting', 'passed') FROM backstory_inbox
         WHERE consumer = ? AND id = ? AND source = ?`,
      )
      .pluck(),
    add: database.prepare(
      'INSERT INTO backstory_inbox (consumer, id, source, passed_at) VALUES (?, ?, ?, ?)',
    ),
    pass: database.prepare(
      'UPDATE backstory_inbox SET passed_at = ? WHERE consumer = ? AND id = ? AND source = ?',
    ),
    forget: database.prepare('DELETE FROM backstory_inbox WHERE passed_at < ? AND consumer = ?'),
  }
}

function superseded(consumer: string, path: string): ConsumerError {
  return new ConsumerError(
    'CONSUMER_SUPERSEDED',
    `Another hand has set the marks of consumer ${consumer} in ${path}; it begins again with these`,
  )
}

function checkExchange(
  database: SqliteDatabase,
  { path, consumer, exchange }: { path: string; consumer: string; exchange: string },
): void {
  const found = database
    .prepare('SELECT exchange FROM backstory_consumers WHERE name = ?')
    .pluck()
    .get(consumer)
  if (found === undefined || found === exchange) return
  throw new ConsumerError(
    'CONSUMER_STORE_FOREIGN',
    `${path} holds consumer ${consumer} of exchange ${found}, not of ${exchange}; name another store`,
  )
}

export async function guard<Result>(path: string, open: () => Promise<Result>): Promise<Result> {
  try {
    return await open()
  } catch (error) {
    throw storeError(error, path)
  }
}

/** Result codes of SQLite that say nothing of the data: waiting may help. */
const unavailableCodes = /^SQLITE_(FULL|IOERR|BUSY|LOCKED|READONLY|CANTOPEN|PROTOCOL)/

function storeError(error: unknown, path: string): unknown {
  if (error instanceof HistoryError) {
    if (error.code === 'HISTORY_NOT_FOUND') {
      return new ConsumerError(
        'CONSUMER_STORE_UNAVAILABLE',
        `${path} does not exist; name a consumer's store`,
      )
    }
    const isForeign = error.code === 'HISTORY_CORRUPT'
    if (error.code === 'HISTORY_DRIVER_MISSING') return error
    return new ConsumerError(
      isForeign ? 'CONSUMER_STORE_FOREIGN' : 'CONSUMER_STORE_UNAVAILABLE',
      error.message,
      {
        cause: error,
      },
    )
  }
  const { code, message } = error as { code?: unknown; message?: string }
  if (typeof code !== 'string' || !unavailableCodes.test(code)) return error
  return new ConsumerError(
    'CONSUMER_STORE_UNAVAILABLE',
    `${path} cannot be written now (${message}): make room, or look at its rights and at who else has it open`,
    {
      cause: error,
    },
  )
}
