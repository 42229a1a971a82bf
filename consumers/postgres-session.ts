/**
 * One connection that a PostgreSQL store works on, and the pipeline of a transaction on it.
 *
 * What gives no answer that the transaction needs is sent and not waited for: a batch of 500 costs a few
 * round trips. Its failure aborts the transaction in the server, so that it comes out at the commit, where
 * PostgreSQL itself answers `ROLLBACK` to a COMMIT and calls that a success.
 */
import { cutPostgres, openPostgres, type PostgresClient } from '../history/index.ts'
import { commitRefused, storeFailure } from './postgres-failure.ts'

/** A statement that is parsed once a connection. */
export interface Statement {
  readonly name: string
  readonly text: string
}

export class PostgresSession {
  readonly client: PostgresClient
  readonly #url: string
  #isLost = false
  #sent: Promise<unknown>[] = []

  private constructor(client: PostgresClient, url: string) {
    this.client = client
    this.#url = url
    client.once('end', () => {
      this.#isLost = true
    })
  }

  /** @throws as `openPostgres` does. */
  static async open(url: string, { name }: { name: string }): Promise<PostgresSession> {
    return new PostgresSession(await openPostgres(url, { name, pipeline: true }), url)
  }

  get isLost(): boolean {
    return this.#isLost
  }

  async rows<Row extends object>({ name, text }: Statement, values: unknown[]): Promise<Row[]> {
    return (await this.client.query<Row>({ name, text, values })).rows
  }

  /** Sends what the commit waits for. */
  send({ name, text }: Statement, values: unknown[]): void {
    const answer = this.client.query({ name, text, values })
    answer.catch(() => {})
    this.#sent.push(answer)
  }

  /**
   * Begins a transaction and runs its first statement, in one round trip.
   */
  async begin<Row extends object>(first: Statement, values: unknown[]): Promise<Row[]> {
    this.#sent = []
    const begun = this.client.query('BEGIN')
    const [rows] = await Promise.all([this.rows<Row>(first, values), begun])
    return rows
  }

  /**
   * @returns Whether it committed; `unknown` where the connection was lost before the answer came.
   * @throws ConsumerError `CONSUMER_COMMIT_REFUSED` where a constraint is broken, or a statement failed
   *   before and the handler went on; `CONSUMER_STORE_UNAVAILABLE`.
   */
  async commit(): Promise<'committed' | 'unknown'> {
    if (this.client.getTransactionStatus() === 'I') {
      throw commitRefused(
        this.#url,
        new Error('a handler ended the transaction; let it use SAVEPOINT and ROLLBACK TO instead'),
      )
    }
    const commit = this.client.query('COMMIT')
    const sent = await Promise.allSettled(this.#sent)
    const [answer] = await Promise.allSettled([commit])
    // The connection's end is an event of its own, a turn later.
    if (answer.status === 'rejected' && !isAnswer(answer.reason)) return 'unknown'
    const failed = sent.find((one): one is PromiseRejectedResult => one.status === 'rejected')
    if (failed !== undefined) throw this.#refusal(failed.reason)
    if (answer.status === 'rejected') throw this.#refusal(answer.reason)
    if (answer.value.command === 'COMMIT') return 'committed'
    throw commitRefused(
      this.#url,
      new Error('a statement of a handler failed before, and the handler went on'),
    )
  }

  async rollback(): Promise<void> {
    if (this.#isLost) return
    await this.client.query('ROLLBACK').catch(() => {})
  }

  /** Ends it at once; the server rolls back. */
  cut(): void {
    this.#isLost = true
    cutPostgres(this.client)
  }

  async close(): Promise<void> {
    if (!this.#isLost) await this.client.end().catch(() => {})
  }

  #refusal(error: unknown): unknown {
    const failure = storeFailure(error, this.#url)
    if (failure !== error) return failure
    const { code } = error as { code?: unknown }
    // 25P02: something failed before this.
    const cause =
      code === '25P02' ? new Error('a statement of a handler failed before, and the handler went on') : error
    return commitRefused(this.#url, cause)
  }
}

/** Whether the server said so and went on, and not the connection's end. 57P: the server ends. */
function isAnswer(error: unknown): boolean {
  const { code, severity } = error as { code?: unknown; severity?: unknown }
  return typeof severity === 'string' && typeof code === 'string' && !/^(08|57P)/.test(code)
}
