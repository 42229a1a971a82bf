/**
 * Events as rows: the second representation of a feed, for Backstory's own readers.
 *
 * CloudEvents JSON is for everybody, and neither keeps every byte of a foreign message nor is quick to read
 * and write. A row is what a history keeps. Many rows are a block: one line of JSON, `{"rows":[…]}`, and
 * right behind it their bodies as they are, as long as the rows say, so that no body is escaped, encoded or
 * even looked at. The first line names the columns: a reader of another version notices, instead of taking
 * one for another.
 */
import { HistoryError } from '../errors.ts'
import { type EventRow, eventColumns, RowEvent, rowOf, type StoredEvent } from '../stored-event.ts'
import { type ToldProblem, toldError } from './told-error.ts'
import { cutOff, noFeed } from './wrong-answer.ts'

export const rowsType = 'application/vnd.backstory.rows'

const columns = [...eventColumns.split(/,\s*/).slice(0, -1), 'body_bytes', 'body_is_text']

/** The first line. */
export const columnsLine = `${JSON.stringify({ columns })}\n`

type WireRow = [...columns: unknown[], bodyBytes: number, bodyIsText: 0 | 1]

export function rowBlock(events: readonly StoredEvent[]): Buffer {
  const bodies: (string | Buffer)[] = []
  const rows: WireRow[] = []
  let bodiesBytes = 0
  for (const event of events) {
    const row = rowOf(event)
    const body = row[bodyAt]
    const isText = typeof body === 'string'
    const bytes = isText ? Buffer.byteLength(body) : body.length
    const wire = row.slice(0, bodyAt) as unknown as WireRow
    wire.push(bytes, isText ? 1 : 0)
    rows.push(wire)
    bodies.push(body)
    bodiesBytes += bytes
  }
  const line = `${JSON.stringify({ rows })}\n`
  const lineBytes = Buffer.byteLength(line)
  const block = Buffer.allocUnsafe(lineBytes + bodiesBytes)
  let at = block.write(line)
  for (const body of bodies) at += typeof body === 'string' ? block.write(body, at) : body.copy(block, at)
  return block
}

const bodyAt = 11

export interface Rows {
  readonly rows: RowEvent[]
  /** How far the answer looked, undefined where it does not say so. */
  readonly through: number | undefined
  readonly head: number
}

/**
 * The events of an answer.
 *
 * @throws HistoryError `HISTORY_TOO_NEW` where the rows have other columns than those known here;
 *   `HISTORY_FOREIGN` where there are none; `HISTORY_UNAVAILABLE` where it is cut off; `HISTORY_CORRUPT` and others that the feed met in its midst.
 */
export function readRows(answer: Buffer, { address, exchange }: { address: string; exchange: string }): Rows {
  const rows: RowEvent[] = []
  let [through, head]: (number | undefined)[] = []
  let isOne = false
  for (let from = 0; from < answer.length; ) {
    const end = answer.indexOf(lineFeed, from)
    if (isOne && end === -1) throw cutOff(address)
    const to = end === -1 ? answer.length : end
    const line = to === from ? {} : parseLine(answer.toString('utf8', from, to), address)
    from = to + 1
    if (line.columns !== undefined) isOne = hasColumns(line.columns, address)
    else if (line.problem !== undefined) throw toldError(line.problem, address)
    else if (line.through !== undefined) [through, head] = [line.through, line.head]
    for (const row of line.rows ?? []) {
      if (!Array.isArray(row) || row.length !== columns.length) throw noFeed(address)
      const isText = row.pop() === 1
      const bodyEnd = from + (row.pop() as number)
      if (!(bodyEnd >= from)) throw noFeed(address)
      if (bodyEnd > answer.length) throw cutOff(address)
      row.push(isText ? answer.toString('utf8', from, bodyEnd) : answer.subarray(from, bodyEnd))
      rows.push(new RowEvent(row as unknown as EventRow, exchange))
      from = bodyEnd
    }
  }
  return { rows, through, head: head ?? 0 }
}

const lineFeed = 10

interface Line {
  readonly columns?: unknown
  readonly rows?: unknown[][]
  readonly problem?: ToldProblem
  readonly through?: number
  readonly head?: number
}

function parseLine(text: string, address: string): Line {
  let line: unknown
  try {
    line = JSON.parse(text)
  } catch (cause) {
    throw noFeed(address, cause)
  }
  const { rows = [] } = (line ?? {}) as { rows?: unknown }
  if (typeof line === 'object' && line !== null && Array.isArray(rows)) return line as Line
  throw noFeed(address)
}

function hasColumns(found: unknown, address: string): true {
  if (JSON.stringify(found) === JSON.stringify(columns)) return true
  throw new HistoryError(
    'HISTORY_TOO_NEW',
    `${address} is of another version: its rows have other columns than are known here; install the same on both sides`,
  )
}
