/**
 * The store of the consumer that is rebuilt, on a connection of the rebuild's own: looked at while the
 * consumer runs, and taken in hand for the swap alone.
 *
 * The lock is SQLite's own write lock: readers go on, and a transaction of the consumer's waits and is tried
 * again. It is taken by a first write and not by BEGIN IMMEDIATE, which would lock the attached draft too.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { decodeProperties, type Identity } from '../../events/index.ts'
import { lockFile, openSqlite, type SqliteDatabase } from '../../history/index.ts'
import { ConsumerError } from '../errors.ts'
import type { ParkingCounts } from '../parking/parking.ts'
import { countParked } from '../sqlite/sqlite-parking.ts'
import { guard, type StateRow, selectWaiting, toState } from '../sqlite/sqlite-store.ts'
import { readSqliteStore } from '../sqlite/sqlite-store-reader.ts'
import { makeTables } from '../sqlite/sqlite-tables.ts'
import type { ConsumerState } from '../store.ts'
import type { Decision } from './rebuild-handlers.ts'

export interface RebuildTargetOptions {
  /** Canonical. */
  readonly path: string
  readonly consumer: string
  readonly exchange: string
}

/** What the draft is attached as. */
export const draftSchema = 'backstory_draft'

const busyRetryMs = 5

/**
 * Looks whether there is something to rebuild, and makes nothing.
 *
 * @throws ConsumerError `CONSUMER_STORE_FOREIGN` where the store does not hold this consumer of that exchange;
 *   `CONSUMER_STORE_UNAVAILABLE` where it is not there.
 */
export async function checkTarget({ path, consumer, exchange }: RebuildTargetOptions): Promise<void> {
  const stored = (await readSqliteStore(path)).find(({ name }) => name === consumer)
  if (stored?.exchange === exchange) return
  throw new ConsumerError(
    'CONSUMER_STORE_FOREIGN',
    stored === undefined
      ? `${path} does not hold consumer ${consumer}: name its store, or start it there first`
      : `${path} holds consumer ${consumer} of exchange ${stored.exchange}, not of ${exchange}; name another store`,
  )
}

export class RebuildTarget {
  readonly database: SqliteDatabase
  readonly #options: RebuildTargetOptions
  readonly #statements: ReturnType<typeof prepareStatements>
  #hasDecisions = false

  private constructor(database: SqliteDatabase, options: RebuildTargetOptions) {
    this.database = database
    this.#options = options
    database.exec(`CREATE TEMP TABLE backstory_decisions (source, id, discarded, properties, body,
      PRIMARY KEY (id, source)) WITHOUT ROWID`)
    this.#statements = prepareStatements(database)
  }

  /** Opens a store that holds the consumer: see `checkTarget`. */
  static async open(options: RebuildTargetOptions, signal: AbortSignal): Promise<RebuildTarget> {
    const { path } = options
    const database = await guard(path, () => openSqlite(path))
    try {
      // A wait would hold up this whole process, and with it a consumer that runs in it.
      database.pragma('busy_timeout = 0')
      // Dropping a table must not delete row by row what refers to it: it comes back in a moment.
      database.pragma('foreign_keys = OFF')
      // What the swap has written is brought to its place after the commit, when others may write: `settle`.
      database.pragma('wal_autocheckpoint = 0')
      await guard(path, () => whenFree(() => makeTables(database), signal))
      return new RebuildTarget(database, options)
    } catch (error) {
      database.close()
      throw error
    }
  }

  /** Other consumers in the same file. */
  get others(): string[] {
    return this.#statements.others.all(this.#options.consumer) as string[]
  }

