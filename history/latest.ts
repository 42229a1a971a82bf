/**
 * The newest event of each subject, as of a position: what a page of them is read as.
 *
 * The page has every position, so that whoever reads it can tell a hole from what was passed over. Of a
 * superseded event only the identity is wanted: a store gives its row with a null body, which is not even
 * read, and a reader gives it on with a mark in place of its properties.
 */
import { supersededMark } from './packed-properties.ts'
import type { EventRow } from './stored-event.ts'

type Superseded<Row> = Row extends readonly [...infer Columns, unknown] ? readonly [...Columns, null] : never

export type LatestRow = EventRow | Superseded<EventRow>

const propertiesAt = 10

export function latestRow(row: LatestRow): EventRow {
  const [body] = row.slice(-1)
  if (body !== null) return row as EventRow
  return [...row.slice(0, propertiesAt), supersededMark, ''] as unknown as EventRow
}
