/**
 * The same upsert and an inbox row an event in a bare loop, 500 to a transaction: no broker, no history,
 * no toolkit, the events decoded in memory before the clock starts. As durable as a consumer's store.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { v7 as uuidv7 } from 'uuid'
import { type OrderPlaced, orderPlaced, source } from '../order-placed.ts'
import { ordersTable, upsertSql, upsertValues } from '../orders-table.ts'
import { type Part, requireCount } from '../part.ts'

export interface LoopSetup {
  readonly events: number
  readonly folder: string
}

const batchSize = 500

const inboxTable = 'CREATE TABLE inbox (id TEXT, source TEXT, PRIMARY KEY (id, source)) STRICT, WITHOUT ROWID'

interface DecodedEvent {
  readonly id: string
  readonly source: string
  readonly data: OrderPlaced
}

export async function open({ events, folder }: LoopSetup): Promise<Part> {
  const decoded = Array.from(
    { length: events },
    (_, number): DecodedEvent => ({ id: uuidv7(), source, data: orderPlaced(number) }),
  )
  let round = 0

  return {
    async round() {
      round += 1
      const path = join(folder, `loop-${round}.db`)
      const started = performance.now()
      const database = new Database(path)
      database.pragma('journal_mode = WAL')
      database.pragma('synchronous = FULL')
      database.exec(`${ordersTable};${inboxTable}`)
      const add = database.prepare('INSERT INTO inbox (id, source) VALUES (?, ?)')
      const upsert = database.prepare(upsertSql)
      const applyAll = database.transaction((batch: readonly DecodedEvent[]) => {
        for (const { id, source, data } of batch) {
          add.run(id, source)
          upsert.run(...upsertValues(data))
        }
      })
      for (let from = 0; from < events; from += batchSize) applyAll(decoded.slice(from, from + batchSize))
      const ms = performance.now() - started
      const found = database.prepare('SELECT count(*) FROM orders').pluck().get() as number
      database.close()
      requireCount('rows', { found, expected: events })
      await rm(path, { force: true })
      return { events, ms }
    },
    async close() {},
  }
}
