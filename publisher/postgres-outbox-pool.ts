/**
 * What an outbox uses of pg. The application brings its own: this folder imports no driver, and whatever has
 * these methods will do.
 */

/** What an outbox uses of a pool of pg. */
export interface PostgresOutboxPool {
  /** Of its clients; what tells a pool from a client. */
  readonly totalCount: number
  connect(): Promise<PostgresOutboxSession>
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>
}

/** What an outbox uses of a client of pg. */
export interface PostgresOutboxClient {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>
  /** Since pg 8.21; saves a question to the server for each event. */
  getTransactionStatus?(): string | null
}

/** What the relay uses of a client of a pool. */
export interface PostgresOutboxSession extends PostgresOutboxClient {
  on(name: 'notification', listener: (message: { readonly payload?: string | undefined }) => void): unknown
  on(name: 'error', listener: (error: Error) => void): unknown
  off(name: 'error', listener: (error: Error) => void): unknown
  release(destroy?: boolean): void
}
