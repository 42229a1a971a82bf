/** The sales app: `node --import tsx edison/sales/main.ts --help`. */
import { parseArgs } from 'node:util'
import { type Logger, startRelay } from 'backstory'
import { openBook } from './book.ts'
import { openLedger } from './ledger.ts'
import { type SalesCounts, sell } from './sales.ts'

const help = `Sells an order book: stores each order with its event, and publishes the events to the exchange orders.

Usage: node --import tsx edison/sales/main.ts [BOOK] [options]

BOOK is a file in JSON Lines, or - for standard input (the default).

  --broker URL      RabbitMQ; default: BACKSTORY_BROKER
  --database FILE   sales' own SQLite file; default: sales.db
  --exchange NAME   default: orders
  --from-line N     first line to read; default: 1
  --to-line N       last line to read; default: the last one
  --rate N          sell at most N events a second
  --json            print the counts as one line of JSON
  --help

Counts go to standard output, rejected lines to standard error as LINE: REASON.

Exit codes:
  0  the book is sold; rejected lines do not change that
  1  selling stopped, the reason is on standard error; run it again to go on
  2  wrong usage

Examples:
  node --import tsx edison/sales/main.ts edison/orders.jsonl --broker amqp://localhost
  tail -f new-orders.jsonl | node --import tsx edison/sales/main.ts - --broker amqp://localhost
`

async function main(args: string[]): Promise<number> {
  const options = readOptions(args)
  if (typeof options === 'string') {
    console.error(`${options}\nTry --help.`)
    return 2
  }
  if (options.help) {
    process.stdout.write(help)
    return 0
  }
  const { broker, exchange, path, json, database, ...selling } = options
  // Before the broker: a wrong path should not wait for a connection.
  const book = path === '-' ? process.stdin : await openBook(path)
  const ledger = openLedger(database, { exchange })
  try {
    await using relay = startRelay({ broker, outbox: ledger.outbox, logger: troubleLogger })
    // What can never be published is no reason to go on selling.
    relay.stopped.catch((error: Error) => book.destroy(error))
    const counts = await sell({
      ...selling,
      book,
      ledger,
      onRejected: ({ line, reason }) => console.error(`${line}: ${reason}`),
    })
    await relay.caughtUp()
    tell(counts, { json })
  } finally {
    ledger.close()
  }
  return 0
}

function tell(counts: SalesCounts, { json }: { json: boolean }): void {
  console.log(json ? JSON.stringify(counts) : inWords(counts))
}

/** Tells why selling waits: the broker is away, and is being tried again. */
const troubleLogger: Logger = {
  debug() {},
  info() {},
  warn: (event, fields = {}) => console.error(event, JSON.stringify(fields)),
  error: (event, fields = {}) => console.error(event, JSON.stringify(fields)),
}

function inWords({ lines, blank, placed, cancelled, alreadySold, rejected }: SalesCounts): string {
  return `${lines} lines: ${placed} placed, ${cancelled} cancelled, ${alreadySold} already sold, ${rejected} rejected, ${blank} blank`
}

/** The options, or what is wrong with them. */
function readOptions(args: string[]) {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        broker: { type: 'string' },
        database: { type: 'string', default: 'sales.db' },
        exchange: { type: 'string', default: 'orders' },
        'from-line': { type: 'string' },
        'to-line': { type: 'string' },
        rate: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    const [path = '-', ...more] = positionals
    const broker = values.broker ?? process.env.BACKSTORY_BROKER ?? ''
    const fromLine = readNumber('--from-line', values['from-line'])
    const toLine = readNumber('--to-line', values['to-line'])
    if (more.length > 0) return `One order book at a time, not also ${more.join(' ')}`
    if (toLine !== undefined && (fromLine ?? 1) > toLine) return '--from-line must not be after --to-line'
    if (broker === '' && !values.help)
      return 'Name the broker: --broker amqp://localhost, or BACKSTORY_BROKER'
    return {
      broker,
      path,
      help: values.help,
      json: values.json,
      database: values.database,
      exchange: values.exchange,
      fromLine,
      toLine,
      rate: readNumber('--rate', values.rate),
    }
  } catch (error) {
    return (error as Error).message
  }
}

function readNumber(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const number = Number(text)
  if (Number.isInteger(number) && number > 0) return number
  throw new TypeError(`Expected ${option} to be a whole number above 0, got ${text}`)
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException
  // A mistake of ours has no code: only that deserves a stack.
  console.error(code === undefined ? error : `${code}: ${message}`)
  process.exitCode = 1
}
