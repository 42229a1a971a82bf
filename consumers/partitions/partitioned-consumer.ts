/**
 * A consumer with partitions: a consumer for each, on one store, with one set of handlers.
 *
 * On SQLite this process works on all of them, one transaction at a time. On PostgreSQL the instances share
 * them out (postgres-instances.ts), and take over those of one that is gone. Each partition has its own queue,
 * cursor, inbox and lease; its order is kept, and with it the order of each subject.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Catalog } from '../../events/index.ts'
import {
  type HistoryReader,
  isPostgresUrl,
  isTransient,
  openHistory,
  type PostgresClient,
  partitionHistory,
} from '../../history/index.ts'
import { type Certificate, certify } from '../certificate.ts'
import { type Consumer, type OpenedConsumer, openConsumer } from '../consumer.ts'
import { type ConsumerOptions, resolveOptions } from '../consumer-options.ts'
import type { ConsumerStatus } from '../consumer-status.ts'
import type { ConsumerDefinition, StoreDatabase } from '../definition.ts'
import { ConsumerError } from '../errors.ts'
import { readStore } from '../open-store.ts'
import { PostgresInstances } from '../postgres/postgres-instances.ts'
import type { StoredConsumer } from '../sqlite/sqlite-store-reader.ts'
import { initialState } from '../store.ts'
import { partitionDefinitions } from './partition-definition.ts'
import { PartitionSeat } from './partition-seat.ts'
import { Turns } from './turns.ts'
import { wholeCertificate, wholeStatus } from './whole.ts'

/**
 * Starts the consumers of all partitions, or of those that are this instance's.
 *
 * @throws TypeError where `history` is no address, or `reactFrom` a position: each partition has its own.
 *   ConsumerError `CONSUMER_STORE_FOREIGN` where the store holds this consumer without partitions, or with
 *   another number of them; else as `startConsumer()` does.
 */
export async function startPartitionedConsumer<Events extends Catalog, Tx, Database extends StoreDatabase>(
  definition: ConsumerDefinition<Events, Tx, Database>,
  options: ConsumerOptions & { readonly partitions: number },
): Promise<Consumer> {
  const { partitions, ...given } = options
  const { history, store, reactFrom, logger } = resolveOptions(given)
  if (typeof history !== 'string')
    throw new TypeError('Expected `history` to be an address: each partition has a history of its own')
  if (typeof reactFrom === 'number')
    throw new TypeError('Expected `reactFrom` to be a date: each partition has positions of its own')
  await requireNotWhole(store, definition.name)
  const isShared = isPostgresUrl(store)
  const turns = isShared ? undefined : new Turns()
  const base = isShared ? preparingAlone(definition) : definition
  const histories: HistoryReader[] = []
  const seats = partitionDefinitions(base).map((own, index) => {
    const address = partitionHistory(history, index + 1)
    histories.push(openHistory({ history: address, exchange: own.exchange }))
    const open = () => openConsumer(own, { ...given, history: address }, { turns })
    return new PartitionSeat({ consumer: own.name, exchange: own.exchange, open })
  })
  const { name: consumer, exchange } = definition
  const running = new PartitionedConsumer({ consumer, exchange, store, seats, histories, logger })
  try {
    if (isShared) {
      const instances = new PostgresInstances({ url: store, consumer, partitions, leaseMs })
      await running.begin(instances)
    } else await takeAll(seats)
    return running
  } catch (error) {
    await running.close()
    throw error
  }
}

/** How long an instance counts that has died; as long as each partition's lease. */
const leaseMs = 5_000
const sharesALease = 5
const lookMs = 500

/** All stores are opened before any consumer writes: SQLite has one writer. */
async function takeAll(seats: readonly PartitionSeat[]): Promise<void> {
  const opened: OpenedConsumer[] = []
  try {
    for (const seat of seats) opened.push(await seat.open())
  } catch (error) {
    for (const one of opened) await one.close()
    throw error
  }
  await Promise.all(seats.map((seat, index) => seat.start(opened[index]!)))
}

interface Options {
  readonly consumer: string
  readonly exchange: string
  readonly store: string
  readonly seats: readonly PartitionSeat[]
  /** In the order of the seats. */
  readonly histories: readonly HistoryReader[]
  readonly logger: ReturnType<typeof resolveOptions>['logger']
}

class PartitionedConsumer implements Consumer {
  readonly stopped: Promise<void>
  readonly partitions: readonly PartitionSeat[]
  readonly #options: Options
  readonly #stop = new AbortController()
  #instances: PostgresInstances | undefined
  #sharing: Promise<void> | undefined

  constructor(options: Options) {
    const { seats } = options
    this.#options = options
    this.partitions = seats
    this.stopped = this.#run()
    // Whoever does not await it must not end the process: the logger has told.
    this.stopped.catch(() => {})
  }

  get status(): ConsumerStatus {
    const { consumer, exchange, seats } = this.#options
    return wholeStatus(
      { consumer, exchange },
      seats.map(({ status }) => status),
    )
  }

  /** Takes this instance's share, and keeps it right from now on. */
  async begin(instances: PostgresInstances): Promise<void> {
    this.#instances = instances
    const share = await instances.share()
    if (share !== undefined) await this.#take(share)
    this.#sharing = this.#keepSharing(instances)
    this.#sharing.catch(() => {})
  }

