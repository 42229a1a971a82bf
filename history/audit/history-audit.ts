/**
 * The audit of a history: whether all is there that was published, and all that was recorded.
 *
 * A publisher numbers its events 1, 2, 3 … within each epoch, the history numbers all of them, and each
 * batch left a checksum: a number that is missing in the first was never recorded or was removed since,
 * one that is missing in the second was removed by hand. The history is read once, in pages; memory does
 * not grow with it. What it cannot see: whether the newest event of an epoch was its last one, and a body that was changed.
 */
import { Checksum } from '../../events/index.ts'
import type { HistoryReader } from '../reader.ts'
import { type ChangedRange, CheckpointAudit } from './checkpoint-audit.ts'
import { FindingList, type Findings } from './findings.ts'
import { Landmarks } from './landmarks.ts'
import { nameRemoved, type PositionRange, type RemovedRange } from './removed-events.ts'
import { nameRepeated, type RepeatedSequence } from './repeated-sequences.ts'
import { SequenceAudit, type SequenceFindings } from './sequence-audit.ts'
import { sequencePages } from './sequence-pages.ts'
import { SpentSequences } from './spent-sequences.ts'

export interface HistoryAudit extends SequenceFindings {
  readonly exchange: string
  /** The lowest position held. What lay below it is not judged, nor how epochs began that it may have cut. */
  readonly first: number
  /** The highest position when the audit began. */
  readonly head: number
  /** Events held, from `first` to `head`. */
  readonly held: number
  /** Positions that retention has removed. */
  readonly pruned: number
  /** Events whose number another one had before them. */
  readonly repeated: Findings<RepeatedSequence>
  /** Positions that were recorded and are no longer there. */
  readonly removed: Findings<RemovedRange>
  /** Positions whose identities are not the ones that were recorded. */
  readonly changed: Findings<ChangedRange>
  /** True where nothing is missing, late, repeated, removed or changed. */
  readonly clean: boolean
}

export interface HistoryAuditOptions {
  /** Called after each page. */
  readonly onProgress?: (progress: { readonly position: number; readonly head: number }) => void
  /** Ends it, rejecting with the signal's reason. */
  readonly signal?: AbortSignal
}

/**
 * Audits a history, up to the head at this moment; a recorder may go on meanwhile.
 *
 * @throws HistoryError as the reader's methods do, where the history cannot be read.
 */
export async function auditHistory(
  reader: HistoryReader,
  { onProgress, signal }: HistoryAuditOptions = {},
): Promise<HistoryAudit> {
  const exchange = await reader.exchange()
  const { first, head } = await reader.bounds()
  const [oldest] = await reader.pruned({ after: 0, limit: 1 })
  const begin = Math.min(first, oldest?.first ?? first)
  const sequences = new SequenceAudit({ isTruncated: first > 1 })
  const checkpoints = new CheckpointAudit(await baseOf(reader, begin))
  const spent = new SpentSequences(reader, { head })
  const removed = new FindingList<PositionRange>()
  let held = 0
  let pruned = 0
  let expected = begin
  for await (const { after, upTo, events } of sequencePages(reader, { first: begin, head, signal })) {
    const limit = upTo - after
    const due = new Landmarks({
      checkpoints: await reader.checkpoints({ after, upTo, limit }),
      // One that reaches into several pages was passed in the first of them.
      pruned: (await reader.pruned({ after, upTo, limit })).filter((range) => range.last >= expected),
      passedUpTo: expected - 1,
    })
    const advance = (position: number) => {
      for (const { checkpoint, range } of due.before(position)) {
        if (checkpoint !== undefined) checkpoints.reach(checkpoint)
        else {
          if (range.first > expected) removed.add({ from: expected, to: range.first - 1 })
          expected = range.last + 1
          pruned += range.last - range.first + 1
          checkpoints.pass(range)
        }
      }
    }
    for (const event of events) {
      advance(event.position)
      for await (const number of spent.before(event.position)) sequences.pass(number, pruned)
      if (event.position > expected) removed.add({ from: expected, to: event.position - 1 })
      expected = event.position + 1
      held += 1
      checkpoints.add(event)
      sequences.add(event, pruned)
    }
    advance(upTo + 1)
    onProgress?.({ position: upTo, head })
  }
  for await (const number of spent.before(head + 1)) sequences.pass(number, pruned)
  if (expected <= head) removed.add({ from: expected, to: head })
  const found = sequences.end()
  const changed = checkpoints.end(head)
  const kinds = [removed.findings, changed, found.holes, found.late, found.repeated]
  return {
    exchange,
    first,
    head,
    held,
    pruned,
    ...found,
    ...nameRemoved(removed.findings, found.holes),
    repeated: await nameRepeated(reader, found.repeated, { first, head, signal }),
    changed,
    clean: kinds.every(({ count }) => count === 0),
  }
}

/** What was recorded below the first event held; its checksum only where a batch ended there. */
async function baseOf(
  reader: HistoryReader,
  first: number,
): Promise<{ position: number; checksum?: string }> {
  const position = first - 1
  if (position === 0) return { position, checksum: new Checksum().toString() }
  const [checkpoint] = await reader.checkpoints({ after: position - 1, upTo: position })
  return checkpoint ?? { position }
}
