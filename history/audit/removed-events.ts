/**
 * Which publishers' numbers the removed events had, as far as what is left around them tells.
 *
 * A removed event leaves a hole in the positions, and one in the sequence of its source and epoch, which
 * opens between the same neighbours. Where as many numbers as positions are missing in one place, these
 * are the numbers of those events.
 */
import type { Findings } from './findings.ts'
import type { SequenceHole } from './sequence-audit.ts'

/** Both inclusive. */
export interface PositionRange {
  readonly from: number
  readonly to: number
}

/** Positions that were removed one after the other. */
export interface RemovedRange extends PositionRange {
  /**
   * The numbers that these events had, by source and epoch; empty where nothing tells, such as for the
   * newest event of an epoch, or for one that had no number.
   */
  readonly sequences: readonly { source: string; epoch: string; from: number; to: number }[]
}

/** A hole in a sequence that is there because its events were removed is told as `removed`, not as a hole. */
export function nameRemoved(
  removed: Findings<PositionRange>,
  holes: Findings<SequenceHole>,
): { removed: Findings<RemovedRange>; holes: Findings<SequenceHole> } {
  const rangesAround = new Map(
    holes.listed.map((hole) => [hole, removed.listed.filter((range) => opensAround(hole, range)).length]),
  )
  const explained = new Set<SequenceHole>()
  const named = removed.listed.map((range) => {
    const around = holes.listed.filter((hole) => opensAround(hole, range))
    // A hole that is around another range too may belong to either.
    const isCertain =
      total(around) === lengthOf(range) && around.every((hole) => rangesAround.get(hole) === 1)
    if (!isCertain) return { ...range, sequences: [] }
    for (const hole of around) explained.add(hole)
    return { ...range, sequences: around.map(({ source, epoch, from, to }) => ({ source, epoch, from, to })) }
  })
  const listed = holes.listed.filter((hole) => !explained.has(hole))
  return {
    removed: { count: removed.count, listed: named },
    holes: { count: holes.count - explained.size, listed },
  }
}

function opensAround({ after = 0, before }: SequenceHole, { from, to }: PositionRange): boolean {
  return after < from && to < before
}

function lengthOf({ from, to }: PositionRange): number {
  return to - from + 1
}

function total(holes: readonly SequenceHole[]): number {
  return holes.reduce((sum, hole) => sum + lengthOf(hole), 0)
}
