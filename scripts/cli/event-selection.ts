/**
 * Which events a command is about: what the options say, as a range of positions and a filter.
 *
 * Times are those of recording, which never step back from one position to the next: so a time is a
 * position, found without a scan.
 */
import type { EventFilter, HistoryReader } from '../../history/index.ts'
import type { Cli } from './cli.ts'
import type { Options } from './command.ts'
import { momentOf } from './moment.ts'
import { count, type Reading } from './progress.ts'

export const filterOptions = {
  type: { type: 'texts', value: 'TYPE', describe: 'Events of this type only; may be given several times' },
  subject: { type: 'texts', value: 'SUBJECT', describe: 'Events of this subject only; likewise' },
  source: { type: 'texts', value: 'SOURCE', describe: 'Events of this source only; likewise' },
} as const satisfies Options

export const rangeOptions = {
  after: { type: 'integer', min: 0, describe: 'Begin behind this position' },
  'up-to': { type: 'integer', min: 0, describe: 'End with this position' },
  since: {
    type: 'text',
    value: 'TIME',
    describe: 'Recorded at this time or later: 2026-11-21T10:00Z, or 90s, 15m, 2h, 3d ago',
  },
  until: { type: 'text', value: 'TIME', describe: 'Recorded before this time' },
} as const satisfies Options

export interface TypedFilter {
  readonly type: readonly string[]
  readonly subject: readonly string[]
  readonly source: readonly string[]
}

export interface TypedRange {
  readonly after: number | undefined
  readonly 'up-to': number | undefined
  readonly since: string | undefined
  readonly until: string | undefined
}

export interface PositionRange {
  /** Exclusive. */
  readonly after: number
  /** Inclusive. */
  readonly upTo: number
}

/** An option that was not given chooses nothing, rather than nothing being left. */
export function filterOf({ type, subject, source }: TypedFilter): EventFilter {
  return {
    ...(type.length > 0 && { types: type }),
    ...(subject.length > 0 && { subjects: subject }),
    ...(source.length > 0 && { sources: source }),
  }
}

/** Whether no option leaves anything out. */
export function isWhole({ after, 'up-to': upTo, since, until }: TypedRange): boolean {
  return [after, upTo, since, until].every((value) => value === undefined)
}

/** @throws CliError `CLI_USAGE` for what is no time. */
export async function rangeOf(reader: HistoryReader, typed: TypedRange): Promise<PositionRange> {
  const now = Date.now()
  const [since, until] = (['since', 'until'] as const).map((option) => {
    const text = typed[option]
    return text === undefined ? undefined : momentOf(text, { option, now })
  })
  const { positionAt } = await import('../../history/index.ts')
  const { first, head } = await reader.bounds()
  return {
    after: Math.max(
      typed.after ?? 0,
      first - 1,
      since === undefined ? 0 : (await positionAt(reader, since)) - 1,
    ),
    upTo: Math.min(
      typed['up-to'] ?? head,
      head,
      until === undefined ? head : (await positionAt(reader, until)) - 1,
    ),
  }
}

/**
 * Shows how far a scan is, and says why it is one.
 *
 * @param options.by - The options that no index serves; none where another one narrows it down.
 * @returns What ends it.
 */
export function showScan(
  cli: Cli,
  { by, events, done }: { by: readonly string[]; events: number; done: () => number },
): () => void {
  if (events < scanWorthSaying) return () => {}
  if (by.length > 0) cli.say(`No index serves ${by.join(' and ')}: looking at ${count(events)} events`)
  return cli.progress({ unit: 'events', read: (): Reading => ({ done: done(), total: events }) })
}

/** What is over before it is read. */
const scanWorthSaying = 10_000
