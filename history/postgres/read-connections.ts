/**
 * The connections that the readers of this process share, a few for each database: a feed may have a reader
 * a client, and a server takes a hundred connections by default.
 */
import { HistoryError } from '../errors.ts'
import { cutPostgres, openPostgres, type PostgresClient } from './postgres.ts'

/** At a time, for each database. */
const connectionsMax = 4
/** Kept open without use for so long. */
const idleMs = 10_000
/** A plan that was made while the history was small serves for as long as its connection. */
const ageMsMax = 5 * 60_000
/** What the server does not answer for so long is taken for lost. */
const answerTimeoutMs = 60_000

interface ReadConnection {
  readonly client: PostgresClient
  /** On the clock of `performance.now()`. */
  readonly since: number
  hasEnded: boolean
}

export class ReadConnections {
  static readonly #shared = new Map<string, ReadConnections>()
  readonly #url: string
  readonly #idle: ReadConnection[] = []
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
   * Works on a connection of its own, which is gone where it fails or is left in a transaction.
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
    const connection = this.#idle.pop() ?? (await this.#open())
    const { client } = connection
    try {
      const result = await work(client)
      this.#keep(connection)
      return result
    } catch (error) {
      // What we say of the answers is nothing against the connection.
      if (error instanceof HistoryError && client.getTransactionStatus() === 'I') this.#keep(connection)
      else cutPostgres(client)
      throw error
    }
  }

  async #open(): Promise<ReadConnection> {
    const client = await openPostgres(this.#url, {
      name: 'backstory reader',
      queryTimeoutMs: answerTimeoutMs,
    })
    const connection = { client, since: performance.now(), hasEnded: false }
    client.once('end', () => {
      connection.hasEnded = true
      const at = this.#idle.indexOf(connection)
      if (at !== -1) this.#idle.splice(at, 1)
    })
    return connection
  }

  #keep(connection: ReadConnection): void {
    const isOld = performance.now() - connection.since > ageMsMax
    if (this.#readers === 0 || isOld || connection.hasEnded) {
      void connection.client.end().catch(() => {})
      return
    }
    this.#idle.push(connection)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#closeIdle(), idleMs)
    this.#timer.unref()
  }

  async #closeIdle(): Promise<void> {
    clearTimeout(this.#timer)
    await Promise.all(this.#idle.splice(0).map(({ client }) => client.end().catch(() => {})))
  }
}
