/**
 * The draft of a rebuild: the consumer's tables, made anew in a file of their own by the definition's own
 * `prepare` and handlers, through the applier that a running consumer uses.
 *
 * It follows the running consumer, and never passes it: what that has taken in, and nothing else, is what
 * the draft may have taken in at the moment of the swap. Nobody else reads it and it does not outlive its
 * process, so it is not synced.
 */
import type { Identity, Logger } from '../../events/index.ts'
import type { HistoryReader, SqliteDatabase, StoredEvent } from '../../history/index.ts'
import { Applier } from '../applier.ts'
import { checkBounds } from '../bounds.ts'
import type { ParkingPolicy } from '../definition.ts'
import type { Clock } from '../link.ts'
import { replayPage } from '../replay-page.ts'
import { openSqliteStore } from '../sqlite/sqlite-store.ts'
import { type ConsumerState, type ConsumerStore, isNew } from '../store.ts'
import { type Decision, decided, type RebuildHandlers } from './rebuild-handlers.ts'

export interface RebuildDraftOptions<Tx> {
  readonly path: string
  readonly consumer: string
  readonly exchange: string
  readonly history: HistoryReader
  readonly handlers: RebuildHandlers<Tx>
  readonly parking: Required<ParkingPolicy> | undefined
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly logger: Logger
  prepare?(database: SqliteDatabase): Tx | Promise<Tx>
  decisionOf(identity: Identity): Decision | undefined
  /** Told after each page. */
  onPosition(position: number): void
}

/** What a consumer has taken in: all up to the cursor, and these. */
export interface TakenIn {
  readonly cursor: number
  readonly waiting: readonly Identity[]
  /** As of its state. */
  readonly latestTo: number
}

const pageLimit = 1_000
/** What fails again is due no more. */
const dueNow = `UPDATE backstory_parked SET due_at = ? WHERE state = 'parked' AND reason <> 'behind'`
const selectDue = `SELECT 1 FROM backstory_parked WHERE state = 'parked' AND due_at IS NOT NULL LIMIT 1`
const pragmas = ['journal_mode = MEMORY', 'synchronous = OFF']

export class RebuildDraft<Tx> {
  readonly #options: RebuildDraftOptions<Tx>
  readonly #store: ConsumerStore<Tx>
  readonly #database: SqliteDatabase
  readonly #applier: Applier<Tx>
  /** Positions beyond the cursor that it has. */
  #beyond: ReadonlySet<number> = new Set()

  private constructor(
    options: RebuildDraftOptions<Tx>,
    parts: { store: ConsumerStore<Tx>; database: SqliteDatabase; applier: Applier<Tx> },
  ) {
    this.#options = options
    this.#store = parts.store
    this.#database = parts.database
    this.#applier = parts.applier
  }

  /** @throws what `prepare` throws; ConsumerError `CONSUMER_STORE_UNAVAILABLE`. */
  static async open<Tx>(options: RebuildDraftOptions<Tx>): Promise<RebuildDraft<Tx>> {
    const { path, consumer, exchange, prepare = (database) => database as Tx, parking } = options
    let database!: SqliteDatabase
    const store = await openSqliteStore<Tx>({
      path,
      consumer,
      exchange,
      async prepare(opened) {
        database = opened
        const tx = await prepare(opened)
        for (const pragma of pragmas) opened.pragma(pragma)
        return tx
      },
    })
    try {
      await store.acquire(options.signal)
      const applier = await Applier.open({
        ...options,
        store,
        // Parked ones are tried again when the draft says so: see `retryParked`.
        parking: parking && { ...parking, retryAfterMs: [] },
        carefulMax: 0,
        rememberMs: 0,
      })
      return new RebuildDraft(options, { store, database, applier })
    } catch (error) {
      await store.close()
      throw error
    }
  }

  get state(): ConsumerState {
    return this.#applier.state
  }

  /** How many events it lacks, at most. */
  behind({ cursor, waiting }: TakenIn): number {
    return Math.max(cursor - this.state.cursor, 0) + Math.max(waiting.length - this.#beyond.size, 0)
  }

  /**
   * Takes in what the consumer has.
   *
   * @returns The identities that the history does not have yet: without these it is not level.
   * @throws HistoryError; ConsumerError `CONSUMER_AHEAD`, `CONSUMER_HISTORY_TRUNCATED`, and
   *   `CONSUMER_HANDLER_FAILED` where nothing is to be parked; the signal's reason.
   */
  async follow({ cursor, waiting, latestTo }: TakenIn): Promise<Identity[]> {
    const { consumer, history, clock, signal, onPosition } = this.#options
    if (isNew(this.state) && latestTo > 0) await this.#applier.beginWithLatest(latestTo)
    while (this.state.cursor < cursor) {
      const bounds = await history.bounds()
      checkBounds(consumer, this.state.cursor, bounds)
      checkBounds(consumer, cursor, bounds)
      const wanted = { after: this.state.cursor, upTo: cursor, limit: pageLimit }
      const page = await replayPage(history, wanted, this.state)
      await this.#applier.replay(page.map((event) => this.#decided(event)))
      onPosition(this.state.cursor)
      // SQLite answers without leaving this turn: signals and timers need one of their own.
      await clock.sleep(0)
      signal.throwIfAborted()
    }
    const positions = await history.positionsOf(waiting)
    const beyond = positions.filter(
      (position): position is number => position !== undefined && position > this.state.cursor,
    )
    await this.#takeInBeyond(beyond.filter((position) => !this.#beyond.has(position)))
    this.#beyond = new Set(beyond)
    return waiting.filter((_identity, index) => positions[index] === undefined)
  }

  /**
   * Tries each parked event once more: what it waited for may have come after it, as it has where the
   * consumer applied it on a retry.
   */
  async retryParked(): Promise<void> {
    const { clock, signal } = this.#options
    if (this.#applier.counts.parked === 0) return
    this.#database.prepare(dueNow).run(clock.now())
    const anyDue = this.#database.prepare(selectDue)
    while (anyDue.get() !== undefined) {
      await this.#applier.redrive()
      await clock.sleep(0)
      signal.throwIfAborted()
    }
  }

  async close(): Promise<void> {
    await this.#store.close()
  }

  async #takeInBeyond(positions: readonly number[]): Promise<void> {
    const { history, clock, signal } = this.#options
    const ascending = [...positions].sort((left, right) => left - right)
    for (let from = 0; from < ascending.length; from += pageLimit) {
      const events: StoredEvent[] = []
      for (const position of ascending.slice(from, from + pageLimit)) {
        const event = await history.at(position)
        if (event !== undefined) events.push(this.#decided(event))
      }
      await this.#applier.live(events, () => {})
      await clock.sleep(0)
      signal.throwIfAborted()
    }
  }

  #decided(event: StoredEvent): StoredEvent {
    return decided(event, this.#options.decisionOf(event))
  }
}
