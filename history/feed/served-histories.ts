/** The histories that a feed serves, each by the name of its exchange. */
import { HistoryError, isTransient } from '../errors.ts'
import type { HistoryReader } from '../reader.ts'
import { HeadWatch } from './head-watch.ts'
import { PageSize } from './page-size.ts'
import { Problem } from './problem.ts'

export class ServedHistory {
  readonly reader: HistoryReader
  readonly watch: HeadWatch
  readonly pageSize = new PageSize()

  constructor(reader: HistoryReader) {
    this.reader = reader
    this.watch = new HeadWatch(reader)
  }
}

export class ServedHistories {
  readonly #histories: readonly ServedHistory[]

  constructor(readers: readonly HistoryReader[]) {
    this.#histories = readers.map((reader) => new ServedHistory(reader))
  }

  /**
   * The history of an exchange. Each is asked every time: a file may have been replaced.
   *
   * @throws Problem `FEED_EXCHANGE_UNKNOWN`; what keeps a history from being asked, where it may be the one.
   */
  async of(exchange: string): Promise<ServedHistory> {
    let failure: unknown
    for (const history of this.#histories) {
      try {
        if ((await history.reader.exchange()) === exchange) return history
      } catch (error) {
        failure ??= error
      }
    }
    throw failure ?? new Problem('FEED_EXCHANGE_UNKNOWN', 'No history of this exchange is served here')
  }

  /** Those that are there by now, in the order in which they were named. */
  async list(): Promise<{ exchange: string; first: number; head: number }[]> {
    const found = await Promise.all(
      this.#histories.map(async ({ reader }) => {
        try {
          return { exchange: await reader.exchange(), ...(await reader.bounds()) }
        } catch (error) {
          if (error instanceof HistoryError && isTransient(error)) return undefined
          throw error
        }
      }),
    )
    return found.filter((history) => history !== undefined)
  }

  /** What keeps one of them from being read; undefined where all can be. */
  async failure(): Promise<unknown> {
    const results = await Promise.allSettled(this.#histories.map(({ reader }) => reader.bounds()))
    return results.find((result) => result.status === 'rejected')?.reason
  }
}
