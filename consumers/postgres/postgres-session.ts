/**
 * One connection that a PostgreSQL store works on, and the pipeline of a transaction on it.
 *
 * What gives no answer that the transaction needs is sent and not waited for: a batch of 500 costs a few
 * round trips. Its failure aborts the transaction in the server, so that it comes out at the commit, where
 * PostgreSQL itself answers `ROLLBACK` to a COMMIT and calls that a success.
 */
import {
  cutPostgres,
  openPostgres,
  type PostgresClient,
  sendQuery,
  takeFailure,
} from '../../history/index.ts'
import { HandlerFailure } from '../handler-failure.ts'
import { commitRefused, isUnavailable, storeFailure } from './postgres-failure.ts'

/** A statement that is parsed once a connection. */
export interface Statement {
  readonly name: string
  readonly text: string
}

export class PostgresSession {
  readonly client: PostgresClient
  readonly #url: string
  #isLost = false

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

  /** Sends what needs no answer; the commit fails where it does. */
  send({ name, text }: Statement, values: unknown[]): void {
    sendQuery(this.client, { name, text, values })
  }

  /** Begins a transaction and runs its first statement, in one round trip. */
  async begin<Row extends object>(first: Statement, values: unknown[]): Promise<Row[]> {
    takeFailure(this.client)
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
    try {
      // Everything sent before it has been answered when this is.
      const { command } = await this.client.query('COMMIT')
      if (command === 'COMMIT') return 'committed'
    } catch (error) {
      if (!isAnswer(error)) return 'unknown'
      throw this.#refusal(error)
    }
    throw this.#refusal(takeFailure(this.client))
  }

  async rollback(): Promise<void> {
    if (this.#isLost) return
    await this.client.query('ROLLBACK').catch(() => {})
  }

  /**
   * What made a transaction fail, where a statement only met what another one had broken before it: one that
   * was sent and not waited for, perhaps an earlier event's.
   */
  reasonFor(error: unknown): unknown {
    const { code } = ((error instanceof HandlerFailure ? error.cause : error) ?? {}) as { code?: unknown }
    if (code !== '25P02') return error
    const failure = takeFailure(this.client)
    return failure === undefined && error instanceof HandlerFailure ? error : this.#refusal(failure)
  }

  /** Ends it at once; the server rolls back. */
  cut(): void {
    this.#isLost = true
    cutPostgres(this.client)
  }

  async close(): Promise<void> {
    if (!this.#isLost) await this.client.end().catch(() => {})
  }

  /** @param error - Undefined where a statement failed that the handler itself had waited for. */
  #refusal(error: unknown): unknown {
    const cause =
      error ?? new Error('a statement of a handler failed, and the handler went on without ROLLBACK TO')
    const failure = storeFailure(cause, this.#url)
    return isUnavailable(failure) ? failure : commitRefused(this.#url, cause)
  }
}

/** Whether the server said so and went on, and not the connection's end. 57P: the server ends. */
function isAnswer(error: unknown): boolean {
  const { code, severity } = error as { code?: unknown; severity?: unknown }
  return typeof severity === 'string' && typeof code === 'string' && !/^(08|57P)/.test(code)
}
