/**
 * Retention: events go by age or size, of one type or of all, from the oldest on, in small transactions.
 *
 * Never goes what a consumer still needs that was heard of lately, and the newest event.
 */
import { Checksum } from '../events/index.ts'
import { positionAt } from './position-at.ts'
import type { HistoryReader } from './reader.ts'
import type { PositionedIdentity } from './stored-event.ts'

/** At least one of the three: an event goes where any of them says so. */
export interface PruneRule {
  /** Default: events of every type. */
  readonly type?: string
  /** Recorded longer ago than this, in milliseconds. */
  readonly olderThanMs?: number
  /** All but the newest so many. */
  readonly keepEvents?: number
  /** All but the newest that take so many bytes, bodies and properties together. */
  readonly keepBytes?: number
}

export interface PruneOptions extends PruneRule {
  /** Goes below the cursors of consumers too: one that still needs an event is refused. Default false. */
  readonly force?: boolean
  /** A consumer that was last heard of longer ago is not waited for, in milliseconds. Default 30 days. */
  readonly heardWithinMs?: number
  /** Removes nothing. Default false. */
  readonly dryRun?: boolean
  /** Called after each transaction. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void
  /** Ends it between two transactions, rejecting with the signal's reason. */
  readonly signal?: AbortSignal
}

export interface Pruned {
  readonly events: number
  /** No event above this position went. */
  readonly upTo: number
  /** Whose cursor has kept more from going; undefined where none has. */
  readonly heldBy: string | undefined
}

/** What a store does of it. */
export interface PruneStore {
  readonly reader: HistoryReader
  /** The position of the newest event but so many; 0 where there are not that many. */
  behindEvents(type: string | undefined, events: number): Promise<number>
  /** The position of the newest event behind so many bytes; 0 where there are not that many. */
  behindBytes(type: string | undefined, bytes: number): Promise<number>
  count(type: string | undefined, upTo: number): Promise<number>
  /** One transaction. */
  remove(
    type: string | undefined,
    page: { after: number; upTo: number; reason: string },
  ): Promise<{ events: number; through: number; isLast: boolean }>
  /** Gives the room back that was freed. */
  giveBack(): Promise<void>
  breathe(): Promise<void>
}

const dayMs = 24 * 60 * 60 * 1_000

/** @throws TypeError for a rule that says nothing, or a number out of its range. */
export async function prune(store: PruneStore, options: PruneOptions): Promise<Pruned> {
  checkRule(options)
  const { type, force = false, heardWithinMs = 30 * dayMs, dryRun = false, onProgress, signal } = options
  const wanted = await ceilingOf(store, options)
  const { head } = await store.reader.bounds()
  const possible = Math.min(wanted, head - 1)
  const lowest = force ? undefined : await lowestCursor(store.reader, heardWithinMs)
  const upTo = Math.max(0, Math.min(possible, lowest?.cursor ?? possible))
  const heldBy = lowest !== undefined && lowest.cursor < possible ? lowest.name : undefined
  const total = await store.count(type, upTo)
  if (dryRun) return { events: total, upTo, heldBy }
  let done = 0
  for (let after = 0; done < total; await store.breathe()) {
    signal?.throwIfAborted()
    const removed = await store.remove(type, { after, upTo, reason: ruleText(options) })
    done += removed.events
    after = removed.through
    onProgress?.({ done, total })
    if (removed.isLast) break
  }
  if (done > 0) await store.giveBack()
  return { events: done, upTo, heldBy }
}

async function ceilingOf(store: PruneStore, rule: PruneRule): Promise<number> {
  const { type, olderThanMs, keepEvents, keepBytes } = rule
  const ceilings = [
    olderThanMs === undefined ? 0 : (await positionAt(store.reader, new Date(Date.now() - olderThanMs))) - 1,
    keepEvents === undefined ? 0 : await store.behindEvents(type, keepEvents),
    keepBytes === undefined ? 0 : await store.behindBytes(type, keepBytes),
  ]
  return Math.max(...ceilings)
}

async function lowestCursor(
  reader: HistoryReader,
  heardWithinMs: number,
): Promise<{ readonly name: string; readonly cursor: number } | undefined> {
  const heard = (await reader.consumers()).filter(
    ({ toldAt }) => toldAt.getTime() >= Date.now() - heardWithinMs,
  )
  return heard.sort((a, b) => a.cursor - b.cursor)[0]
}

function checkRule({ olderThanMs, keepEvents, keepBytes }: PruneRule): void {
  for (const [name, value] of Object.entries({ olderThanMs, keepEvents, keepBytes })) {
    if (value === undefined || (Number.isSafeInteger(value) && value >= 0)) continue
    throw new TypeError(`Expected \`${name}\` to be an integer from 0, got ${value}`)
  }
  if (olderThanMs === undefined && keepEvents === undefined && keepBytes === undefined)
    throw new TypeError('Expected `olderThanMs`, `keepEvents` or `keepBytes`')
}

/** As it is remembered with the range. */
function ruleText({ type, olderThanMs, keepEvents, keepBytes }: PruneRule): string {
  const parts = [
    olderThanMs === undefined ? undefined : `older than ${days(olderThanMs)} days`,
    keepEvents === undefined ? undefined : `behind the newest ${keepEvents} events`,
    keepBytes === undefined ? undefined : `behind the newest ${keepBytes} bytes`,
  ]
  return `${type ?? 'all events'} ${parts.filter((part) => part !== undefined).join(' or ')}`
}

function days(ms: number): number {
  return Math.round((ms / dayMs) * 1_000) / 1_000
}

/** Removed rows as ranges of positions that follow one another, each with what it adds to the checksum. */
export interface RemovedRun {
  readonly first: number
  readonly last: number
  readonly checksum: string
  readonly unidentified: number
}

export function runsOf(
  rows: readonly (Omit<PositionedIdentity, 'unidentified'> & { readonly unidentified: boolean | number })[],
): RemovedRun[] {
  const runs: RemovedRun[] = []
  for (let from = 0; from < rows.length; ) {
    const { position: first } = rows[from]!
    const checksum = new Checksum()
    let unidentified = 0
    let to = from
    for (; to < rows.length && rows[to]!.position === first + to - from; to++) {
      checksum.add(rows[to]!.source, rows[to]!.id)
      unidentified += Number(rows[to]!.unidentified)
    }
    runs.push({ first, last: first + to - from - 1, checksum: checksum.toString(), unidentified })
    from = to
  }
  return runs
}

/** One range of what were two or three beside each other. */
export function joined(runs: readonly RemovedRun[]): RemovedRun {
  const checksum = new Checksum()
  for (const run of runs) checksum.addAll(run.checksum)
  return {
    first: runs[0]!.first,
    last: runs.at(-1)!.last,
    checksum: checksum.toString(),
    unidentified: runs.reduce((sum, run) => sum + run.unidentified, 0),
  }
}
