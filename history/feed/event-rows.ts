/**
 * Events as rows: the second representation of a feed, for Backstory's own readers.
 *
 * CloudEvents JSON is for everybody, and neither keeps every byte of a foreign message nor is quick to read
 * and write. A row is what a history keeps: one line, a JSON array of the columns. The first line names the
 * columns, so that a reader of another version notices, instead of taking one for another. A body that is
 * no UTF-8 is `{"base64": …}`.
 */
import { HistoryError } from '../errors.ts'
import { type EventRow, eventColumns, RowEvent, rowOf, type StoredEvent } from '../stored-event.ts'
import { type ToldProblem, toldError } from './told-error.ts'

export const rowsType = 'application/vnd.backstory.rows+ndjson'

const columns = eventColumns.split(/,\s*/)

/** The first line. */
export const columnsLine = JSON.stringify({ columns })

export function rowLine(event: StoredEvent): string {
  const row = rowOf(event)
  const body = row[bodyAt]
  if (typeof body === 'string') return JSON.stringify(row)
  return JSON.stringify(row.with(bodyAt, { base64: body.toString('base64') } as never))
}

const bodyAt = 11

/**
 * The events of an answer, and how far it looked: undefined where it does not say so.
 *
 * @throws HistoryError `HISTORY_TOO_NEW` where the rows have other columns than those known here;
 *   `HISTORY_FOREIGN` where there are none; `HISTORY_CORRUPT` and others that the feed met in its midst.
 */
export function readRows(
  body: Buffer,
  { address, exchange }: { address: string; exchange: string },
): { rows: RowEvent[]; through: number | undefined } {
  const rows: RowEvent[] = []
  let through: number | undefined
  for (let from = 0; from < body.length; ) {
    const end = body.indexOf(lineFeed, from)
    const to = end === -1 ? body.length : end
    if (to > from) {
      const line = parseLine(body.toString('utf8', from, to), address)
      if (Array.isArray(line)) rows.push(eventOf(line, exchange))
      else if (line.columns !== undefined) checkColumns(line.columns, address)
      else if (line.problem !== undefined) throw toldError(line.problem, address)
      else through = line.through
    }
    from = to + 1
  }
  return { rows, through }
}

const lineFeed = 10

interface OtherLine {
  readonly columns?: unknown
  readonly problem?: ToldProblem
  readonly through?: number
}

function parseLine(text: string, address: string): unknown[] | OtherLine {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new HistoryError('HISTORY_FOREIGN', `${address} does not answer as a feed; name another address`, {
      cause,
    })
  }
}

function checkColumns(found: unknown, address: string): void {
  if (JSON.stringify(found) === JSON.stringify(columns)) return
  throw new HistoryError(
    'HISTORY_TOO_NEW',
    `${address} is of another version: its rows have other columns than are known here; install the same on both sides`,
  )
}

function eventOf(row: unknown[], exchange: string): RowEvent {
  const body = row[bodyAt]
  if (typeof body !== 'string') row[bodyAt] = Buffer.from((body as { base64: string }).base64, 'base64')
  return new RowEvent(row as unknown as EventRow, exchange)
}
