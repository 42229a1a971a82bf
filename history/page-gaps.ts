/** Pages that leave positions out: which of these were pruned, and which are a hole that nobody has told of. */
import { HistoryError } from './errors.ts'
import type { Page, PrunedRange } from './reader.ts'

export interface PageBounds extends Required<Page> {
  /** The lowest position held, and the highest one recorded. */
  readonly first: number
  readonly head: number
  /** The ranges that reach into the page, in order: as many as the page has rows, and two. */
  readonly pruned: readonly PrunedRange[]
}

/**
 * What can be given of a page: all of it, or what comes before the first pruned position. One that is not
 * pruned is `missing`; one that is, and begins the page, is `needed`.
 */
export function judgePage<Row extends { readonly position: number }>(
  rows: readonly Row[],
  { after, upTo, limit, first, head, pruned }: PageBounds,
): { readonly rows: readonly Row[]; readonly missing?: number; readonly needed?: PrunedRange } {
  // What was removed by hand from the beginning is told by the bounds, and no hole.
  const begin = Math.max(after + 1, Math.min(first, pruned[0]?.first ?? first))
  const end = rows.findIndex(({ position }, index) => position !== begin + index)
  if (end === -1 && (rows.length > 0 || limit === 0 || begin > Math.min(upTo, head))) return { rows }
  const given = end === -1 ? rows : rows.slice(0, end)
  const next = begin + given.length
  const range = pruned.find((one) => one.first <= next && next <= one.last)
  if (range === undefined) return { rows: [], missing: next }
  return given.length > 0 ? { rows: given } : { rows: [], needed: range }
}

/** @param what - Names the history. */
export function prunedError(what: string, { first, last, reason }: PrunedRange): HistoryError {
  return new HistoryError(
    'HISTORY_PRUNED',
    `${what} has pruned positions ${first} to ${last} (${reason}), which are needed here. Restore them from an export or a backup, or begin a new consumer with \`acceptPruned\` (--accept-pruned)`,
  )
}
