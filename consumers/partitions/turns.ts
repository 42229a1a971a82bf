/**
 * Turns: several consumers of this process on one SQLite file write one after the other.
 *
 * Each has a connection of its own, so that their transactions stay apart. SQLite lets one write at a time,
 * and tells the others to try again later: here they wait for their turn instead, in order.
 */
import type { ConsumerStore, StoreTransaction } from '../store.ts'

export class Turns {
  #last: Promise<unknown> = Promise.resolve()

  async take<Result>(work: () => Promise<Result>): Promise<Result> {
    const taken = this.#last.then(work)
    this.#last = taken.catch(() => {})
    return await taken
  }
}

/** The store, with each transaction waiting for its turn. */
export function takingTurns<Tx>(store: ConsumerStore<Tx>, turns: Turns): ConsumerStore<Tx> {
  return {
    acquire: (...options) => store.acquire(...options),
    state: () => store.state(),
    waiting: () => store.waiting(),
    transaction: <Result>(work: (transaction: StoreTransaction<Tx>) => Promise<Result>) =>
      turns.take(() => store.transaction(work)),
    close: () => store.close(),
  }
}
