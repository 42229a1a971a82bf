/**
 * The audit of an exchange's partitions together: a publisher's numbers are spread over all of them, and one
 * is missing only where none has it.
 *
 * What is of one history alone (positions, checksums, order) is judged for each, and then the numbers of all
 * at once, read beside each other so that what is open at a time stays small. An event that was removed by hand
 * shows twice: as a position of its history, and as a number that is in none.
 */
import type { HistoryReader } from '../reader.ts'
import type { Findings } from './findings.ts'
import { auditHistory, type HistoryAudit, type HistoryAuditOptions } from './history-audit.ts'
import { type OutOfOrder, SequenceAudit } from './sequence-audit.ts'
import { sequencePages } from './sequence-pages.ts'
import { SpentSequences } from './spent-sequences.ts'

/** Numbers that no partition has. */
export interface MissingSequences {
  readonly source: string
  readonly epoch: string
  readonly from: number
  /** Inclusive. */
  readonly to: number
}

export interface PartitionsAudit {
  /** Each alone, in order; without holes, and without naming what was removed. */
  readonly partitions: readonly HistoryAudit[]
  readonly holes: Findings<MissingSequences>
  /** Numbers that more than one event has, in whichever partitions. */
  readonly repeated: Findings<Pick<OutOfOrder, 'source' | 'epoch' | 'sequence' | 'id'>>
  /** Holes and epochs that were let go because there were too many at a time. */
  readonly forgotten: { readonly epochs: number; readonly holes: number }
  readonly clean: boolean
}

/**
 * Audits the histories of all partitions of an exchange, up to their heads at this moment.
 *
 * @param readers - Of all of them: what a missing one holds would be told as missing.
 * @param options.onProgress - Over both readings of each.
 * @throws HistoryError as `auditHistory()` does.
 */
export async function auditPartitions(
  readers: readonly HistoryReader[],
  { onProgress, signal }: HistoryAuditOptions = {},
): Promise<PartitionsAudit> {
  const bounds = await Promise.all(readers.map((reader) => reader.bounds()))
  const head = bounds.reduce((sum, one) => sum + one.head, 0) * 2
  let done = 0
  const partitions: HistoryAudit[] = []
  for (const reader of readers) {
    const audit = await auditHistory(reader, {
      onProgress: ({ position }) => onProgress?.({ position: done + position, head }),
      signal,
    })
    done += audit.head
    partitions.push(ofOneAlone(audit))
  }
  const { holes, repeated, forgotten } = await sequencesOf(readers, {
    bounds,
    signal,
    onProgress: (position) => onProgress?.({ position: done + position, head }),
  })
  const clean = holes.count === 0 && repeated.count === 0 && partitions.every((one) => one.clean)
  return { partitions, holes, repeated, forgotten, clean }
}

const none = { count: 0, listed: [] }

/** What it takes for holes is in the other partitions, nearly always. */
function ofOneAlone(audit: HistoryAudit): HistoryAudit {
  const { removed, changed, late, repeated } = audit
  return {
    ...audit,
    holes: none,
    removed: { ...removed, listed: removed.listed.map((range) => ({ ...range, sequences: [] })) },
    clean: [removed, changed, late, repeated].every(({ count }) => count === 0),
  }
}

async function sequencesOf(
  readers: readonly HistoryReader[],
  {
    bounds,
    signal,
    onProgress,
  }: {
    bounds: readonly { readonly first: number; readonly head: number }[]
    signal: AbortSignal | undefined
    onProgress(position: number): void
  },
) {
  const isTruncated = bounds.some(({ first }) => first > 1)
  const all = new SequenceAudit({ isTruncated, holesMax: holesMaxOfAll })
  const open = readers.map((reader, index) => {
    const { first, head } = bounds[index]!
    const pages = sequencePages(reader, { first, head, signal })
    return { pages, spent: new SpentSequences(reader, { head }), at: first - 1, head }
  })
  let read = 0
  while (open.length > 0) {
    // The one that is furthest behind, as a part of its whole: they were recorded at about the same time.
    const one = open.reduce((least, other) => (other.at / other.head < least.at / least.head ? other : least))
    const page = await one.pages.next()
    if (page.done === true) {
      for await (const number of one.spent.before(one.head + 1)) all.pass(number)
      open.splice(open.indexOf(one), 1)
      continue
    }
    for (const event of page.value.events) {
      for await (const number of one.spent.before(event.position)) all.pass(number)
      all.add(event)
    }
    read += page.value.upTo - one.at
    one.at = page.value.upTo
    onProgress(read)
  }
  const { holes, repeated, forgotten } = all.end()
  return {
    forgotten,
    holes: {
      count: holes.count,
      listed: holes.listed.map(({ source, epoch, from, to }) => ({ source, epoch, from, to })),
    },
    repeated: {
      count: repeated.count,
      listed: repeated.listed.map(({ source, epoch, sequence, id }) => ({ source, epoch, sequence, id })),
    },
  }
}

/** Every number of another partition is open for a while. */
const holesMaxOfAll = 500_000
