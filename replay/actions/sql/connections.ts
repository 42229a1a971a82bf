/** Connections to a database: as many as are in use at once, each used by one at a time. */
import type { SqlConnection } from './sql-database.ts'

export class Connections {
  readonly #connect: () => Promise<SqlConnection>
  readonly #idle: SqlConnection[] = []
  #isClosed = false

  constructor(connect: () => Promise<SqlConnection>) {
    this.#connect = connect
  }

  /** One that is lost on the way is not used again. @throws What connecting throws, and what `work` throws. */
  async use<Result>(work: (connection: SqlConnection) => Promise<Result>): Promise<Result> {
    let connection = this.#idle.pop()
    // It may have gone while nobody used it.
    while (connection !== undefined && !connection.isOpen) {
      await connection.close()
      connection = this.#idle.pop()
    }
    connection ??= await this.#connect()
    try {
      return await work(connection)
    } finally {
      if (connection.isOpen && !this.#isClosed) this.#idle.push(connection)
      else await connection.close()
    }
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all(this.#idle.splice(0).map(async (connection) => await connection.close()))
  }
}
