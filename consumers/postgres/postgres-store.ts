/**
 * A consumer's store in a PostgreSQL database: the application's tables and, with `backstory_` names, ours.
 *
 * Several instances of a consumer may share one; see postgres-lease.ts for who works and how the others are
 * kept from writing. A connection may be lost at any moment, and each new one is prepared anew. Where it is
 * lost between a COMMIT and its answer, nobody here knows whether the marks were written: the consumer is
 * told that they were superseded, and begins again with what the store says.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Identity } from '../../events/index.ts'
import {
  fromText,
  identityKey,
  openPostgres,
  type PostgresClient,
  shownAddress,
  toText,
} from '../../history/index.ts'
import { ConsumerError } from '../errors.ts'
import { AppliedBlocks, blockOf } from '../marks/applied-blocks.ts'
import type { Part } from '../parking/parking.ts'
import type { ConsumerState, ConsumerStore, InboxMark, Phase, StoreTransaction } from '../store.ts'
import { guard, isSuperseded, isUnavailable, storeFailure, superseded } from './postgres-failure.ts'
import { PostgresLease, registerWorker } from './postgres-lease.ts'
import { PostgresParking } from './postgres-parking.ts'
import { PostgresReactions } from './postgres-reactions.ts'
import { PostgresSession } from './postgres-session.ts'
import { makeTables } from './postgres-tables.ts'

export interface PostgresStoreOptions<Tx> {
  /** As in `postgres://user:password@host:5432/database`. */
  readonly url: string
  /** The consumer's name; one database may hold several consumers. */
  readonly consumer: string
  readonly exchange: string
  /** See ConsumerDefinition; called for each connection that the store makes. */
  prepare?(database: PostgresClient): Tx | Promise<Tx>
  /** How long an instance that does not answer keeps the others waiting, in milliseconds. Default 5,000. */
  readonly leaseMs?: number
}

/**
 * Opens, or makes, a consumer's store. `prepare` runs when the store is in hand.
 *
 * @throws ConsumerError `CONSUMER_STORE_FOREIGN` the server denies this user or has no such database, or the
 *   database holds a consumer of that name of another exchange; `CONSUMER_STORE_UNAVAILABLE`; HistoryError
 *   `HISTORY_DRIVER_MISSING`.
 */
export async function openPostgresStore<Tx = PostgresClient>({
  url,
  consumer,
  exchange,
  prepare = (database) => database as Tx,
  leaseMs = 5_000,
}: PostgresStoreOptions<Tx>): Promise<ConsumerStore<Tx>> {
  await guard(url, async () => {
    const client = await openPostgres(url, { name: `backstory consumer ${consumer}` })
    try {
      await makeTables(client)
      await checkExchange(client, { url, consumer, exchange })
    } finally {
      await client.end()
    }
  })
  return new PostgresStore({ url, consumer, exchange, prepare, leaseMs })
}

export interface StateRow {
  readonly name: string
  readonly exchange: string
  readonly generation: string
  readonly phase: Phase
  readonly cursor: string
  readonly replayed: string
  readonly live: string
  readonly duplicates: string
  readonly unidentified: string
  readonly repairs: string
  readonly checksum: string
  readonly react_after: string | null
  /** Absent, as the next four are, in a store that an older version has made. */
  readonly pruned?: string
  readonly erased?: string
  readonly superseded?: string
  readonly latest_to?: string
  readonly erasure?: string
  readonly updated_at: Date
}

/** pg hands a bigint back as text; positions and counts stay below 2^53. */
export function toState(row: StateRow): ConsumerState {
  return {
    phase: row.phase,
    cursor: Number(row.cursor),
    replayed: Number(row.replayed),
    live: Number(row.live),
    duplicates: Number(row.duplicates),
    unidentified: Number(row.unidentified),
    repairs: Number(row.repairs),
    checksum: row.checksum,
    reactAfter: row.react_after === null ? undefined : Number(row.react_after),
    pruned: Number(row.pruned ?? 0),
    erased: Number(row.erased ?? 0),
    superseded: Number(row.superseded ?? 0),
    latestTo: Number(row.latest_to ?? 0),
    erasure: Number(row.erasure ?? 0),
  }
}

