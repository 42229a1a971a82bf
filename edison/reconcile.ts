/**
 * The reckoning: do production and shipping have exactly what the order book says?
 *
 * An auditor brings a calculator of his own: this file shares no code with sales, asks neither the
 * broker nor the history, keeps the whole book in a Map, and compares row by row with what the two
 * consumers have on disk. Agreement here means that nothing was missed, nothing came twice and no
 * cancellation overtook its order, whatever our own bookkeeping claims.
 */
import { readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import Database from 'better-sqlite3'

/** What a sale of the whole book into an empty database must count. */
export interface ExpectedOrders {
  lines: number
  blank: number
  placed: number
  cancelled: number
  alreadySold: number
  rejected: number
}

export interface Reconciliation {
  readonly ok: boolean
  readonly orders: ExpectedOrders
  /** Rows that production and shipping must have each: placed and not cancelled. */
  readonly rows: number
  /** All that differ; `differences` tells the first 20 of them. */
  readonly differenceCount: number
  readonly differences: readonly string[]
}

export interface ReconcileOptions {
  /** The order book's file. */
  readonly book: string
  /** Production's SQLite file; opened read-only, may be in use. */
  readonly production: string
  /** Shipping's. */
  readonly shipping: string
}

type Order = Record<string, unknown>

/** Compares; a database that cannot be read is a difference. Throws where the book cannot be read. */
export function reconcile({ book, production, shipping }: ReconcileOptions): Reconciliation {
  const { counts, orders } = readOrders(book)
  const differences = [
    ...compare('production', orders, production, {
      sql: 'SELECT external_id AS id, model, options, due_date FROM cars',
      expected: (order) => ({
        model: order.name,
        options: order.options ?? [],
        due_date: order.delivery_date,
      }),
    }),
    ...compare('shipping', orders, shipping, {
      sql: 'SELECT external_id AS id, model, customer_name, address, delivery_date FROM deliveries',
      expected: (order) => ({
        model: order.name,
        customer_name: order.customer_name,
        address: order.address ?? null,
        delivery_date: order.delivery_date,
      }),
    }),
  ]
  return {
    ok: differences.length === 0,
    orders: counts,
    rows: orders.size,
    differenceCount: differences.length,
    differences: differences.slice(0, 20),
  }
}

/** The book's orders that stand, by number, and what each line counts as. */
function readOrders(path: string): { counts: ExpectedOrders; orders: Map<string, Order> } {
  const counts: ExpectedOrders = { lines: 0, blank: 0, placed: 0, cancelled: 0, alreadySold: 0, rejected: 0 }
  const orders = new Map<string, Order>()
  const cancelled = new Map<string, Order>()
  for (const line of linesOf(readFileSync(path))) {
    counts.lines++
    const entry = line.length > 1_048_576 ? undefined : parse(line)
    const id = isObject(entry) ? String(entry.external_id) : ''
    const known = orders.get(id) ?? cancelled.get(id)
    if (entry === 'blank') counts.blank++
    else if (!isObject(entry) || !isSound(entry)) counts.rejected++
    else if ('cancel' in entry) {
      if (entry.cancel !== true || !orders.has(id)) counts.rejected++
      else {
        cancelled.set(id, known!)
        orders.delete(id)
        counts.cancelled++
      }
    } else if (!isOrder(entry)) counts.rejected++
    else if (known === undefined) {
      orders.set(id, entry)
      counts.placed++
    } else if (isDeepStrictEqual(known, entry)) counts.alreadySold++
    else counts.rejected++
  }
  return { counts, orders }
}

function linesOf(book: Buffer): Buffer[] {
  let rest = book.indexOf('\u{feff}') === 0 ? book.subarray(3) : book
  const lines: Buffer[] = []
  while (rest.length > 0) {
    const end = rest.indexOf('\n')
    const line = end === -1 ? rest : rest.subarray(0, end)
    lines.push(line.at(-1) === 13 ? line.subarray(0, -1) : line)
    rest = rest.subarray(line.length + 1)
  }
  return lines
}

function parse(line: Buffer): unknown {
  // Compared with the bytes: what is no UTF-8 does not come out as it went in.
  const text = line.toString('utf8')
  if (!Buffer.from(text).equals(line)) return undefined
  if (text.trim() === '') return 'blank'
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** What orders and cancellations have in common: a number, and nothing that cannot be kept. */
function isSound(entry: Order): boolean {
  return isText(entry.external_id) && Buffer.byteLength(entry.external_id) <= 200 && isKeepable(entry, 64)
}

function isKeepable(value: unknown, levels: number): boolean {
  if (typeof value === 'string') return Buffer.from(value).toString() === value
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object' || value === null) return true
  if (levels === 0) return false
  return Object.entries(value).every(([key, member]) => isKeepable(key, 1) && isKeepable(member, levels - 1))
}

function isOrder({ name, price, order_date, delivery_date, customer_name }: Order): boolean {
  const priced = typeof price === 'number' && Number.isFinite(price) && price > 0
  if (!priced || !isText(name) || !isText(customer_name)) return false
  return isDay(order_date) && isDay(delivery_date) && Date.parse(delivery_date) >= Date.parse(order_date)
}

function isObject(value: unknown): value is Order {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== ''
}

/** A day that exists comes out of the calendar as it went in; the 30th of February does not. */
function isDay(value: unknown): value is string {
  if (typeof value !== 'string' || !/^\d{4}-\d{2}-\d{2}$/.test(value)) return false
  const at = new Date(`${value}T00:00:00Z`)
  return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(value)
}

interface Table {
  /** Gives `id` and the columns that `expected` names. */
  readonly sql: string
  readonly expected: (order: Order) => Record<string, unknown>
}

function compare(name: string, orders: Map<string, Order>, path: string, table: Table): string[] {
  const differences: string[] = []
  const missing = new Set(orders.keys())
  try {
    const database = new Database(path, { readonly: true, fileMustExist: true })
    try {
      for (const { id, ...row } of database.prepare<[], Order>(table.sql).iterate()) {
        const order = orders.get(String(id))
        if (order === undefined) differences.push(`${name} has ${id}, which it should not have`)
        else if (!missing.delete(String(id))) differences.push(`${name} has ${id} twice`)
        else differences.push(...compareRow(`${name}'s ${id}`, table.expected(order), row))
      }
    } finally {
      database.close()
    }
  } catch (error) {
    return [`${name}'s database ${path} cannot be read: ${(error as Error).message}`]
  }
  for (const id of missing) differences.push(`${name} lacks ${id}`)
  return differences
}

function compareRow(what: string, expected: Order, row: Order): string[] {
  const differences: string[] = []
  for (const [column, wanted] of Object.entries(expected)) {
    const stored = row[column]
    const isJson = (column === 'options' || column === 'address') && stored !== null
    const found: unknown = isJson ? JSON.parse(String(stored)) : stored
    if (isDeepStrictEqual(found, wanted)) continue
    differences.push(`${what} has ${column} ${JSON.stringify(found)}, the book ${JSON.stringify(wanted)}`)
  }
  return differences
}
