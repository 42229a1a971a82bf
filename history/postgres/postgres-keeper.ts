/**
 * The keeper of a history in PostgreSQL, on a connection of its own beside the recorder's.
 *
 * PostgreSQL keeps the old version of a row until VACUUM takes it away, and the bytes of it in the page until
 * others come there: what is erased is rewritten (`VACUUM FULL`), partition by partition, which keeps its
 * recorder and readers out of that partition meanwhile. WAL archives, replicas' logs and backups are the
 * server's: nothing here reaches them.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { HistoryError } from '../errors.ts'
import type { ErasureOptions, HistoryKeeper } from '../keeper.ts'
import { packErased } from '../packed-properties.ts'
import { type Pruned, type PruneOptions, prune } from '../prune.ts'
import type { Erasure, HistoryReader } from '../reader.ts'
import { historyAddress } from './history-address.ts'
import { findHistory } from './history-schema.ts'
import { openPostgres, type PostgresClient, postgresError, shownAddress } from './postgres.ts'
import { PostgresPruning } from './postgres-pruning.ts'
import { type ErasureRow, openPostgresHistory, toErasure } from './postgres-reader.ts'
import { toText } from './postgres-text.ts'
import { erasureColumns } from './reader-statements.ts'
import { rowTypes } from './row-types.ts'

/**
 * @param options.history - The database's URL; `?exchange=` chooses one of its histories.
 * @throws HistoryError `HISTORY_NOT_FOUND`, `HISTORY_AMBIGUOUS`, `HISTORY_FOREIGN`, `HISTORY_TOO_NEW`,
 *   `HISTORY_UNAVAILABLE`, `HISTORY_DRIVER_MISSING`.
 */
export async function openPostgresKeeper({ history }: { history: string }): Promise<HistoryKeeper> {
  const { url, exchange } = historyAddress({ history })
  const client = await openPostgres(url, { name: 'backstory keeper' })
  try {
    const { schema } = await findHistory(client, { url, exchange })
    return new PostgresKeeper(client, { url, schema, reader: openPostgresHistory({ history }) })
  } catch (error) {
    await client.end().catch(() => {})
    throw postgresError(error, url)
  }
}

const rowsATransaction = 500
/** The recorder gets its turn between two transactions. */
const breathMs = 2
const rewriteTries = 20
const rewriteWaitMs = 500

class PostgresKeeper implements HistoryKeeper {
  readonly #client: PostgresClient
  readonly #url: string
  readonly #statements: ReturnType<typeof statementsIn>
  readonly #pruning: PostgresPruning
  #closed = false

  constructor(
    client: PostgresClient,
    { url, schema, reader }: { url: string; schema: string; reader: HistoryReader },
  ) {
    this.#client = client
    this.#url = url
    this.#statements = statementsIn(schema)
    this.#pruning = new PostgresPruning(reader, { rows: (text, values) => this.#rows(text, values), schema })
  }

  async countErasable(subject: string): Promise<number> {
    const [row] = await this.#rows<[number]>(this.#statements.countWhole, [toText(subject)])
    return row![0]
  }