  async caughtUp(): Promise<void> {
    const ended = this.stopped.then(() => {
      throw new ConsumerError(
        'CONSUMER_CLOSED',
        `Consumer ${this.#options.consumer} was closed before it caught up`,
      )
    })
    await Promise.race([this.#allCaughtUp(), ended])
  }

  async certificate(): Promise<Certificate> {
    const { consumer, exchange, histories } = this.#options
    const stored = await this.#stored()
    const parts = await Promise.all(
      stored.map(({ name, exchange: own, state, waiting, counts }, index) =>
        certify({ consumer: name, exchange: own, state, waiting, counts }, histories[index]!),
      ),
    )
    return wholeCertificate({ consumer, exchange }, parts)
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.stopped.catch(() => {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Until it is told to stop, or a partition's consumer has failed: then it ends with all of them. */
  async #run(): Promise<void> {
    const { consumer, seats, histories, logger } = this.#options
    const { signal } = this.#stop
    const told = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
    try {
      await Promise.race([told, ...seats.map((seat) => seat.stopped)])
    } catch (error) {
      logger.error('consumer.failed', { consumer, error: (error as Error).message })
      throw error
    } finally {
      this.#stop.abort()
      await this.#sharing?.catch(() => {})
      await this.#instances?.leave()
      await Promise.all(seats.map((seat) => seat.end()))
      await Promise.all(histories.map((history) => history.close()))
    }
  }

  async #keepSharing(instances: PostgresInstances): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      await sleep(leaseMs / sharesALease, undefined, { signal }).catch(() => {})
      if (signal.aborted) return
      const share = await instances.share().catch((error: Error) => this.#notShared(error))
      if (share !== undefined) await this.#take(share).catch((error: Error) => this.#notShared(error))
    }
  }

  /** Each partition's consumer tells what it meets, and ends with what ends it: here it is tried again. */
  #notShared(error: Error): undefined {
    const { consumer, logger } = this.#options
    logger.warn('consumer.partitions-not-shared', { consumer, error: error.message })
  }

  async #take(share: readonly number[]): Promise<void> {
    const { consumer, seats, logger } = this.#options
    const isOurs = (index: number) => share.includes(index + 1)
    const changed = seats.filter((seat, index) => seat.isTaken !== isOurs(index))
    if (changed.length === 0) return
    logger.info('consumer.partitions', { consumer, partitions: share })
    await Promise.all(
      seats.map((seat, index) => {
        if (this.#stop.signal.aborted) return undefined
        return isOurs(index) ? seat.take() : seat.leave()
      }),
    )
  }

  /** Those that another instance works on have caught up where their store says so. */
  async #allCaughtUp(): Promise<void> {
    const { seats, histories } = this.#options
    const { signal } = this.#stop
    const elsewhere = new Map<number, number>()
    while (!signal.aborted) {
      const open = seats.map((_seat, index) => index).filter((index) => !seats[index]!.isCaughtUp)
      const others = open.filter((index) => !seats[index]!.isTaken)
      if (others.length > 0) {
        const stored = await this.#stored()
        for (const index of others) {
          const target = elsewhere.get(index) ?? (await headOf(histories[index]!))
          if (target !== undefined) elsewhere.set(index, target)
          const { phase, cursor } = stored[index]!.state
          if (phase === 'live' && target !== undefined && cursor >= target)
            open.splice(open.indexOf(index), 1)
        }
      }
      if (open.length === 0) return
      await sleep(others.length > 0 ? lookMs : lookMs / 10, undefined, { signal }).catch(() => {})
    }
  }

  /** What the store has of each partition, whoever works on it. */
  async #stored(): Promise<StoredConsumer[]> {
    const { store, seats } = this.#options
    const found = new Map((await readStore(store)).map((one) => [one.name, one]))
    return seats.map(({ status: { consumer, exchange } }) => {
      const never = { state: initialState, updatedAt: new Date(0), waiting: [], counts: nothingParked }
      return found.get(consumer) ?? { name: consumer, exchange, ...never }
    })
  }
}

const nothingParked = { parked: 0, reactions: 0, discarded: 0 }

async function headOf(history: HistoryReader): Promise<number | undefined> {
  try {
    return (await history.bounds()).head
  } catch (error) {
    if (!isTransient(error)) throw error
    return undefined
  }
}

/** Under its own name the consumer would have applied what its partitions begin with. */
async function requireNotWhole(store: string, consumer: string): Promise<void> {
  let stored: readonly StoredConsumer[]
  try {
    stored = await readStore(store)
  } catch (error) {
    // A store that is not made yet; for anything else, opening it tells.
    if (error instanceof ConsumerError) return
    throw error
  }
  const whole = stored.find(({ name }) => name === consumer)
  if (whole === undefined) return
  throw new ConsumerError(
    'CONSUMER_STORE_FOREIGN',
    `The store holds consumer ${consumer} of exchange ${whole.exchange} without partitions, and what it has applied would be applied again; name another store`,
  )
}

/** Partitions that are prepared at once would make the same tables at once, on which PostgreSQL fails. */
function preparingAlone<Events extends Catalog, Tx, Database extends StoreDatabase>(
  definition: ConsumerDefinition<Events, Tx, Database>,
): ConsumerDefinition<Events, Tx, Database> {
  if (definition.prepare === undefined) return definition
  const prepare = async (database: Database): Promise<Tx> => {
    const client = database as PostgresClient
    await client.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [`backstory ${definition.name}`])
    try {
      return await definition.prepare!(database)
    } finally {
      await client.query('SELECT pg_advisory_unlock(hashtextextended($1, 0))', [
        `backstory ${definition.name}`,
      ])
    }
  }
  return Object.create(definition, { prepare: { value: prepare, enumerable: true } })
}
