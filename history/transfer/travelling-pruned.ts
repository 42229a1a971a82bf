/** What retention has removed stays removed in those that are made of a history: its ranges go along. */
import type { HistoryReader, PrunedRange } from '../reader.ts'

const pageLength = 500

/** The ranges above one position, up to another. */
export async function readPruned(
  reader: HistoryReader,
  { after, upTo }: { after: number; upTo: number },
): Promise<PrunedRange[]> {
  const ranges: PrunedRange[] = []
  for (let from = after; ; ) {
    const page = await reader.pruned({ after: from, upTo, limit: pageLength })
    ranges.push(...page)
    if (page.length < pageLength) return ranges
    from = page.at(-1)!.last
  }
}

/** Where a history begins: above what was removed by hand, with what was pruned. */
export async function beginOf(reader: HistoryReader): Promise<number> {
  const { first } = await reader.bounds()
  const [range] = await reader.pruned({ after: 0, limit: 1 })
  return range === undefined ? first : Math.min(first, range.first)
}
