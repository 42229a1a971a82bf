/**
 * Count and checksum up to a position: from a checkpoint, by what was recorded between it and there.
 *
 * A pruned range has one sum. Where the checkpoint lies within one, an earlier checkpoint is begun with, so
 * that every range between is whole.
 */
import { Checksum, type Identity } from '../events/index.ts'
import { prunedError } from './page-gaps.ts'
import type { Checkpoint, HistorySummary, PrunedRange } from './reader.ts'

interface Sums {
  /** The last checkpoint at or below a position. */
  checkpointAt(position: number): Checkpoint | undefined
  /** The ranges that reach into what lies above `after` and not above `upTo`. */
  pruned(after: number, upTo: number): readonly PrunedRange[]
  identities(
    after: number,
    upTo: number,
  ): Iterable<Identity & { readonly position: number; readonly unidentified: boolean | number }>
}

/** @throws HistoryError `HISTORY_PRUNED` where the position lies within a range, not at its end. */
export function summarize(
  sums: Sums,
  { position: upTo, what }: { position: number; what: string },
): HistorySummary {
  let base = sums.checkpointAt(upTo) ?? beginning
  let ranges: readonly PrunedRange[] = []
  while (base.position < upTo) {
    ranges = sums.pruned(base.position, upTo)
    const first = ranges[0]?.first ?? upTo
    if (first > base.position) break
    base = sums.checkpointAt(first - 1) ?? beginning
  }
  return addUp({ base, ranges, rows: sums.identities(base.position, upTo) }, { upTo, what })
}

/** From a checkpoint that no range is around, or the beginning. @throws HistoryError as `summarize` does. */
export function addUp(
  {
    base,
    ranges,
    rows,
  }: {
    base: Checkpoint
    ranges: readonly PrunedRange[]
    rows: Iterable<Identity & { readonly position: number; readonly unidentified: boolean | number }>
  },
  { upTo, what }: { upTo: number; what: string },
): HistorySummary {
  const last = ranges.at(-1)
  if (base.position < upTo && last !== undefined && last.last > upTo) throw prunedError(what, last)
  const checksum = new Checksum(base.checksum)
  let { position, unidentified } = base
  for (const range of base.position < upTo ? ranges : []) {
    checksum.addAll(range.checksum)
    unidentified += range.unidentified
    position = range.last
  }
  for (const row of rows) {
    checksum.add(row.source, row.id)
    unidentified += Number(row.unidentified)
    position = Math.max(position, row.position)
  }
  return { position, count: position, checksum: checksum.toString(), unidentified }
}

export const beginning: Checkpoint = { position: 0, checksum: '0'.repeat(32), unidentified: 0 }
