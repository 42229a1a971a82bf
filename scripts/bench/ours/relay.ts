/** Our relay: an outbox in SQLite that holds all events already, from the start of the relay until it is empty. */
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { connectBroker } from '../../../broker/index.ts'
import { openOutbox, startRelay } from '../../../publisher/index.ts'
import { orderEvent, source } from '../order-placed.ts'
import type { Part } from '../part.ts'
import type { PublisherSetup } from './publisher.ts'

const addedAtOnce = 1_000

export async function open({
  url,
  exchange,
  events,
  inFlightMax,
  folder,
}: PublisherSetup & { readonly folder: string }): Promise<Part> {
  const broker = connectBroker({ url })
  const database = new Database(join(folder, 'outbox.db'))
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = FULL')
  const outbox = openOutbox({ database, exchange, source })
  const add = database.transaction((from: number) => {
    const to = Math.min(from + addedAtOnce, events)
    for (let number = from; number < to; number++) outbox.add(database, orderEvent(number))
  })
  await broker.connected()

  return {
    async round() {
      for (let from = 0; from < events; from += addedAtOnce) add(from)
      const started = performance.now()
      await using relay = startRelay({ broker, outbox, inFlightMax })
      await relay.caughtUp()
      return { events, ms: performance.now() - started }
    },
    async close() {
      await broker.close()
      database.close()
    },
  }
}
