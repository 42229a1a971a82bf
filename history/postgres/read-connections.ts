/**
 * The connections that the readers of this process share, a few for each database: a feed may have a reader
 * a client, and a server takes a hundred connections by default.
 */
import { cutPostgres, openPostgres, type PostgresClient } from './postgres.ts'

/** At a time, for each database. */
const connectionsMax = 4
/** Kept open without use for so long. */
const idleMs = 10_000
/** What the server does not answer for so long is taken for lost. */
const answerTimeoutMs = 60_000

export class ReadConnections {
  static readonly #shared = new Map<string, ReadConnections>()
  readonly #url: string
  readonly #idle: PostgresClient[] = []
  /** Those that wait for a connection, the longest first. */
  readonly #waiting: (() => void)[] = []
  #busy = 0
  #readers = 0
  #timer: NodeJS.Timeout | undefined

  private constructor(url: string) {
    this.#url = url
  }

  /** Those to a database, for one more reader, which must `leave()`. */
  static join(url: string): ReadConnections {
    let connections = ReadConnections.#shared.get(url)
    if (connections === undefined) {
      connections = new ReadConnections(url)
      ReadConnections.#shared.set(url, connections)
    }
    connections.#readers += 1
    return connections
  }

  /** Closes them where nobody else reads. */
  async leave(): Promise<void> {
    this.#readers -= 1
    if (this.#readers > 0) return
    ReadConnections.#shared.delete(this.#url)
    await this.#closeIdle()
  }

  /**
   * Works on a connection of its own, which is gone where it fails.
   *
   * @throws as `openPostgres` does, and what `work` throws.
   */
  async with<Result>(work: (client: PostgresClient) => Promise<Result>): Promise<Result> {
    // A slot that is given on is the next one's at once: whoever comes meanwhile waits behind it.
    if (this.#busy >= connectionsMax) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#busy += 1
    try {
      return await this.#work(work)
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#busy -= 1
      else next()
    }
  }

  async #work<Result>(work: (client: PostgresClient) => Promise<Result>): Promise<Result> {
    const client = this.#idle.pop() ?? (await this.#open())
    try {
      const result = await work(client)
      this.#keep(client)
      return result
    } catch (error) {
      cutPostgres(client)
      throw error
    }
  }

  async #open(): Promise<PostgresClient> {
    const client = await openPostgres(this.#url, {
      name: 'backstory reader',
      queryTimeoutMs: answerTimeoutMs,
    })
    client.once('end', () => {
      const at = this.#idle.indexOf(client)
      if (at !== -1) this.#idle.splice(at, 1)
    })
    return client
  }

  #keep(client: PostgresClient): void {
    if (this.#readers === 0) {
      void client.end().catch(() => {})
      return
    }
    this.#idle.push(client)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#closeIdle(), idleMs)
    this.#timer.unref()
  }

  async #closeIdle(): Promise<void> {
    clearTimeout(this.#timer)
    await Promise.all(this.#idle.splice(0).map((client) => client.end().catch(() => {})))
  }
}