  async erase({ subject, reason, by, onProgress, signal }: ErasureOptions): Promise<Erasure | undefined> {
    const { unfinished, earlier } = this.#statements
    const total = await this.countErasable(subject)
    const name = toText(subject)
    const [resumed] = await this.#rows<[number]>(unfinished, [name])
    if (total === 0 && resumed === undefined) return undefined
    const number = resumed?.[0] ?? (await this.#begin([name, toText(reason), toText(by), Date.now()]))
    for (const [other, otherName] of await this.#rows<[number, string]>(earlier, [number])) {
      await this.#finish(toText(otherName), other, { signal })
    }
    return await this.#finish(name, number, {
      signal,
      onEmptied: (done) => onProgress?.({ done, total: Math.max(total, done) }),
    })
  }

  async prune(options: PruneOptions): Promise<Pruned> {
    return await prune(this.#pruning, options)
  }

  async forgetConsumer(name: string): Promise<boolean> {
    return (await this.#rows(this.#statements.forgetConsumer, [toText(name)])).length > 0
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#pruning.reader.close()
    await this.#client.end().catch(() => {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Numbers are seen in their order: none is given before the last one is there. */
  async #begin(values: readonly unknown[]): Promise<number> {
    return await this.#transaction(async () => {
      await this.#rows(this.#statements.lockErasures, [])
      const [row] = await this.#rows<[number]>(this.#statements.begin, values)
      return row![0]
    })
  }

  async #finish(
    name: string,
    number: number,
    { signal, onEmptied }: { signal: AbortSignal | undefined; onEmptied?: (done: number) => void },
  ): Promise<Erasure> {
    for (let done = 0; ; await sleep(breathMs)) {
      signal?.throwIfAborted()
      const emptied = await this.#empty(name, number)
      done += emptied
      onEmptied?.(done)
      if (emptied < rowsATransaction) break
    }
    await this.#rewrite(name, number)
    const [row] = await this.#rows<ErasureRow>(this.#statements.finish, [number])
    return toErasure(row!)
  }

  /** One transaction. @returns How many it has emptied. */
  async #empty(name: string, number: number): Promise<number> {
    const { whole, empty, count } = this.#statements
    return await this.#transaction(async () => {
      const rows = await this.#rows<WholeRow>(whole, [name, rowsATransaction])
      const last = rows.at(-1)
      if (last !== undefined) {
        const left = rows.map(([, id, source, type, subject, contentType, properties]) =>
          toText(packErased({ id, source, type, subject, contentType, properties }, number)),
        )
        await this.#rows(empty, [rows.map(([position]) => position), left])
        await this.#rows(count, [rows.length, last[0], number])
      }
      return rows.length
    })
  }

  async #transaction<Result>(work: () => Promise<Result>): Promise<Result> {
    await this.#rows('BEGIN', [])
    try {
      const result = await work()
      await this.#rows('COMMIT', [])
      return result
    } catch (error) {
      await this.#client.query('ROLLBACK').catch(() => {})
      throw error
    }
  }

  /** Leaves no old version of the erased rows in the tables, and no bytes of theirs. */
  async #rewrite(name: string, number: number): Promise<void> {
    const partitions = await this.#rows<[string]>(this.#statements.partitions, [name, `!${number} %`])
    for (const [partition] of partitions) await this.#rewriteTable(partition)
  }

  async #rewriteTable(table: string): Promise<void> {
    let [warning, kept] = ['', 0]
    const heed = ({ code, message, detail }: NoticeMessage) => {
      // A table that is another user's is left out with a warning, and no error; its severity is in the
      // server's language.
      if (code?.startsWith('01')) warning = message ?? 'it was left out'
      // "3 dead row versions cannot be removed yet", in the server's language.
      else kept += Number(/\d+/.exec(detail ?? '')?.[0] ?? 0)
    }
    this.#client.on('notice', heed)
    try {
      for (let tries = 0; tries < rewriteTries; tries++) {
        kept = 0
        await this.#rows(`VACUUM (FULL, VERBOSE) ${table}`, [])
        if (kept === 0) break
        // A transaction that began before may still look at the old rows.
        await sleep(rewriteWaitMs)
      }
    } finally {
      this.#client.off('notice', heed)
    }
    if (warning === '' && kept === 0) return
    const advice =
      warning === ''
        ? 'a transaction has been open all the time, end it and erase again'
        : `${warning}; erase again as the owner of the tables`
    throw new HistoryError(
      'HISTORY_UNAVAILABLE',
      `${shownAddress(this.#url)} may still hold what was erased: ${advice}`,
    )
  }

  async #rows<Row extends readonly unknown[]>(text: string, values: readonly unknown[]): Promise<Row[]> {
    if (this.#closed)
      throw new HistoryError('HISTORY_CLOSED', `The keeper of ${shownAddress(this.#url)} was closed`)
    try {
      const query = { text, values: [...values], rowMode: 'array' as const, types: rowTypes }
      return (await this.#client.query(query)).rows as unknown as Row[]
    } catch (error) {
      throw postgresError(error, this.#url)
    }
  }
}

interface NoticeMessage {
  readonly code?: string | undefined
  readonly message?: string | undefined
  readonly detail?: string | undefined
}

type WholeRow = readonly [
  position: number,
  id: string,
  source: string,
  type: string,
  subject: string,
  contentType: string | null,
  properties: string,
]

function statementsIn(schema: string) {
  const ofSubject = `hashtextextended(subject, 0) = hashtextextended($1, 0) AND subject = $1`
  const isWhole = `${ofSubject} AND properties NOT LIKE '!%'`
  return {
    countWhole: `SELECT count(*) FROM ${schema}.events WHERE ${isWhole}`,
    whole: `SELECT position, id, source, type, subject, content_type, properties FROM ${schema}.events
      WHERE ${isWhole} ORDER BY position LIMIT $2 FOR UPDATE`,
    unfinished: `SELECT number FROM ${schema}.erasures WHERE subject = $1 AND NOT finished ORDER BY number LIMIT 1`,
    // Those of any subject: consumers are told by number, and look for none below the last.
    earlier: `SELECT number, subject FROM ${schema}.erasures WHERE number < $1 AND NOT finished ORDER BY number`,
    lockErasures: `LOCK TABLE ${schema}.erasures IN SHARE ROW EXCLUSIVE MODE`,
    begin: `INSERT INTO ${schema}.erasures (subject, reason, erased_by, erased_at, events, last_position, finished)
      VALUES ($1, $2, $3, $4, 0, 0, false) RETURNING number`,
    empty: `UPDATE ${schema}.events SET body = '', routing_key = '', properties = erased.properties
      FROM unnest($1::bigint[], $2::text[]) AS erased (position, properties)
      WHERE events.position = erased.position`,
    count: `UPDATE ${schema}.erasures SET events = events + $1, last_position = greatest(last_position, $2)
      WHERE number = $3`,
    partitions: `SELECT DISTINCT tableoid::regclass::text FROM ${schema}.events
      WHERE ${ofSubject} AND properties LIKE $2`,
    forgetConsumer: `DELETE FROM ${schema}.consumers WHERE name = $1 RETURNING name`,
    finish: `UPDATE ${schema}.erasures SET finished = true WHERE number = $1 RETURNING ${erasureColumns}`,
  }
}
