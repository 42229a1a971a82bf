/**
 * Rebuild: a consumer's tables made anew from the history, beside the ones in use, and swapped when level.
 *
 * 1. The draft, a file beside the store, follows the consumer: everything up to its cursor, and what it has
 *    had live beyond that, through the definition's own handlers (rebuild-draft.ts).
 * 2. Near level, the store is locked for writing and the draft gets the rest. Now both have taken in the
 *    same events, by count and by checksum, so the marks stay as they are: cursor, inbox, counts.
 * 3. In that transaction the draft's tables take the place of the old ones (rebuild-tables.ts).
 * Readers see the tables of before or of after. Until the commit nothing in the store is touched, so a
 * rebuild that fails, is cancelled or dies leaves it as it was. The consumer may run meanwhile; what it
 * applies in the time of 2 and 3 waits.
 *
 * The file as a whole is not swapped: it may hold other consumers and tables, and readers keep it open.
 */
import { type Catalog, type Logger, silentLogger } from '../../events/index.ts'
import {
  canonicalPath,
  HistoryError,
  type HistoryReader,
  isPostgresUrl,
  openHistory,
  type SqliteDatabase,
} from '../../history/index.ts'
import {
  type ConsumerDefinition,
  checkDefinition,
  resolveParking,
  type StoreDatabase,
} from '../definition.ts'
import { ConsumerError } from '../errors.ts'
import { attemptRebuild } from './rebuild-attempt.ts'
import { takeRebuildFiles } from './rebuild-files.ts'
import { RebuildHandlers } from './rebuild-handlers.ts'
import type { SwappedTables } from './rebuild-tables.ts'
import { checkTarget } from './rebuild-target.ts'

export interface RebuildOptions {
  /** Path of the SQLite file that holds the consumer. */
  readonly store: string
  /** Path of the history's SQLite file, or a reader to share, which is then left open. */
  readonly history: string | HistoryReader
  /**
   * The consumer's own tables and views. To be given where the store holds other consumers too, since
   * nothing tells there which of them writes a table. Default: all that the definition makes.
   */
  readonly tables?: readonly string[]
  /**
   * How long an event that was applied live, and is not in the history yet, is waited for before the rebuild
   * gives up, in milliseconds. Default 60,000.
   */
  readonly levelWaitMs?: number
  /** Told of each page, and of each change of phase. */
  onProgress?(progress: RebuildProgress): void
  /** Ends it, the old tables whole; what it rejects with is the signal's reason. */
  readonly signal?: AbortSignal
  readonly logger?: Logger
}

export interface RebuildProgress {
  /**
   * `building`: the new tables; `waiting`: for the recorder to record what the consumer has applied live;
   * `swapping`: the consumer's writes wait.
   */
  readonly phase: 'building' | 'waiting' | 'swapping'
  /** Every event at or below this position is in the new tables. */
  readonly position: number
  /** The consumer's cursor, as last seen: how far the new tables have to get. */
  readonly cursor: number
}

export interface Rebuilt extends SwappedTables {
  readonly consumer: string
  readonly exchange: string
  /** Every event at or below this position is in the new tables. */
  readonly cursor: number
  /** Events whose effect is in the new tables. */
  readonly applied: number
  /** Events whose handler failed, now, and those that wait behind them. */
  readonly parked: number
  /** Events that were given up before, and were left out again. */
  readonly discarded: number
  /** How long the consumer's writes had to wait, in milliseconds. */
  readonly lockedMs: number
  /** All of it, in milliseconds. */
  readonly tookMs: number
}

