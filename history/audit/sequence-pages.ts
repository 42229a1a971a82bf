/** All events of a history with their sequences, in pages that are as long however much is missing. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { HistoryReader } from '../reader.ts'
import type { SequencedEvent } from '../stored-event.ts'

export interface PageRange {
  /** The lowest position. */
  readonly first: number
  /** The highest one. */
  readonly head: number
  /** Ends the reading, throwing its reason. */
  readonly signal: AbortSignal | undefined
}

export interface SequencePage {
  readonly after: number
  readonly upTo: number
  readonly events: readonly SequencedEvent[]
}

const pageLength = 1_000

export async function* sequencePages(
  reader: HistoryReader,
  { first, head, signal }: PageRange,
): AsyncGenerator<SequencePage> {
  for (let after = first - 1; after < head; after += pageLength) {
    signal?.throwIfAborted()
    // By positions, not by rows, so that what else is read of a page is bounded too.
    const upTo = Math.min(after + pageLength, head)
    yield { after, upTo, events: await reader.sequences({ after, upTo, limit: pageLength }) }
    // SQLite answers without leaving this turn: signals and timers need one of their own.
    await nextTurn()
  }
}
