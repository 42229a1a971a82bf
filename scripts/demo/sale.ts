/** Runs Edison's sales app on part of an order book, as a user would from a shell. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface OrderCounts {
  readonly lines: number
  readonly blank: number
  readonly placed: number
  readonly cancelled: number
  readonly alreadySold: number
  readonly rejected: number
}

export interface SaleOptions {
  readonly book: string
  readonly broker: string
  readonly exchange: string
  readonly database: string
  readonly fromLine: number
  readonly toLine: number
  /** Events a second, at most. */
  readonly rate?: number
}

const app = fileURLToPath(new URL('../../edison/sales/main.ts', import.meta.url))

/** @throws Error with what the app said where it did not sell all. */
export async function sale({
  book,
  broker,
  exchange,
  database,
  fromLine,
  toLine,
  rate,
}: SaleOptions): Promise<OrderCounts> {
  const options = { exchange, database, 'from-line': fromLine, 'to-line': toLine, rate }
  const flags = Object.entries(options).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, String(value)],
  )
  // The broker's URL may hold a password: not on a command line that all users of the machine see.
  const child = spawn(process.execPath, [...process.execArgv, app, book, '--json', ...flags], {
    env: { ...process.env, BACKSTORY_BROKER: broker },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let complaints = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  child.stderr.on('data', (chunk) => {
    complaints = (complaints + chunk).slice(-complaintsMax)
  })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code !== 0) throw new Error(`Sales stopped (exit code ${code}): ${complaints.trim()}`)
  return JSON.parse(output) as OrderCounts
}

const complaintsMax = 2_000

export function addCounts(a: OrderCounts, b: OrderCounts): OrderCounts {
  return {
    lines: a.lines + b.lines,
    blank: a.blank + b.blank,
    placed: a.placed + b.placed,
    cancelled: a.cancelled + b.cancelled,
    alreadySold: a.alreadySold + b.alreadySold,
    rejected: a.rejected + b.rejected,
  }
}