  counts(): ParkingCounts {
    return countParked(this.database, this.#options.consumer)
  }

  attach(draft: string): void {
    this.database.prepare(`ATTACH ? AS ${draftSchema}`).run(draft)
  }

  /** The marks as they are at one moment. */
  marks(): { readonly state: ConsumerState; readonly waiting: readonly Identity[] } {
    const { consumer } = this.#options
    const read = () => ({
      state: toState(this.#statements.state.get(consumer) as StateRow),
      waiting: this.#statements.waiting.all(consumer) as Identity[],
    })
    return this.database.inTransaction ? read() : this.database.transaction(read)()
  }

  /** Keeps what hands have decided about parked events until now, for `decisionOf`. */
  keepDecisions(): void {
    const { forgetDecisions, keepDecisions } = this.#statements
    forgetDecisions.run()
    this.#hasDecisions = keepDecisions.run(this.#options).changes > 0
  }

  /** Whether hands have decided something since. */
  haveDecisionsChanged(): boolean {
    return this.#statements.changedDecisions.get(this.#options) === 1
  }

  decisionOf({ id, source }: Identity): Decision | undefined {
    if (!this.#hasDecisions) return undefined
    const row = this.#statements.decision.get(id, source) as DecisionRow | undefined
    if (row === undefined) return undefined
    if (row.discarded === 1) return 'discarded'
    return { properties: decodeProperties(row.properties), body: row.body ?? undefined }
  }

  /** Whether a consumer has this store in hand, here or in another process. */
  async isInUse(): Promise<boolean> {
    const { path, consumer } = this.#options
    const lock = await guard(path, () => lockFile(`${path}-${consumer}-consumer`))
    lock?.release()
    return lock === undefined
  }

  /** Keeps all others from writing until `commit` or `rollback`; waits for its turn. */
  async lock(signal: AbortSignal): Promise<void> {
    const { consumer, path } = this.#options
    await guard(path, () =>
      whenFree(() => {
        this.database.exec('BEGIN')
        try {
          this.#statements.touch.run(consumer)
        } catch (error) {
          this.rollback()
          throw error
        }
      }, signal),
    )
  }

  /** Lets the running consumer begin again, with what the store then says. */
  supersede(): void {
    this.#statements.supersede.run(this.#options.consumer)
  }

  async commit(): Promise<void> {
    await guard(this.#options.path, async () => this.database.exec('COMMIT'))
  }

  /**
   * Brings what was committed from the write-ahead log to its place: else the consumer's next commit would
   * have to. Where that is in the way, or the disk is full, a later commit does it.
   */
  settle(): void {
    try {
      this.database.pragma('wal_checkpoint(PASSIVE)')
    } catch {
      // The tables are swapped all the same.
    }
  }

  rollback(): void {
    if (this.database.inTransaction) this.database.exec('ROLLBACK')
  }

  close(): void {
    this.database.close()
  }
}

interface DecisionRow {
  readonly discarded: 0 | 1
  readonly properties: string
  readonly body: Buffer | null
}

const selectDecisions = `
  SELECT source, id, state = 'discarded' AS discarded,
    iif(state = 'discarded', NULL, edited_properties) AS properties,
    iif(state = 'discarded', NULL, edited_body) AS body
  FROM main.backstory_parked
  WHERE consumer = @consumer AND part = 'apply' AND (state = 'discarded' OR edited_properties IS NOT NULL)`

const keptDecisions = 'SELECT source, id, discarded, properties, body FROM temp.backstory_decisions'

function prepareStatements(database: SqliteDatabase) {
  return {
    others: database
      .prepare('SELECT name FROM main.backstory_consumers WHERE name <> ? ORDER BY name')
      .pluck(),
    state: database.prepare('SELECT * FROM main.backstory_consumers WHERE name = ?'),
    waiting: database.prepare(selectWaiting),
    touch: database.prepare('UPDATE main.backstory_consumers SET generation = generation WHERE name = ?'),
    supersede: database.prepare(
      'UPDATE main.backstory_consumers SET generation = generation + 1 WHERE name = ?',
    ),
    forgetDecisions: database.prepare('DELETE FROM temp.backstory_decisions'),
    keepDecisions: database.prepare(`INSERT OR REPLACE INTO temp.backstory_decisions ${selectDecisions}`),
    changedDecisions: database
      .prepare(
        `SELECT EXISTS (SELECT * FROM (${selectDecisions}) EXCEPT ${keptDecisions})
           OR EXISTS (${keptDecisions} EXCEPT SELECT * FROM (${selectDecisions}))`,
      )
      .pluck(),
    decision: database.prepare(
      `SELECT discarded, properties, body FROM temp.backstory_decisions WHERE id = ? AND source = ?`,
    ),
  }
}

/** Tries until no other connection writes; a transaction of a running consumer's is short. */
async function whenFree<Result>(write: () => Result, signal: AbortSignal): Promise<Result> {
  for (;;) {
    signal.throwIfAborted()
    try {
      return write()
    } catch (error) {
      if (!String((error as { code?: unknown }).code).startsWith('SQLITE_BUSY')) throw error
      await sleep(busyRetryMs)
    }
  }
}
