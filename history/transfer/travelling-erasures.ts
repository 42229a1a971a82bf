/** What was erased in a history stays erased in those that are made of it, and the record of it goes along. */
import { HistoryError } from '../errors.ts'
import type { Erasure, HistoryReader } from '../reader.ts'

const pageLength = 1_000

export async function readErasures(reader: HistoryReader): Promise<Erasure[]> {
  const erasures: Erasure[] = []
  for (;;) {
    const page = await reader.erasures({ after: erasures.at(-1)?.number ?? 0, limit: pageLength })
    erasures.push(...page)
    if (page.length < pageLength) return erasures
  }
}

/**
 * The erasures that a history has not.
 *
 * @throws HistoryError `HISTORY_CONFLICT` where it has others under the same numbers: the events that are to
 *   come say by number what has emptied them.
 */
export async function missingErasures(
  reader: HistoryReader,
  erasures: readonly Erasure[],
): Promise<readonly Erasure[]> {
  if (erasures.length === 0) return []
  const there = new Map((await readErasures(reader)).map((erasure) => [erasure.number, erasure]))
  for (const { number, subject, at } of erasures) {
    const own = there.get(number)
    if (own === undefined || (own.subject === subject && own.at.getTime() === at.getTime())) continue
    throw new HistoryError(
      'HISTORY_CONFLICT',
      `Erasure ${number} is of subject ${subject} there, and of ${own.subject} in this history: it went ways of its own. Import into another history`,
    )
  }
  return erasures.filter(({ number }) => !there.has(number))
}
