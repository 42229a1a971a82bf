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
  for (const { number, subject } of erasures) {
    const own = there.get(number)
    // Of the same subject it may be another's doing: what was whole here had to be erased here too.
    if (own === undefined || own.subject === subject) continue
    throw new HistoryError(
      'HISTORY_CONFLICT',
      `Erasure ${number} is of subject ${subject} there, and of ${own.subject} in this history: it went ways of its own. Import into another history`,
    )
  }
  return erasures.filter(({ number }) => !there.has(number))
}

/**
 * What came before it was erased is whole here, and no record may say otherwise.
 *
 * @param erasures - Of the other history, in their order.
 * @throws HistoryError `HISTORY_CONFLICT` for the first that this history has still to go through.
 */
export async function requireErased(reader: HistoryReader, erasures: readonly Erasure[]): Promise<void> {
  for (const { subject, lastPosition } of erasures) {
    const filter = { subjects: [subject] }
    for (let after = 0; after < lastPosition; ) {
      const page = await reader.select({ filter, after, upTo: lastPosition, limit: pageLength })
      const whole = page.events.find(({ erased }) => erased === undefined)
      if (whole !== undefined) throw stillWhole(whole.position, subject)
      if (page.through <= after) break
      after = page.through
    }
  }
}

function stillWhole(position: number, subject: string): HistoryError {
  return new HistoryError(
    'HISTORY_CONFLICT',
    `Position ${position} was erased there, and is whole in this history. Erase it here too (\`backstory history erase --subject ${subject}\`) and do this again, or take a new history`,
  )
}
