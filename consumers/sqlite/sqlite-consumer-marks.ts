/** A consumer's marks in its SQLite store, for other hands than the running consumer's. */
import type { Identity } from '../../events/index.ts'
import { openSqlite, type SqliteDatabase } from '../../history/index.ts'
import type { Marks } from '../certificate.ts'
import { chooseConsumer } from '../choose-consumer.ts'
import { blockOf, clearAbove } from '../marks/applied-blocks.ts'
import type { ConsumerMarks, MarksSetting, MarksTransaction } from '../marks/consumer-marks.ts'
import { countParked } from './sqlite-parking.ts'
import { guard, type StateRow, selectWaiting, toState } from './sqlite-store.ts'

/** How long a running consumer's transaction is waited for. */
const busyTimeoutMs = 10_000

/** @throws as `openConsumerMarks` does. */
export async function openSqliteMarks({
  store: path,
  consumer,
}: {
  store: string
  consumer?: string
}): Promise<ConsumerMarks> {
  const database = await guard(path, () => openSqlite(path))
  try {
    database.pragma(`busy_timeout = ${busyTimeoutMs}`)
    return new SqliteMarks(database, {
      path,
      consumer: chooseConsumer(consumersIn(database), { store: path, consumer }),
    })
  } catch (error) {
    database.close()
    throw error
  }
}

function consumersIn(database: SqliteDatabase): string[] {
  const isStore = database.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'backstory_consumers'`).get()
  if (isStore === undefined) return []
  return database.prepare('SELECT name FROM backstory_consumers ORDER BY name').pluck().all() as string[]
}

class SqliteMarks implements ConsumerMarks, MarksSetting {
  readonly #database: SqliteDatabase
  readonly #path: string
  readonly #consumer: string
  readonly #statements: ReturnType<typeof prepareStatements>

  constructor(database: SqliteDatabase, { path, consumer }: { path: string; consumer: string }) {
    this.#database = database
    this.#path = path
    this.#consumer = consumer
    this.#statements = prepareStatements(database)
  }

  async read<Result>(work: (transaction: MarksTransaction) => Promise<Result>): Promise<Result> {
    return await this.#transaction('BEGIN', work)
  }

  async write<Result>(work: (transaction: MarksSetting) => Promise<Result>): Promise<Result> {
    return await this.#transaction('BEGIN IMMEDIATE', work)
  }

  async snapshot(): Promise<Marks> {
    const row = this.#statements.state.get(this.#consumer) as StateRow
    return {
      consumer: row.name,
      exchange: row.exchange,
      state: toState(row),
      waiting: this.#statements.waiting.all(this.#consumer) as Identity[],
      counts: countParked(this.#database, this.#consumer),
    }
  }

  async bits(block: number): Promise<Buffer | undefined> {
    return this.#statements.bits.get(this.#consumer, block) as Buffer | undefined
  }

  async putIntoInbox(identities: readonly Identity[]): Promise<void> {
    for (const { source, id } of identities) this.#statements.wait.run(this.#consumer, id, source)
  }

  async takeFromInbox(identities: readonly Identity[]): Promise<void> {
    for (const { source, id } of identities) this.#statements.forget.run(this.#consumer, id, source)
  }

  async goBack(cursor: number): Promise<void> {
    const block = blockOf(cursor + 1)
    const bits = this.#statements.bits.get(this.#consumer, block) as Buffer | undefined
    if (bits !== undefined) this.#statements.saveBits.run(clearAbove(bits, cursor), this.#consumer, block)
    this.#statements.dropBits.run(this.#consumer, block)
    this.#statements.goBack.run(cursor, Date.now(), this.#consumer)
  }

  async close(): Promise<void> {
    this.#database.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #transaction<Result>(begin: string, work: (transaction: this) => Promise<Result>): Promise<Result> {
    return await guard(this.#path, async () => {
      this.#database.exec(begin)
      try {
        const result = await work(this)
        this.#database.exec('COMMIT')
        return result
      } catch (error) {
        if (this.#database.inTransaction) this.#database.exec('ROLLBACK')
        throw error
      }
    })
  }
}

function prepareStatements(database: SqliteDatabase) {
  return {
    state: database.prepare('SELECT * FROM backstory_consumers WHERE name = ?'),
    waiting: database.prepare(selectWaiting),
    bits: database.prepare('SELECT bits FROM backstory_applied WHERE consumer = ? AND block = ?').pluck(),
    saveBits: database.prepare('UPDATE backstory_applied SET bits = ? WHERE consumer = ? AND block = ?'),
    dropBits: database.prepare('DELETE FROM backstory_applied WHERE consumer = ? AND block > ?'),
    wait: database.prepare(
      `INSERT INTO backstory_inbox (consumer, id, source, passed_at) VALUES (?, ?, ?, NULL)
       ON CONFLICT (consumer, id, source) DO UPDATE SET passed_at = NULL`,
    ),
    forget: database.prepare('DELETE FROM backstory_inbox WHERE consumer = ? AND id = ? AND source = ?'),
    goBack: database.prepare(
      `UPDATE backstory_consumers SET cursor = ?, generation = generation + 1, updated_at = ? WHERE name = ?`,
    ),
  }
}
