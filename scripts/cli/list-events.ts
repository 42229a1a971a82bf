/** Events that were asked for, page by page, as a table or as JSON lines. */
import type { EventFilter, HistoryReader, SearchOptions, StoredEvent } from '../../history/index.ts'
import type { Cli } from './cli.ts'
import type { Options } from './command.ts'
import { usageError } from './errors.ts'
import {
  filterOf,
  filterOptions,
  type PositionRange,
  rangeOf,
  rangeOptions,
  showScan,
  type TypedFilter,
  type TypedRange,
} from './event-selection.ts'
import { EventTable } from './event-table.ts'
import { withHistory } from './open-history.ts'

const limitDefault = 100

export const listOptions = {
  ...filterOptions,
  ...rangeOptions,
  limit: { type: 'integer', min: 0, default: limitDefault, describe: 'Events at most; 0 for all' },
  last: { type: 'integer', min: 1, describe: 'The newest so many, instead of --limit' },
  'newest-first': { type: 'flag', alias: 'r', describe: 'From the newest to the oldest' },
  json: { type: 'flag', describe: 'CloudEvents as JSON lines, with position and recordedtime' },
} as const satisfies Options

export interface TypedList extends TypedFilter, TypedRange {
  readonly history: string | undefined
  readonly limit: number
  readonly last: number | undefined
  readonly 'newest-first': boolean
  readonly json: boolean
}

/** What must be in the bodies, and the options that asked for it. */
export interface BodySearch extends Pick<SearchOptions, 'texts' | 'ignoreCase' | 'where' | 'pattern'> {
  readonly options: readonly string[]
}

/** @returns How many there were. */
export async function listEvents(
  cli: Cli,
  { history, limit, last, 'newest-first': newestFirst, json, ...typed }: TypedList,
  { options: bodyOptions, ...body }: BodySearch = { options: [] },
): Promise<number> {
  if (last !== undefined && limit !== limitDefault) throw usageError('--last and --limit do not go together')
  if (last !== undefined && newestFirst) throw usageError('--last and --newest-first do not go together')
  const filter = filterOf(typed)
  const wanted = last ?? (limit === 0 ? Number.POSITIVE_INFINITY : limit)
  return await withHistory(cli, { history }, async (reader) => {
    const range = await rangeOf(reader, typed)
    const { patternFilter } = await import('../../history/index.ts')
    const narrow = body.pattern === undefined ? filter : patternFilter(filter, [body.pattern])
    const scan = await scanOf(narrow, bodyOptions)
    const search = {
      filter,
      ...body,
      ...range,
      limit: wanted,
      newestFirst: newestFirst || last !== undefined,
    }
    const show = printer(cli, { json })
    if (last === undefined) return await listPages(cli, reader, { search, scan, show })
    const events: StoredEvent[] = []
    await listPages(cli, reader, {
      search,
      scan,
      show: async (page) => void events.unshift(...page.toReversed()),
    })
    await show(events)
    return events.length
  })
}

type Show = (events: readonly StoredEvent[]) => Promise<void>

export function printer(cli: Cli, { json }: { json: boolean }): Show {
  const table = new EventTable()
  return async (events) => {
    if (json) {
      const { eventLine } = await import('../../history/index.ts')
      await cli.output.lines(events.map(eventLine))
    } else if (events.length > 0) await cli.output.lines(table.page(events))
    cli.output.requireReader()
  }
}

/** The newest events that pass a filter, in position order. */
export async function newest(
  reader: HistoryReader,
  { filter, upTo, wanted }: { filter: EventFilter; upTo: number; wanted: number },
): Promise<StoredEvent[]> {
  const { searchHistory } = await import('../../history/index.ts')
  const found: StoredEvent[] = []
  for await (const { events } of searchHistory(reader, { filter, upTo, limit: wanted, newestFirst: true })) {
    found.push(...events)
  }
  return found.reverse()
}

async function listPages(
  cli: Cli,
  reader: HistoryReader,
  {
    search,
    scan,
    show,
  }: {
    search: SearchOptions & PositionRange & { limit: number; newestFirst: boolean }
    scan: readonly string[] | undefined
    show: Show
  },
): Promise<number> {
  const { searchHistory } = await import('../../history/index.ts')
  const { after, upTo, limit, newestFirst } = search
  const signal = cli.stopSignal()
  let shown = 0
  let through = newestFirst ? upTo + 1 : after
  const done = () => (newestFirst ? upTo + 1 - through : through - after)
  const end = scan === undefined ? () => {} : showScan(cli, { by: scan, events: upTo - after, done })
  try {
    for await (const page of searchHistory(reader, { ...search, signal, logger: cli.logger })) {
      through = page.through
      shown += page.events.length
      // Data on the same terminal must not go behind the bar.
      if (page.events.length > 0) cli.screen.status('')
      await show(page.events)
    }
  } finally {
    end()
  }
  const isMore = newestFirst ? through - 1 > after : through < upTo
  if (shown === limit && isMore) {
    cli.say(`More may follow: ${newestFirst ? `--up-to ${through - 1}` : `--after ${through}`}`)
  }
  return shown
}

/**
 * The options that make a store look at each event; none where an index narrows it down, undefined where
 * it finds them all.
 */
async function scanOf(filter: EventFilter, bodyOptions: readonly string[]): Promise<string[] | undefined> {
  const { isIndexed } = await import('../../history/index.ts')
  const isFiltered = Object.keys(filter).length > 0
  if (isFiltered && isIndexed(filter)) return bodyOptions.length > 0 ? [] : undefined
  const { types = [], subjects = [], sources } = filter
  const several = Object.entries({ types, subjects }).filter(([, values]) => values.length > 1)
  const by = [...several.map(([what]) => `several ${what}`), ...(sources === undefined ? [] : ['--source'])]
  return isFiltered || bodyOptions.length > 0 ? [...by, ...bodyOptions] : undefined
}