/** What belongs to one connection. */
interface Working<Tx> {
  readonly session: PostgresSession
  readonly unit: PostgresUnit<Tx>
}

class PostgresStore<Tx> implements ConsumerStore<Tx> {
  readonly #options: Required<PostgresStoreOptions<Tx>>
  readonly #owner = randomUUID()
  readonly #lease: PostgresLease
  #generation: number | undefined
  #working: Promise<Working<Tx>> | undefined
  /** Where the server is silent, what waits for it is cut loose. */
  #session: PostgresSession | undefined
  /** One transaction at a time: the newest one's end. */
  #last: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(options: Required<PostgresStoreOptions<Tx>>) {
    this.#options = options
    this.#lease = new PostgresLease({
      ...options,
      owner: this.#owner,
      onSilence: () => this.#session?.cut(),
    })
  }

  async acquire(signal: AbortSignal, { standby = true }: { standby?: boolean } = {}): Promise<void> {
    const { url, leaseMs } = this.#options
    this.#disconnect()
    while (!signal.aborted) {
      try {
        this.#generation = await this.#lease.take(signal, { standby })
        await this.#connected()
        return
      } catch (error) {
        if (signal.aborted) return
        const failure = storeFailure(error, url)
        if (!isUnavailable(failure)) throw failure
      }
      await sleep(leaseMs / 10, undefined, { signal }).catch(() => {})
    }
  }

  async state(): Promise<ConsumerState> {
    return await this.#read(async (session) => {
      const [row] = await session.rows<StateRow>(selectState, [this.#options.consumer])
      return toState(row!)
    })
  }

  async waiting(): Promise<Identity[]> {
    return await this.#read(async (session) => {
      const rows = await session.rows<Identity>(selectWaiting, [this.#options.consumer])
      return rows.map(({ source, id }) => ({ source: fromText(source), id: fromText(id) }))
    })
  }

  async transaction<Result>(work: (transaction: StoreTransaction<Tx>) => Promise<Result>): Promise<Result> {
    const transacted = this.#last.then(() => this.#transact(work))
    this.#last = transacted.catch(() => {})
    return await transacted
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#last
    await this.#session?.close()
    await this.#lease.release()
  }

  async #transact<Result>(work: (transaction: StoreTransaction<Tx>) => Promise<Result>): Promise<Result> {
    const { consumer, url } = this.#options
    if (this.#closed) throw new ConsumerError('CONSUMER_CLOSED', `The store ${shownAddress(url)} was closed`)
    const { session, unit } = await guard(url, () => this.#connected())
    try {
      if (!this.#lease.isHeld) throw superseded(consumer, url, 'Another instance has taken the store')
      const [row] = await session.begin<{ generation: string }>(lockGeneration, [consumer])
      if (Number(row?.generation) !== this.#generation)
        throw superseded(consumer, url, 'Another hand has set the marks')
      const result = await work(unit)
      if ((await session.commit()) === 'committed') return result
      throw superseded(consumer, url, 'The answer to a commit was lost: it may have set the marks')
    } catch (error) {
      unit.forgetCaches()
      await session.rollback()
      const failure = storeFailure(session.reasonFor(error), url)
      // What is known here may be old: nothing is written until the store was taken in hand again.
      if (isSuperseded(failure)) this.#generation = undefined
      throw failure
    }
  }

  async #read<Result>(read: (session: PostgresSession) => Promise<Result>): Promise<Result> {
    return await guard(this.#options.url, async () => read((await this.#connected()).session))
  }

  /** The connection at hand, or a new one, which says whether the lease is still ours. */
  async #connected(): Promise<Working<Tx>> {
    if (this.#session?.isLost) this.#disconnect()
    this.#working ??= this.#connect()
    try {
      return await this.#working
    } catch (error) {
      this.#disconnect()
      throw error
    }
  }

  async #connect(): Promise<Working<Tx>> {
    const { url, consumer, prepare } = this.#options
    const session = await PostgresSession.open(url, { name: `backstory consumer ${consumer}` })
    this.#session = session
    const { rowCount } = await session.client.query(registerWorker, [consumer, this.#owner])
    if (rowCount === 0) throw superseded(consumer, url, 'Another instance has taken the store')
    await session.client.query(commitToDisk)
    const tx = await prepare(session.client)
    return { session, unit: new PostgresUnit(session, { ...this.#options, tx }) }
  }

  #disconnect(): void {
    this.#session?.cut()
    this.#session = undefined
    this.#working = undefined
  }
}

class PostgresUnit<Tx> implements StoreTransaction<Tx> {
  readonly tx: Tx
  readonly parking: PostgresParking
  readonly reactions: PostgresReactions
  readonly #session: PostgresSession
  readonly #consumer: string
  readonly #applied = new AppliedBlocks()
  /** The block that was noted last, which needs no loading. */
  #block: number | undefined
  /** While the inbox is empty, as it is through a first replay, there is nothing to look up. */
  #inbox: 'empty' | 'filled' | 'unknown' = 'unknown'

  constructor(session: PostgresSession, { consumer, tx }: { consumer: string; tx: Tx }) {
    this.tx = tx
    this.parking = new PostgresParking(session, consumer)
    this.reactions = new PostgresReactions(session, consumer)
    this.#session = session
    this.#consumer = consumer
  }

  async marks(identities: readonly Identity[]): Promise<(InboxMark | undefined)[]> {
    const marks = new Array<InboxMark | undefined>(identities.length).fill(undefined)
    if (this.#inbox === 'unknown')
      this.#inbox = (await this.#session.rows(anyInbox, [this.#consumer])).length > 0 ? 'filled' : 'empty'
    if (this.#inbox === 'empty') return marks
    const rows = await this.#session.rows<{ at: string; mark: InboxMark }>(selectMarks, [
      this.#consumer,
      identities.map(identityKey),
    ])
    for (const { at, mark } of rows) marks[Number(at) - 1] = mark
    return marks
  }

  async add(identities: readonly Identity[], passedAt?: number): Promise<void> {
    if (identities.length === 0) return
    this.#inbox = 'filled'
    this.#session.send(addInbox, [
      this.#consumer,
      identities.map(identityKey),
      identities.map(({ id }) => toText(id)),
      identities.map(({ source }) => toText(source)),
      passedAt ?? null,
    ])
  }

  async pass(identities: readonly Identity[], at: number): Promise<void> {
    if (identities.length > 0)
      this.#session.send(passInbox, [this.#consumer, identities.map(identityKey), at])
  }

  async forget(passedBefore: number): Promise<void> {
    this.#session.send(forgetInbox, [this.#consumer, passedBefore])
    this.#inbox = 'unknown'
  }

  async save(state: ConsumerState): Promise<void> {
    this.#session.send(saveState, [
      this.#consumer,
      state.phase,
      state.cursor,
      state.replayed,
      state.live,
      state.duplicates,
      state.unidentified,
      state.repairs,
      state.checksum,
      state.reactAfter ?? null,
      state.erased,
      state.erasure,
      state.pruned,
      state.superseded,
      state.latestTo,
    ])
  }

  async noteApplied(positions: readonly number[]): Promise<void> {
    const stored = new Map<number, Buffer>()
    const blocks = [...new Set(positions.map(blockOf))].filter((block) => block !== this.#block)
    if (blocks.length > 0) {
      const rows = await this.#session.rows<{ block: string; bits: Buffer }>(selectBits, [
        this.#consumer,
        blocks,
      ])
      for (const { block, bits } of rows) stored.set(Number(block), bits)
    }
    for (const { block, bits } of this.#applied.note(positions, (wanted) => stored.get(wanted))) {
      this.#session.send(saveBits, [this.#consumer, block, bits])
      this.#block = block
    }
  }

  async countTry(part: Part, identity: Identity): Promise<number> {
    const [row] = await this.#session.rows<{ tries: number }>(countTry, [
      this.#consumer,
      part,
      identityKey(identity),
    ])
    return row!.tries - 1
  }

  async forgetTries(part: Part, identity: Identity): Promise<void> {
    this.#session.send(forgetTries, [this.#consumer, part, identityKey(identity)])
  }

  /** The transaction was rolled back. */
  forgetCaches(): void {
    this.#inbox = 'unknown'
    this.#applied.forget()
    this.#block = undefined
    this.parking.forget()
  }
}

