/**
 * A seller of a chaos run: orders at a steady rate, each in one transaction with its event in the outbox,
 * which it relays itself, until SIGTERM; then it waits until all is published. With its disk full it sells
 * nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type BrokerOptions, openOutbox, type Relay, startRelay } from '../../../index.ts'
import { subjectOf } from '../cast.ts'
import { openOrders } from '../orders.ts'
import { logger, programOptions, runProgram } from './program.ts'

const {
  broker,
  database: path,
  perSecond,
  exchange,
  source,
} = programOptions<{
  broker: BrokerOptions['url']
  exchange: string
  source: string
  /** Path of its database. */
  database: string
  perSecond: number
}>()
const tickMs = 10
let isStopping = false
let sold = 0

await runProgram(async () => {
  const database = await openOrders(path)
  const outbox = openOutbox({ database, exchange, source })
  const relay = startRelay({ broker, outbox, logger })
  const insert = database.prepare('INSERT INTO orders (number) VALUES (?)')
  const last = database.prepare('SELECT coalesce(max(number), 0) FROM orders').pluck()
  const sell = database.transaction((count: number) => {
    for (let rest = count, number = (last.get() as number) + 1; rest > 0; rest -= 1, number += 1) {
      insert.run(number)
      const id = String(number)
      outbox.add(database, { type: 'order.placed', subject: subjectOf(id), id, data: { number } })
    }
  }).immediate
  return {
    status: () => ({ ...relay.status, sold }),
    async stop() {
      isStopping = true
    },
    ended: run(relay, sell),
  }
})

async function run(relay: Relay, sell: (count: number) => void): Promise<void> {
  const startedAt = Date.now()
  for (let offered = 0; !isStopping; ) {
    const count = Math.min(Math.floor(((Date.now() - startedAt) / 1_000) * perSecond) - offered, perSecond)
    offered += count
    if (count > 0 && sellIfRoom(sell, count)) sold += count
    await Promise.race([sleep(tickMs), relay.stopped])
  }
  await Promise.race([relay.caughtUp(), relay.stopped])
  await relay.close()
}

/** @returns false where the disk is full, or the relay has the database just then: the customers went away. */
function sellIfRoom(sell: (count: number) => void, count: number): boolean {
  try {
    sell(count)
    return true
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    if (!/^SQLITE_(FULL|IOERR|BUSY)/.test(code ?? '')) throw error
    logger.warn('not sold', { error: message })
    return false
  }
}
