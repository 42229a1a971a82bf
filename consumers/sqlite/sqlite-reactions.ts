/** Reactions to come in a consumer's SQLite store. */
import { type CloudEvent, decodeProperties, encodeProperties, type Identity } from '../../events/index.ts'
import type { SqliteDatabase } from '../../history/index.ts'
import type { Reaction, ReactionsTransaction } from '../reactions.ts'

interface ReactionRow {
  readonly number: number
  readonly source: string
  readonly id: string
  readonly type: string
  readonly subject: string | null
  readonly position: number | null
  readonly exchange: string
  readonly routing_key: string
  readonly properties: string
  readonly body: Buffer
}

export class SqliteReactions implements ReactionsTransaction {
  readonly #consumer: string
  readonly #statements: ReturnType<typeof prepareStatements>

  constructor(database: SqliteDatabase, consumer: string) {
    this.#consumer = consumer
    this.#statements = prepareStatements(database)
  }

  async add(
    events: readonly { readonly event: CloudEvent; readonly position: number | undefined }[],
  ): Promise<void> {
    for (const { event, position } of events) {
      const { exchange, routingKey, properties, body } = event.message
      this.#statements.add.run(
        this.#consumer,
        event.source,
        event.id,
        event.type,
        event.subject ?? null,
        position ?? null,
        exchange,
        routingKey,
        encodeProperties(properties),
        body,
      )
    }
  }

  async first(limit: number): Promise<Reaction[]> {
    const rows = this.#statements.first.all(this.#consumer, limit) as ReactionRow[]
    return rows.map((row) => ({
      number: row.number,
      source: row.source,
      id: row.id,
      type: row.type,
      subject: row.subject ?? undefined,
      position: row.position ?? undefined,
      message: {
        exchange: row.exchange,
        routingKey: row.routing_key,
        properties: decodeProperties(row.properties),
        body: row.body,
      },
    }))
  }

  async erase(events: readonly Identity[]): Promise<void> {
    for (const { source, id } of events) this.#statements.erase.run(this.#consumer, id, source)
  }

  async remove(numbers: readonly number[]): Promise<void> {
    for (const number of numbers) this.#statements.remove.run(this.#consumer, number)
  }
}

function prepareStatements(database: SqliteDatabase) {
  return {
    add: database.prepare(
      `INSERT INTO backstory_reactions (consumer, source, id, type, subject, position, exchange, routing_key,
         properties, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    first: database.prepare('SELECT * FROM backstory_reactions WHERE consumer = ? ORDER BY number LIMIT ?'),
    erase: database.prepare('DELETE FROM backstory_reactions WHERE consumer = ? AND id = ? AND source = ?'),
    remove: database.prepare('DELETE FROM backstory_reactions WHERE consumer = ? AND number = ?'),
  }
}
