/**
 * What there is to say of a history as a whole.
 *
 * Types, subjects, days and rates come from indexes and positions; sources and sizes take a look at every
 * event, in pages without bodies.
 */
import type { HistoryReader } from '../../../history/index.ts'
import type { PositionRange } from '../event-selection.ts'
import { Counter } from './counter.ts'
import { type Day, daysOf } from './days.ts'
import { SizeHistogram, type SizeSummary } from './size-histogram.ts'

export interface Statistics {
  readonly exchange: string
  /** The positions that these figures are about; first above last: none. */
  readonly first: number
  readonly last: number
  readonly firstAt: Date | undefined
  readonly lastAt: Date | undefined
  /** Events still held; without a scan those recorded. */
  readonly events: number
  /** Recorded in the last minute, hour and day; undefined for a part of a history. */
  readonly recent: Readonly<Record<'minute' | 'hour' | 'day', number>> | undefined
  readonly days: readonly Day[]
  /** The most frequent first; undefined where no index serves and nothing was scanned. */
  readonly types: readonly { readonly type: string; readonly events: number }[] | undefined
  /** Different ones; where `isExact` is false, at least so many. */
  readonly subjects: { readonly count: number; readonly isExact: boolean } | undefined
  readonly sources: readonly { readonly source: string; readonly events: number }[] | undefined
  /** Events of types and sources beyond the 10,000 first that were met. */
  readonly others: { readonly types: number; readonly sources: number }
  /** Of the bodies, in bytes. */
  readonly sizes: SizeSummary | undefined
}

export interface CollectOptions extends PositionRange {
  readonly isWhole: boolean
  /** Only what an index serves. */
  readonly isQuick: boolean
  readonly daysMax: number
  readonly signal: AbortSignal
  onScanned(position: number): void
}

const pageSize = 5_000
const namesMax = 10_000
const subjectsMax = 100_000
const recentMs = { minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const

export async function collectStatistics(reader: HistoryReader, options: CollectOptions): Promise<Statistics> {
  const { after, upTo, isWhole, isQuick, daysMax } = options
  const [first] = await reader.outlines({ after, upTo, limit: 1 })
  const {
    events: [last],
  } = await reader.select({ filter: {}, after, upTo, limit: 1, newestFirst: true })
  const [firstAt, lastAt] = [first?.recordedAt, last?.recordedAt]
  const counts = isWhole ? await reader.counts() : undefined
  const scanned = isQuick ? undefined : await scan(reader, options)
  return {
    exchange: await reader.exchange(),
    first: first?.position ?? after + 1,
    last: last?.position ?? after,
    firstAt,
    lastAt,
    events: scanned?.events ?? Math.max(upTo - after, 0),
    recent: isWhole ? await recentOf(reader, upTo) : undefined,
    days: firstAt && lastAt ? await daysOf(reader, { after, upTo, firstAt, lastAt, daysMax }) : [],
    types: counts?.types ?? scanned?.types.entries().map(([type, events]) => ({ type, events })),
    subjects: counts ? { count: counts.subjects, isExact: true } : scanned?.subjects,
    sources: scanned?.sources.entries().map(([source, events]) => ({ source, events })),
    others: { types: counts ? 0 : (scanned?.types.others ?? 0), sources: scanned?.sources.others ?? 0 },
    sizes: scanned?.sizes.summary(),
  }
}

async function recentOf(reader: HistoryReader, head: number): Promise<Record<keyof typeof recentMs, number>> {
  const { positionAt } = await import('../../../history/index.ts')
  const since = async (span: keyof typeof recentMs) =>
    Math.max(head + 1 - (await positionAt(reader, new Date(Date.now() - recentMs[span]))), 0)
  return { minute: await since('minute'), hour: await since('hour'), day: await since('day') }
}

async function scan(reader: HistoryReader, { after, upTo, signal, onScanned }: CollectOptions) {
  const [types, sources] = [new Counter({ namesMax }), new Counter({ namesMax })]
  const subjects = new Set<string>()
  const sizes = new SizeHistogram()
  let events = 0
  let isExact = true
  for (let from = after; ; ) {
    signal.throwIfAborted()
    const page = await reader.outlines({ after: from, upTo, limit: pageSize })
    for (const { type, source, subject, bodyBytes } of page) {
      types.add(type)
      sources.add(source)
      sizes.add(bodyBytes)
      if (subject === undefined || subjects.has(subject)) continue
      if (subjects.size < subjectsMax) subjects.add(subject)
      else isExact = false
    }
    events += page.length
    const last = page.at(-1)
    if (last === undefined) break
    from = last.position
    onScanned(from)
  }
  return { events, types, sources, sizes, subjects: { count: subjects.size, isExact } }
}
