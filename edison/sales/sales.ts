/**
 * Sales: every order of the book is stored, then published, once.
 *
 * What becomes of a line, in the order in which the ledger is asked:
 *
 * - an order with a new number is **placed**;
 * - an order with a known number and the same content (key order aside) is **already sold**, even if it
 *   has been cancelled since: a book handed in twice does not bring a cancelled order back;
 * - with other content it is **rejected**: sales does not guess which of the two was meant;
 * - a cancellation of an order is **cancelled**, the second of the same order and that of an unknown
 *   one are **rejected**;
 * - a blank line is **blank**; whatever is no entry or breaks a rule of order.ts is **rejected**.
 *
 * So lines = blank + placed + cancelled + alreadySold + rejected. The process may be killed at any
 * point: what was stored and not published goes out first at the next start, and the lines that were
 * read before come out as already sold.
 */
import { setTimeout } from 'node:timers/promises'
import { Announcer, type OrderPublisher } from './announcer.ts'
import { type BookLine, type ReadBookOptions, readBook } from './book.ts'
import { differingFields } from './content.ts'
import { type Ledger, openLedger } from './ledger.ts'
import { createEntryCheck, type Entry } from './order.ts'

/** What became of the lines that were read. */
export interface SalesCounts {
  lines: number
  blank: number
  placed: number
  cancelled: number
  alreadySold: number
  rejected: number
}

export interface Rejection {
  /** From 1, blank lines counted too. */
  readonly line: number
  /** For a person; without control characters, since it quotes the book. */
  readonly reason: string
}

export interface SellOptions extends Pick<ReadBookOptions, 'fromLine' | 'toLine'> {
  /** The book's bytes: `openBook(path)`, standard input, anything that gives chunks. */
  readonly book: AsyncIterable<Uint8Array>
  /** Path of sales' SQLite file, made where it does not exist. */
  readonly database: string
  readonly publisher: OrderPublisher
  /** Events a second to publish at most; unlimited by default. */
  readonly rate?: number
  /** Called for each rejected line, in the order of the book. */
  readonly onRejected?: (rejection: Rejection) => void
  /** Called after each page of lines is stored; selling waits for what it returns, so it may pause. */
  readonly onProgress?: (counts: Readonly<SalesCounts>) => void | Promise<void>
}

/**
 * Sells an order book; resolves when the last event is confirmed.
 *
 * @throws SalesError `SALES_DATABASE_UNUSABLE`; what reading the book throws; what `publish` rejects
 *   with. The orders stored until then stay sold, and their events go out first at the next sale.
 */
export async function sell(options: SellOptions): Promise<SalesCounts> {
  const { book, database, publisher, fromLine, toLine, rate, onRejected, onProgress } = options
  if (rate !== undefined && !(rate > 0)) throw new TypeError(`Expected \`rate\` to be above 0, got ${rate}`)
  const counts: SalesCounts = { lines: 0, blank: 0, placed: 0, cancelled: 0, alreadySold: 0, rejected: 0 }
  const ledger = openLedger(database)
  try {
    const announcer = new Announcer({ ledger, publisher })
    const toEntry = createEntryCheck()
    // A page is at most 50 ms of the rate, so that events leave evenly.
    const pageSize = rate === undefined ? 200 : Math.min(200, Math.ceil(rate / 20))
    try {
      await announcer.announce()
      const startedAt = performance.now()
      for await (const page of readBook(book, { fromLine, toLine, pageSize })) {
        const rejections = ledger.transaction(() => enterPage(page, { ledger, counts, toEntry }))
        for (const rejection of rejections) onRejected?.(rejection)
        await announcer.announce()
        await onProgress?.({ ...counts })
        if (rate === undefined) continue
        const aheadMs = startedAt + ((counts.placed + counts.cancelled) / rate) * 1_000 - performance.now()
        if (aheadMs > 1) await setTimeout(aheadMs)
      }
      await announcer.settle()
    } catch (error) {
      // What is in flight is marked before the ledger closes; a second failure would hide the first.
      await announcer.settle().catch(() => {})
      throw error
    }
    return counts
  } finally {
    ledger.close()
  }
}

interface Desk {
  readonly ledger: Ledger
  readonly counts: SalesCounts
  readonly toEntry: (entry: unknown) => Entry
}

function enterPage(page: readonly BookLine[], desk: Desk): Rejection[] {
  const rejections: Rejection[] = []
  for (const line of page) {
    desk.counts.lines++
    const outcome = enterLine(line, desk)
    if (typeof outcome === 'string') desk.counts[outcome]++
    else {
      desk.counts.rejected++
      rejections.push({ line: line.line, reason: outcome.reason.replace(/\p{Control}/gu, '\u{fffd}') })
    }
  }
  return rejections
}

type Outcome = Exclude<keyof SalesCounts, 'lines' | 'rejected'> | { readonly reason: string }

function enterLine(line: BookLine, { ledger, toEntry }: Desk): Outcome {
  if (line.kind === 'blank') return 'blank'
  if (line.kind === 'rejected') return line
  const entry = toEntry(line.entry)
  if (entry.kind === 'rejected') return entry
  if (entry.kind === 'cancellation') {
    const known = ledger.find(entry.externalId)
    if (known === undefined) return { reason: `cancels ${entry.externalId}, which was never sold` }
    if (known.cancelled) return { reason: `cancels ${entry.externalId}, which is already cancelled` }
    ledger.cancel(entry.externalId)
    return 'cancelled'
  }
  const { order, content } = entry
  const known = ledger.find(order.external_id)
  if (known === undefined) {
    ledger.enter(order, content)
    return 'placed'
  }
  if (known.content === content) return 'alreadySold'
  const fields = differingFields(JSON.parse(known.content), order).join(', ')
  return { reason: `${order.external_id} is already sold with another ${fields}` }
}