async function checkExchange(
  client: PostgresClient,
  { url, consumer, exchange }: { url: string; consumer: string; exchange: string },
): Promise<void> {
  const { rows } = await client.query<{ exchange: string }>(
    'SELECT exchange FROM backstory_consumers WHERE name = $1',
    [consumer],
  )
  const found = rows[0]?.exchange
  if (found === undefined || found === exchange) return
  throw new ConsumerError(
    'CONSUMER_STORE_FOREIGN',
    `${shownAddress(url)} holds consumer ${consumer} of exchange ${found}, not of ${exchange}; name another store`,
  )
}

/** A delivery is acknowledged after the commit: whoever has set this off for speed did not think of that. */
const commitToDisk = `
  SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'`

const selectState = { name: 'backstory_state', text: 'SELECT * FROM backstory_consumers WHERE name = $1' }
/** The identities that wait in a consumer's inbox. */
export const selectWaiting = {
  name: 'backstory_waiting',
  text: 'SELECT source, id FROM backstory_inbox WHERE consumer = $1 AND passed_at IS NULL',
}
/** Whoever raises the generation waits until this transaction has ended. */
const lockGeneration = {
  name: 'backstory_generation',
  text: 'SELECT generation FROM backstory_consumers WHERE name = $1 FOR NO KEY UPDATE',
}
const saveState = {
  name: 'backstory_save',
  text: `UPDATE backstory_consumers SET phase = $2, cursor = $3, replayed = $4, live = $5, duplicates = $6,
      unidentified = $7, repairs = $8, checksum = $9, react_after = $10, erased = $11,
      erasure = $12, pruned = $13, superseded = $14, latest_to = $15, updated_at = clock_timestamp()
    WHERE name = $1`,
}
const anyInbox = {
  name: 'backstory_any_inbox',
  text: 'SELECT FROM backstory_inbox WHERE consumer = $1 LIMIT 1',
}
const selectMarks = {
  name: 'backstory_marks',
  text: `SELECT wanted.at, CASE WHEN passed_at IS NULL THEN 'waiting' ELSE 'passed' END AS mark
    FROM unnest($2::uuid[]) WITH ORDINALITY AS wanted (key, at)
    JOIN backstory_inbox AS inbox ON inbox.consumer = $1 AND inbox.key = wanted.key`,
}
const addInbox = {
  name: 'backstory_add',
  text: `INSERT INTO backstory_inbox (consumer, key, id, source, passed_at)
    SELECT $1, key, id, source, $5 FROM unnest($2::uuid[], $3::text[], $4::text[]) AS new (key, id, source)`,
}
const passInbox = {
  name: 'backstory_pass',
  text: 'UPDATE backstory_inbox SET passed_at = $3 WHERE consumer = $1 AND key = ANY ($2::uuid[])',
}
const forgetInbox = {
  name: 'backstory_forget',
  text: 'DELETE FROM backstory_inbox WHERE consumer = $1 AND passed_at < $2',
}
const selectBits = {
  name: 'backstory_bits',
  text: 'SELECT block, bits FROM backstory_applied WHERE consumer = $1 AND block = ANY ($2::bigint[])',
}
const saveBits = {
  name: 'backstory_save_bits',
  text: `INSERT INTO backstory_applied (consumer, block, bits) VALUES ($1, $2, $3)
    ON CONFLICT (consumer, block) DO UPDATE SET bits = excluded.bits`,
}
const countTry = {
  name: 'backstory_try',
  text: `INSERT INTO backstory_tries (consumer, part, key, tries) VALUES ($1, $2, $3, 1)
    ON CONFLICT (consumer, part, key) DO UPDATE SET tries = backstory_tries.tries + 1 RETURNING tries`,
}
const forgetTries = {
  name: 'backstory_forget_tries',
  text: 'DELETE FROM backstory_tries WHERE consumer = $1 AND part = $2 AND key = $3',
}
