/** What a consumer is started with, beside its definition: where things are, and how much at a time. */
import type { Broker, BrokerOptions } from '../broker/index.ts'
import { type Logger, silentLogger } from '../events/index.ts'
import type { HistoryReader } from '../history/index.ts'

export interface ConsumerOptions {
  /**
   * URL or URLs of the broker, or a connection to share, which `close()` then leaves open. Do not share one
   * with a publisher: under a memory or disk alarm RabbitMQ stops reading from connections that publish,
   * acknowledgements included. By URL, a consumer keeps a second connection for its fences.
   */
  readonly broker: BrokerOptions['url'] | Broker
  /** Path of the history's SQLite file, or a reader to share, which `close()` then leaves open. */
  readonly history: string | HistoryReader
  /**
   * The consumer's own: path of a SQLite file, made where missing, or a `postgres://` URL. Several instances
   * of a consumer may share one in PostgreSQL: one works, the others wait, and one of them takes over within
   * seconds of its end.
   */
  readonly store: string
  /** Pause between binding the queue and sending the fence, in milliseconds. Default 1,000; 0 allowed. */
  readonly settleMs?: number
  /**
   * Events a transaction while replaying, at most: it begins with up to 500, and takes more of quick ones and
   * fewer of slow ones. Default 2,000.
   */
  readonly replayBatch?: number
  /** Events a transaction while live, at most. Default 100. */
  readonly liveBatch?: number
  /** Deliveries not acknowledged at a time. Default 1,000. */
  readonly prefetch?: number
  /** Longest pause between two looks at the history while live, in milliseconds. Default 100. */
  readonly auditMs?: number
  /** How long applied live events are remembered beyond the cursor, in milliseconds. Default an hour. */
  readonly inboxKeepMs?: number
  /**
   * Begins although events that it would have to read were pruned: the certificate tells how many. Default
   * false: it stops with `HISTORY_PRUNED`.
   */
  readonly acceptPruned?: boolean
  /**
   * Where a new consumer begins. `latest`: with the newest event of each subject, as of its first fence, for
   * consumers that keep the newest state of something and no more; events without a subject all come. The
   * certificate counts the others as superseded. One that has begun goes on as it began. Default `beginning`.
   */
  readonly from?: 'beginning' | 'latest'
  /**
   * Events from this position, or recorded from this moment on, react too. Default: those from the time on
   * that the consumer first went live.
   */
  readonly reactFrom?: number | Date
  readonly logger?: Logger
}

/** The options with their defaults. @throws TypeError for one out of its range. */
export function resolveOptions({
  broker,
  history,
  store,
  settleMs = 1_000,
  replayBatch = 2_000,
  liveBatch = 100,
  prefetch = 1_000,
  auditMs = 100,
  inboxKeepMs = 60 * 60 * 1_000,
  acceptPruned = false,
  from = 'beginning',
  reactFrom,
  logger = silentLogger,
}: ConsumerOptions) {
  if (typeof store !== 'string' || store === '')
    throw new TypeError('Expected `store` to be a path or a postgres:// URL')
  if (history === '' || history === undefined)
    throw new TypeError('Expected `history` to be a path or a reader')
  for (const [name, value, min, max] of [
    ['settleMs', settleMs, 0, 600_000],
    ['replayBatch', replayBatch, 1, 100_000],
    ['liveBatch', liveBatch, 1, 65_535],
    ['prefetch', prefetch, 1, 65_535],
    ['auditMs', auditMs, 1, 600_000],
    ['inboxKeepMs', inboxKeepMs, 0, Number.MAX_SAFE_INTEGER],
  ] as const) {
    if (Number.isInteger(value) && value >= min && value <= max) continue
    throw new TypeError(`Expected \`${name}\` to be an integer from ${min} to ${max}, got ${value}`)
  }
  if (from !== 'beginning' && from !== 'latest')
    throw new TypeError(`Expected \`from\` to be 'beginning' or 'latest', got ${JSON.stringify(from)}`)
  if (reactFrom !== undefined && !isReactFrom(reactFrom))
    throw new TypeError(`Expected \`reactFrom\` to be a position from 1 or a date, got ${reactFrom}`)
  const batches = { replayBatch, liveBatch, prefetch }
  return {
    broker,
    history,
    store,
    settleMs,
    ...batches,
    auditMs,
    inboxKeepMs,
    acceptPruned,
    from,
    reactFrom,
    logger,
  }
}

function isReactFrom(value: number | Date): boolean {
  return value instanceof Date ? !Number.isNaN(value.getTime()) : Number.isInteger(value) && value >= 1
}
