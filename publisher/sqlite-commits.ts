/**
 * The commits of this process, learnt without a hook: after each addition it is looked whether its
 * transaction has ended. A rollback is told of too; whoever listens looks for himself.
 */
import type { SqliteOutboxDatabase } from './sqlite-outbox-database.ts'

export class Commits {
  readonly #awaited = new Set<SqliteOutboxDatabase>()
  listener: (() => void) | undefined

  expect(tx: SqliteOutboxDatabase): void {
    if (this.listener === undefined || this.#awaited.has(tx)) return
    this.#awaited.add(tx)
    setImmediate(() => this.#look(tx))
  }

  #look(tx: SqliteOutboxDatabase): void {
    if (tx.open && tx.inTransaction) {
      setTimeout(() => this.#look(tx), lookMs).unref()
      return
    }
    this.#awaited.delete(tx)
    this.listener?.()
  }
}

/** How often to look whether the application's transaction is over. */
export const lookMs = 2
