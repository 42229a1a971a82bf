/** Connections to a PostgreSQL database, as a relay asks for them: one for its turn, one for its looks. */
import type { PostgresClient } from '../../history/index.ts'
import type { PostgresOutboxPool, PostgresOutboxSession } from '../../publisher/index.ts'

export class PostgresConnections implements PostgresOutboxPool {
  readonly #url: string
  readonly #open = new Set<PostgresClient>()
  /** Not in use; one is kept. */
  #idle: PostgresClient | undefined

  constructor(url: string) {
    this.#url = url
  }

  get totalCount(): number {
    return this.#open.size
  }

  async connect(): Promise<PostgresOutboxSession> {
    const client = await this.#take()
    return {
      query: (text, values) => client.query(text, values),
      on: (name, listener: unknown) => client.on(name as 'error', listener as (error: Error) => void),
      off: (name, listener) => client.off(name, listener),
      release: (destroy = false) => this.#giveBack(client, { destroy }),
    }
  }

  async query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }> {
    const client = await this.#take()
    try {
      const result = await client.query(text, values)
      this.#giveBack(client, { destroy: false })
      return result
    } catch (error) {
      this.#giveBack(client, { destroy: true })
      throw error
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open].map((client) => client.end().catch(() => {})))
  }

  async #take(): Promise<PostgresClient> {
    const idle = this.#idle
    this.#idle = undefined
    if (idle !== undefined) return idle
    const { openPostgres } = await import('../../history/index.ts')
    const client = await openPostgres(this.#url, { name: 'backstory relay' })
    this.#open.add(client)
    client.once('end', () => {
      this.#open.delete(client)
      if (this.#idle === client) this.#idle = undefined
    })
    return client
  }

  #giveBack(client: PostgresClient, { destroy }: { destroy: boolean }): void {
    if (!destroy && this.#idle === undefined && this.#open.has(client)) this.#idle = client
    else void client.end().catch(() => {})
  }
}
