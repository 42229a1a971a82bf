/**
 * Which event had a repeated number first.
 *
 * The audit keeps no numbers, so only a second look can tell. It is taken where something was repeated,
 * and ends when all of that is found.
 */

import type { HistoryReader } from '../reader.ts'
import type { Findings } from './findings.ts'
import type { OutOfOrder } from './sequence-audit.ts'
import { type PageRange, sequencePages } from './sequence-pages.ts'

/** An event whose number another one had before it. */
export interface RepeatedSequence extends OutOfOrder {
  readonly firstAt: number
  readonly firstId: string
}

export async function nameRepeated(
  reader: HistoryReader,
  { count, listed }: Findings<OutOfOrder>,
  range: PageRange,
): Promise<Findings<RepeatedSequence>> {
  const missing = new Set(listed.map(keyOf))
  const firsts = new Map<string, { firstAt: number; firstId: string }>()
  if (missing.size > 0) {
    for await (const { events } of sequencePages(reader, range)) {
      for (const event of events) {
        const key = keyOf(event)
        if (missing.delete(key)) firsts.set(key, { firstAt: event.position, firstId: event.id })
      }
      if (missing.size === 0) break
    }
  }
  return { count, listed: listed.map((event) => ({ ...event, ...firsts.get(keyOf(event))! })) }
}

/** Neither epoch nor number has a space in it. */
function keyOf({
  source,
  epoch,
  sequence,
}: {
  readonly source: string
  readonly epoch: string | undefined
  readonly sequence: number | undefined
}): string {
  return `${epoch} ${sequence} ${source}`
}
