/** What came of a replay: the same for a dry run, of which it says what would have been done. */

import type { Order } from '../run/rule-run.ts'
import type { CauseTally, EventMark, RuleTally, TallyState } from '../run/tally.ts'
import { wellFormed } from './well-formed.ts'

/** `error`: it was thrown out of the run, which may go on. */
export type Ended = 'done' | 'interrupted' | 'too-many-failures' | 'error'

export interface ReplayReport {
  readonly run: string
  /** 1 over the source, each later one over the failures of the one before. */
  readonly pass: number
  readonly dryRun: boolean
  readonly ended: Ended
  /** What a run was ended by that threw. */
  readonly error: { readonly code: string | undefined; readonly message: string } | undefined
  readonly startedAt: string
  readonly endedAt: string
  /** Of all processes that worked on it, without the time between them. */
  readonly seconds: number
  readonly source: string
  readonly order: Order
  readonly read: number
  /** Events that at least one rule has picked. */
  readonly picked: number
  /** What the source held that is no JSON. */
  readonly unreadable: number
  /** Events with at least one failure, those held behind one and the unreadable included. */
  readonly failed: number
  /** Of those that were picked. */
  readonly first: EventMark | undefined
  readonly last: EventMark | undefined
  /** Over the events that were picked, in their order: 16 hexadecimal digits. */
  readonly checksum: string
  readonly rules: readonly RuleTally[]
  /** The most frequent first. */
  readonly causes: readonly CauseTally[]
  readonly eventsPerSecond: number
  /** Of the source, read by this process. */
  readonly bytes: number
  /** Of this process, resident. */
  readonly peakMemoryBytes: number
  readonly exitCode: number
}

export interface ReportedRun {
  readonly run: string
  readonly source: { readonly name: string }
  readonly order: Order
  readonly dryRun: boolean
  readonly checkpoints?: { readonly pass?: number }
}

export function reportOf(
  { run, source, order, dryRun, checkpoints }: ReportedRun,
  {
    ended,
    error,
    startedAt,
    tally,
    bytes,
  }: { ended: Ended; error?: unknown; startedAt: Date; tally: TallyState; bytes: number },
): ReplayReport {
  const { read, picked, unreadable, failedEvents, seconds, first, last, checksum, rules, causes } = tally
  return wellFormed({
    run,
    pass: checkpoints?.pass ?? 1,
    dryRun,
    ended,
    error: ended === 'error' ? toldError(error) : undefined,
    startedAt: startedAt.toISOString(),
    endedAt: new Date().toISOString(),
    seconds,
    source: source.name,
    order,
    read,
    picked,
    unreadable,
    failed: failedEvents,
    first,
    last,
    checksum,
    rules,
    causes: [...causes].sort((a, b) => b.events - a.events),
    eventsPerSecond: seconds === 0 ? 0 : read / seconds,
    bytes,
    // libuv gives it in KiB on every system.
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    exitCode: exitCodeOf(ended, failedEvents),
  })
}

function toldError(error: unknown): ReplayReport['error'] {
  const { code, message = String(error) } = (error ?? {}) as { code?: unknown; message?: string }
  return { code: typeof code === 'string' ? code : undefined, message }
}

/** 0 all done, 1 some failed, 6 ended early by failures or an error, 130 told to end. */
function exitCodeOf(ended: Ended, failed: number): number {
  if (ended === 'too-many-failures' || ended === 'error') return 6
  if (ended === 'interrupted') return 130
  return failed > 0 ? 1 : 0
}
