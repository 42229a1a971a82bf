/** Reactions to come in a consumer's PostgreSQL store. */
import {
  type CloudEvent,
  decodeProperties,
  encodeProperties,
  type Identity,
  type Message,
} from '../../events/index.ts'
import { fromText, toText } from '../../history/index.ts'
import type { Reaction, ReactionsTransaction } from '../reactions.ts'
import type { PostgresSession } from './postgres-session.ts'

interface ReactionRow extends MessageRow {
  readonly number: string
  readonly source: string
  readonly id: string
  readonly type: string
  readonly subject: string | null
  readonly position: string | null
}

export interface MessageRow {
  readonly exchange: string
  readonly routing_key: string
  readonly properties: string
  readonly body: Buffer
}

export class PostgresReactions implements ReactionsTransaction {
  readonly #session: PostgresSession
  readonly #consumer: string

  constructor(session: PostgresSession, consumer: string) {
    this.#session = session
    this.#consumer = consumer
  }

  async add(
    events: readonly { readonly event: CloudEvent; readonly position: number | undefined }[],
  ): Promise<void> {
    for (const { event, position } of events) {
      this.#session.send(add, [
        this.#consumer,
        toText(event.source),
        toText(event.id),
        toText(event.type),
        event.subject === undefined ? null : toText(event.subject),
        position ?? null,
        ...messageColumns(event.message),
      ])
    }
  }

  async first(limit: number): Promise<Reaction[]> {
    const rows = await this.#session.rows<ReactionRow>(first, [this.#consumer, limit])
    return rows.map((row) => ({
      number: Number(row.number),
      source: fromText(row.source),
      id: fromText(row.id),
      type: fromText(row.type),
      subject: row.subject === null ? undefined : fromText(row.subject),
      position: row.position === null ? undefined : Number(row.position),
      message: toMessage(row),
    }))
  }

  async erase(events: readonly Identity[]): Promise<void> {
    const [ids, sources] = [events.map(({ id }) => toText(id)), events.map(({ source }) => toText(source))]
    this.#session.send(erase, [this.#consumer, ids, sources])
  }

  async remove(numbers: readonly number[]): Promise<void> {
    this.#session.send(remove, [this.#consumer, numbers])
  }
}

/** Exchange, routing key, properties and body. */
export function messageColumns({ exchange, routingKey, properties, body }: Message): unknown[] {
  return [toText(exchange), toText(routingKey), toText(encodeProperties(properties)), body]
}

export function toMessage({ exchange, routing_key, properties, body }: MessageRow): Message {
  return {
    exchange: fromText(exchange),
    routingKey: fromText(routing_key),
    properties: decodeProperties(fromText(properties)),
    body,
  }
}

const erase = {
  name: 'backstory_reactions_erase',
  text: `DELETE FROM backstory_reactions WHERE consumer = $1
    AND (id, source) IN (SELECT * FROM unnest($2::text[], $3::text[]))`,
}
const add = {
  name: 'backstory_react',
  text: `INSERT INTO backstory_reactions (consumer, source, id, type, subject, position, exchange, routing_key,
    properties, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
}
const first = {
  name: 'backstory_reactions',
  text: 'SELECT * FROM backstory_reactions WHERE consumer = $1 ORDER BY number LIMIT $2',
}
const remove = {
  name: 'backstory_reacted',
  text: 'DELETE FROM backstory_reactions WHERE consumer = $1 AND number = ANY ($2::bigint[])',
}
