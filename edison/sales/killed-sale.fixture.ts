/**
 * A sale that dies: `BOOK DATABASE EVENTS` sells BOOK and kills itself with SIGKILL in the midst of the
 * transaction that adds the event of that number.
 */
import { openBook } from './book.ts'
import { openLedger } from './ledger.ts'
import { sell } from './sales.ts'

const [path, database, events] = process.argv.slice(2) as [string, string, string]
let left = Number(events)
const ledger = openLedger(database, { exchange: 'orders' })
await sell({
  book: await openBook(path),
  ledger: {
    ...ledger,
    enter(order, content) {
      ledger.enter(order, content)
      left -= 1
      if (left === 0) process.kill(process.pid, 'SIGKILL')
    },
  },
})
