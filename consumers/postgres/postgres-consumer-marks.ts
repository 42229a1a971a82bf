/** A consumer's marks in its PostgreSQL store, for other hands than the working instance's. */
import type { Identity } from '../../events/index.ts'
import {
  fromText,
  identityKey,
  openPostgres,
  type PostgresClient,
  shownAddress,
  toText,
} from '../../history/index.ts'
import type { Marks } from '../certificate.ts'
import { chooseConsumer } from '../choose-consumer.ts'
import { blockOf, clearAbove } from '../marks/applied-blocks.ts'
import type { ConsumerMarks, MarksSetting, MarksTransaction } from '../marks/consumer-marks.ts'
import { consumersIn } from './postgres-consumers.ts'
import { guard } from './postgres-failure.ts'
import { type CountRow, countParked, toCounts } from './postgres-parking.ts'
import { type StateRow, selectWaiting, toState } from './postgres-store.ts'

/** @throws as `openConsumerMarks` does. */
export async function openPostgresMarks({
  store: url,
  consumer,
}: {
  store: string
  consumer?: string
}): Promise<ConsumerMarks> {
  return await guard(url, async () => {
    const client = await openPostgres(url, { name: 'backstory consumer marks' })
    try {
      const names = await consumersIn(client)
      return new PostgresMarks(client, url, chooseConsumer(names, { store: shownAddress(url), consumer }))
    } catch (error) {
      await client.end()
      throw error
    }
  })
}

class PostgresMarks implements ConsumerMarks, MarksSetting {
  readonly #client: PostgresClient
  readonly #url: string
  readonly #consumer: string

  constructor(client: PostgresClient, url: string, consumer: string) {
    this.#client = client
    this.#url = url
    this.#consumer = consumer
  }

  async read<Result>(work: (transaction: MarksTransaction) => Promise<Result>): Promise<Result> {
    return await this.#transaction('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', () => work(this))
  }

  async write<Result>(work: (transaction: MarksSetting) => Promise<Result>): Promise<Result> {
    return await this.#transaction('BEGIN', async () => {
      // The row that each transaction of the working instance locks first.
      await this.#client.query('SELECT 1 FROM backstory_consumers WHERE name = $1 FOR UPDATE', [
        this.#consumer,
      ])
      return await work(this)
    })
  }

  async snapshot(): Promise<Marks> {
    const states = await this.#client.query<StateRow>('SELECT * FROM backstory_consumers WHERE name = $1', [
      this.#consumer,
    ])
    const waiting = await this.#client.query<Identity>(selectWaiting.text, [this.#consumer])
    const counts = await this.#client.query<CountRow>(countParked.text, [this.#consumer])
    const row = states.rows[0]!
    return {
      consumer: row.name,
      exchange: row.exchange,
      state: toState(row),
      waiting: waiting.rows.map(({ source, id }) => ({ source: fromText(source), id: fromText(id) })),
      counts: toCounts(counts.rows),
    }
  }

  async bits(block: number): Promise<Buffer | undefined> {
    const { rows } = await this.#client.query<{ bits: Buffer }>(
      'SELECT bits FROM backstory_applied WHERE consumer = $1 AND block = $2',
      [this.#consumer, block],
    )
    return rows[0]?.bits
  }

  async putIntoInbox(identities: readonly Identity[]): Promise<void> {
    await this.#client.query(
      `INSERT INTO backstory_inbox (consumer, key, id, source, passed_at)
       SELECT $1, key, id, source, NULL FROM unnest($2::uuid[], $3::text[], $4::text[]) AS new (key, id, source)
       ON CONFLICT (consumer, key) DO UPDATE SET passed_at = NULL`,
      [
        this.#consumer,
        identities.map(identityKey),
        identities.map(({ id }) => toText(id)),
        identities.map(({ source }) => toText(source)),
      ],
    )
  }

  async takeFromInbox(identities: readonly Identity[]): Promise<void> {
    await this.#client.query('DELETE FROM backstory_inbox WHERE consumer = $1 AND key = ANY ($2::uuid[])', [
      this.#consumer,
      identities.map(identityKey),
    ])
  }

  async goBack(cursor: number): Promise<void> {
    const block = blockOf(cursor + 1)
    const bits = await this.bits(block)
    if (bits !== undefined) {
      await this.#client.query('UPDATE backstory_applied SET bits = $3 WHERE consumer = $1 AND block = $2', [
        this.#consumer,
        block,
        clearAbove(bits, cursor),
      ])
    }
    await this.#client.query('DELETE FROM backstory_applied WHERE consumer = $1 AND block > $2', [
      this.#consumer,
      block,
    ])
    await this.#client.query(
      'UPDATE backstory_consumers SET cursor = $2, generation = generation + 1, updated_at = now() WHERE name = $1',
      [this.#consumer, cursor],
    )
  }

  async close(): Promise<void> {
    await this.#client.end()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #transaction<Result>(begin: string, work: () => Promise<Result>): Promise<Result> {
    return await guard(this.#url, async () => {
      await this.#client.query(begin)
      try {
        const result = await work()
        await this.#client.query('COMMIT')
        return result
      } catch (error) {
        await this.#client.query('ROLLBACK').catch(() => {})
        throw error
      }
    })
  }
}