/**
 * Rebuilds a consumer's tables from the history, in its SQLite store. It needs no broker.
 *
 * Handlers run as in a replay, and reactions do not. Events that were discarded are left out, those that were
 * edited are applied as edited, and each one whose handler fails is parked. The consumer may run meanwhile
 * with the same tables; code that makes other tables than the running one is for a stopped consumer.
 *
 * @throws TypeError for an option out of its range. ConsumerError, the old tables whole:
 *   `CONSUMER_REBUILD_RUNNING` another rebuild of this consumer runs; `CONSUMER_REBUILD_CONFLICT` the new tables do
 *   not fit with what else is in the store, or with the code that runs; `CONSUMER_REBUILD_UNEQUAL` the consumer
 *   has applied other events than the history has; `CONSUMER_REBUILD_UNSUPPORTED` a PostgreSQL store, or
 *   a definition with partitions;
 *   `CONSUMER_STORE_FOREIGN` the store does not hold this consumer; `CONSUMER_STORE_UNAVAILABLE`;
 *   `CONSUMER_AHEAD`, `CONSUMER_HISTORY_TRUNCATED`; `CONSUMER_HANDLER_FAILED` where the definition parks nothing.
 *   HistoryError where the history cannot be read or is another exchange's; what `prepare` throws.
 */
export async function rebuildConsumer<
  Events extends Catalog,
  Tx = SqliteDatabase,
  Database extends StoreDatabase = SqliteDatabase,
>(definition: ConsumerDefinition<Events, Tx, Database>, options: RebuildOptions): Promise<Rebuilt> {
  checkDefinition(definition)
  const { store, history, ...resolved } = resolveOptions(options)
  const { name: consumer, exchange, prepare } = definition
  const handlers = new RebuildHandlers<Tx>(definition as ConsumerDefinition<Catalog, Tx>)
  const parking = resolveParking(definition.parking)
  if (definition.partitions !== undefined) {
    throw new ConsumerError(
      'CONSUMER_REBUILD_UNSUPPORTED',
      `Consumer ${consumer} has partitions, which write to the same tables: one history does not make them anew. Start the consumer on an empty store, and use that one when it is live`,
    )
  }
  if (isPostgresUrl(store)) {
    throw new ConsumerError(
      'CONSUMER_REBUILD_UNSUPPORTED',
      `Consumer ${consumer} has a PostgreSQL store, and only those in SQLite can be rebuilt: start the consumer on an empty database, and use that one when it is live`,
    )
  }
  const startedAt = performance.now()
  const reader = typeof history === 'string' ? openHistory({ history, exchange }) : history
  try {
    await checkHistory(reader, { consumer, exchange })
    const path = canonicalPath(store)
    await checkTarget({ path, consumer, exchange })
    const files = await takeRebuildFiles(path, consumer)
    try {
      for (;;) {
        const rebuilt = await attemptRebuild<Tx>({
          ...resolved,
          ...{ path, consumer, exchange, handlers, parking },
          history: reader,
          draftPath: files.draft,
          ...(prepare && {
            prepare: (database: SqliteDatabase) => prepare.call(definition, database as Database),
          }),
        })
        if (rebuilt !== 'outdated')
          return { consumer, exchange, ...rebuilt, tookMs: Math.round(performance.now() - startedAt) }
        resolved.logger.warn('consumer.rebuild-restarted', { consumer })
        await files.clear()
      }
    } finally {
      await files.release()
    }
  } finally {
    if (typeof history === 'string') await reader.close()
  }
}

function resolveOptions({
  store,
  history,
  tables,
  levelWaitMs = 60_000,
  onProgress = () => {},
  signal = new AbortController().signal,
  logger = silentLogger,
}: RebuildOptions) {
  if (typeof store !== 'string' || store === '') throw new TypeError('Expected `store` to be a path')
  if (history === '' || history === undefined)
    throw new TypeError('Expected `history` to be a path or a reader')
  if (tables !== undefined && !tables.every((name) => typeof name === 'string' && name !== ''))
    throw new TypeError('Expected `tables` to be names of tables')
  if (!Number.isInteger(levelWaitMs) || levelWaitMs < 0)
    throw new TypeError(`Expected \`levelWaitMs\` to be an integer from 0, got ${levelWaitMs}`)
  return { store, history, tables, levelWaitMs, onProgress, signal, logger }
}

/** A reader that was passed in may be of another exchange. */
async function checkHistory(
  history: HistoryReader,
  { consumer, exchange }: { consumer: string; exchange: string },
): Promise<void> {
  const found = await history.exchange()
  if (found === exchange) return
  throw new HistoryError(
    'HISTORY_FOREIGN',
    `Consumer ${consumer} is one of exchange ${exchange}, but the history is that of ${found}; name the right one`,
  )
}
