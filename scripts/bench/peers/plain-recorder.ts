/**
 * The plainest loop that keeps a queue: one insert a message, 500 to a commit, then the acknowledgement.
 * As durable as ours, with the same uniqueness; no checksum, no fences, no retry.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type ConsumeMessage, connect } from 'amqplib'
import Database from 'better-sqlite3'
import { type Part, requireCount } from '../part.ts'
import type { DrainSetup } from './idle-consumer.ts'

export interface PlainRecorderSetup extends DrainSetup {
  readonly folder: string
}

const table = `
CREATE TABLE events (
  position INTEGER PRIMARY KEY,
  source TEXT NOT NULL,
  id TEXT NOT NULL,
  type TEXT NOT NULL,
  subject TEXT,
  content_type TEXT,
  recorded_at INTEGER NOT NULL,
  routing_key TEXT NOT NULL,
  properties TEXT NOT NULL,
  body BLOB NOT NULL,
  UNIQUE (id, source)
)`

const insertSql = `
INSERT INTO events (source, id, type, subject, content_type, recorded_at, routing_key, properties, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`

export async function open(setup: PlainRecorderSetup): Promise<Part> {
  const { url, queue, events, prefetch, ackEvery, folder } = setup
  const connection = await connect(url, { noDelay: true })
  let round = 0

  async function record(insertAll: (messages: readonly ConsumeMessage[]) => void): Promise<void> {
    const channel = await connection.createChannel()
    await channel.prefetch(prefetch)
    await new Promise<void>((resolve, reject) => {
      let recorded = 0
      let batch: ConsumeMessage[] = []
      const onMessage = (message: ConsumeMessage | null) => {
        if (message === null) return reject(new Error(`Queue ${queue} is gone`))
        batch.push(message)
        if (batch.length < ackEvery && recorded + batch.length < events) return
        insertAll(batch)
        channel.ack(message, true)
        recorded += batch.length
        batch = []
        if (recorded === events) resolve()
      }
      channel.consume(queue, onMessage).catch(reject)
    })
    await channel.close()
  }

  return {
    async round() {
      round += 1
      const path = join(folder, `plain-${round}.db`)
      const started = performance.now()
      const database = new Database(path)
      database.pragma('journal_mode = WAL')
      database.pragma('synchronous = FULL')
      database.exec(table)
      const insert = database.prepare(insertSql)
      const insertAll = database.transaction((messages: readonly ConsumeMessage[]) => {
        const recordedAt = Date.now()
        for (const { fields, properties, content } of messages) {
          const { 'ce-source': source, 'ce-id': id, 'ce-type': type } = properties.headers!
          const subject = properties.headers!['ce-subject']
          const json = JSON.stringify(properties)
          insert.run(
            source,
            id,
            type,
            subject,
            properties.contentType,
            recordedAt,
            fields.routingKey,
            json,
            content,
          )
        }
      })
      await record(insertAll)
      const ms = performance.now() - started
      const found = database.prepare('SELECT count(*) FROM events').pluck().get() as number
      database.close()
      requireCount('rows', { found, expected: events })
      await rm(path, { force: true })
      return { events, ms }
    },
    close: () => connection.close(),
  }
}
