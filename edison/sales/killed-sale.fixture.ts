/**
 * A sale that dies: `BOOK DATABASE PUBLISHED CONFIRMS` sells BOOK, appends the id of each event it sends
 * to the file PUBLISHED, and kills itself with SIGKILL after that many.
 */
import { appendFileSync } from 'node:fs'
import { openBook } from './book.ts'
import { sell } from './sales.ts'

const [path, database, published, confirms] = process.argv.slice(2) as [string, string, string, string]
let left = Number(confirms)
await sell({
  book: await openBook(path),
  database,
  publisher: {
    async publish({ id }) {
      await new Promise((resolve) => setImmediate(resolve))
      appendFileSync(published, `${id}\n`)
      if (--left === 0) process.kill(process.pid, 'SIGKILL')
    },
  },
})
