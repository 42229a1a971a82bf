/**
 * Sales: every order of the book is stored once, and its event with it.
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
 * point: the next sale finds the lines that were stored as already sold, and the relay publishes what was
 * stored and not published.
 */
import { setTimeout } from 'node:timers/promises'
import { type BookLine, type ReadBookOptions, readBook } from './book.ts'
import { differingFields } from './content.ts'
import type { Ledger } from './ledger.ts'
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
  readonly ledger: Ledger
  /** Events a second at most; unlimited by default. */
  readonly rate?: number
  /** Called for each rejected line, in the order of the book. */
  readonly onRejected?: (rejection: Rejection) => void
  /** Called after each page of lines is stored; selling waits for what it returns, so it may pause. */
  readonly onProgress?: (counts: Readonly<SalesCounts>) => void | Promise<void>
}

/**
 * Sells an order book; resolves when all of it is stored.
 *
 * @throws what reading the book throws. The orders stored until then stay sold.
 */
export async function sell(options: SellOptions): Promise<SalesCounts> {
  const { book, ledger, fromLine, toLine, rate, onRejected, onProgress } = options
  if (rate !== undefined && !(rate > 0)) throw new TypeError(`Expected \`rate\` to be above 0, got ${rate}`)
  const counts: SalesCounts = { lines: 0, blank: 0, placed: 0, cancelled: 0, alreadySold: 0, rejected: 0 }
  const toEntry = createEntryCheck()
  // A page is at most 50 ms of the rate, so that events leave evenly.
  const pageSize = rate === undefined ? 200 : Math.min(200, Math.ceil(rate / 20))
  const startedAt = performance.now()
  for await (const page of readBook(book, { fromLine, toLine, pageSize })) {
    const rejections = ledger.transaction(() => enterPage(page, { ledger, counts, toEntry }))
    for (const rejection of rejections) onRejected?.(rejection)
    await onProgress?.({ ...counts })
    if (rate === undefined) continue
    const aheadMs = startedAt + ((counts.placed + counts.cancelled) / rate) * 1_000 - performance.now()
    if (aheadMs > 1) await setTimeout(aheadMs)
  }
  return counts
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
