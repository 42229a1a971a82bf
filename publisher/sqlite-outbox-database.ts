/**
 * What an outbox uses of better-sqlite3. The application brings its own: this folder imports no driver.
 */

/** What an outbox uses of a database of better-sqlite3. */
export interface SqliteOutboxDatabase {
  /** The path that it was opened with. */
  readonly name: string
  readonly memory: boolean
  readonly open: boolean
  readonly inTransaction: boolean
  prepare(sql: string): SqliteOutboxStatement
  exec(sql: string): unknown
}

export interface SqliteOutboxStatement {
  run(...values: unknown[]): unknown
  get(...values: unknown[]): unknown
  iterate(...values: unknown[]): IterableIterator<unknown>
  safeIntegers(toggle: boolean): this
}
