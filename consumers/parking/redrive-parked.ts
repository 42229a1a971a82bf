/**
 * Tries what is due of a consumer's parked events while the consumer does not run: its handlers and its
 * store are all that this takes, no broker and no history.
 */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { type Catalog, type Logger, silentLogger } from '../../events/index.ts'
import type { SqliteDatabase } from '../../history/index.ts'
import { Applier, isOrderly } from '../applier.ts'
import { Care } from '../care.ts'
import {
  type ConsumerDefinition,
  checkDefinition,
  resolveParking,
  type StoreDatabase,
} from '../definition.ts'
import { HandlerTable } from '../handler-table.ts'
import type { Clock } from '../link.ts'
import { openStore } from '../open-store.ts'
import { partitionDefinitions } from '../partitions/partition-definition.ts'
import { Reactor } from '../reactor.ts'
import type { ConsumerStore } from '../store.ts'

/** What became of what was due. */
export interface RedriveProgress {
  /** Events whose `apply` has taken effect. */
  readonly applied: number
  /** Events whose `react` ran, those that had waited for it as well. */
  readonly reacted: number
  readonly failed: number
}

export interface RedriveOptions {
  /** Path of the consumer's SQLite file, or URL of its PostgreSQL database. */
  readonly store: string
  onProgress?(progress: RedriveProgress): void
  /** Ends it early; what is in hand is finished. */
  readonly signal?: AbortSignal
  readonly logger?: Logger
}

/**
 * Applies, and lets react, what is due and what waits behind it, until nothing is due or the signal is aborted;
 * of a consumer with partitions, in one after the other.
 *
 * @throws ConsumerError `CONSUMER_LOCKED` where the consumer runs: it does by itself what this does;
 *   `CONSUMER_STORE_FOREIGN`, `CONSUMER_STORE_UNAVAILABLE`; what the definition's `prepare` throws.
 */
export async function redriveParked<
  Events extends Catalog,
  Tx = SqliteDatabase,
  Database extends StoreDatabase = SqliteDatabase,
>(definition: ConsumerDefinition<Events, Tx, Database>, options: RedriveOptions): Promise<RedriveProgress> {
  checkDefinition(definition)
  let done = nothingDone
  for (const own of partitionDefinitions(definition)) {
    const before = done
    const onProgress = (progress: RedriveProgress) => options.onProgress?.(sum(before, progress))
    done = sum(before, await redriveOne(own, { ...options, onProgress }))
  }
  return done
}

async function redriveOne<Events extends Catalog, Tx, Database extends StoreDatabase>(
  definition: ConsumerDefinition<Events, Tx, Database>,
  {
    store: address,
    onProgress,
    signal = new AbortController().signal,
    logger = silentLogger,
  }: RedriveOptions,
): Promise<RedriveProgress> {
  const { name: consumer, exchange, prepare } = definition
  const store = await openStore<Tx, Database>(address, {
    consumer,
    exchange,
    ...(prepare && { prepare: (database: Database) => prepare.call(definition, database) }),
  })
  try {
    await store.acquire(signal, { standby: false })
    if (signal.aborted) return nothingDone
    const handlers = new HandlerTable<Tx>(definition as ConsumerDefinition<Catalog, Tx, Database>)
    const parking = resolveParking(definition.parking)
    return await redrive({ consumer, store, handlers, parking, signal, logger, onProgress })
  } finally {
    await store.close()
  }
}

async function redrive<Tx>({
  onProgress,
  ...parts
}: {
  readonly consumer: string
  readonly store: ConsumerStore<Tx>
  readonly handlers: HandlerTable<Tx>
  readonly parking: ReturnType<typeof resolveParking>
  readonly signal: AbortSignal
  readonly logger: Logger
  readonly onProgress: RedriveOptions['onProgress']
}): Promise<RedriveProgress> {
  const { signal, handlers } = parts
  const shared = { ...parts, clock: clockUntil(signal), care: new Care() }
  const applier = await Applier.open({ ...shared, carefulMax, rememberMs: 0 })
  const reactor = new Reactor(shared)
  reactor.begin({ isCareful: !isOrderly(applier.state) })
  // Whoever dies at work has not stopped in order.
  await applier.enter('replaying')
  let progress = nothingDone
  try {
    while (!signal.aborted) {
      const { applied, failed } = await applier.redrive({ limit: batch })
      const reactions = handlers.reacts ? await reactor.step() : nothingReacted
      if (applied + failed + reactions.done + reactions.failed + reactions.behind === 0) break
      const step = { applied, reacted: reactions.done, failed: failed + reactions.failed }
      progress = sum(progress, step)
      onProgress?.(progress)
      // SQLite answers without leaving this turn: signals and timers need one of their own.
      await nextTurn()
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
  await applier.enter('stopped')
  return progress
}

const nothingDone: RedriveProgress = { applied: 0, reacted: 0, failed: 0 }

function sum(one: RedriveProgress, other: RedriveProgress): RedriveProgress {
  return {
    applied: one.applied + other.applied,
    reacted: one.reacted + other.reacted,
    failed: one.failed + other.failed,
  }
}

/** No live event waits for its turn meanwhile. */
const batch = 500
const carefulMax = batch
const nothingReacted = { done: 0, failed: 0, behind: 0 }

function clockUntil(signal: AbortSignal): Clock {
  return { now: Date.now, sleep: (ms) => sleep(ms, undefined, { signal }).catch(() => {}) }
}
