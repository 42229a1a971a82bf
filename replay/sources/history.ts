/**
 * A history as a source: its events as lines of CloudEvents JSON, with all that the history says of them, so
 * that they can be published again byte for byte.
 */
import { resolve } from 'node:path'
import {
  bodyLengthOf,
  type EventFilter,
  EventTest,
  HistoryError,
  type HistoryReader,
  openHistory,
  type PrunedRange,
  positionAt,
  requiredBy,
  type Selected,
  selectFor,
  shownAddress,
} from '../../history/index.ts'
import { ReplayError } from '../errors.ts'
import { PluginOptions } from '../options.ts'
import type { PluginTarget, ReadOptions, Source, SourcePage, SourcePlugin, SourceSize } from '../source.ts'
import { HistoryEvent } from './history/history-event.ts'
import { checkOf, parseToken } from './history/history-token.ts'

const pageEvents = 1_000

export const source: SourcePlugin = {
  address: 'history, FILE.db, postgres://…, https://…/exchanges/EXCHANGE',
  summary: 'A history: a SQLite file, a PostgreSQL database, or a feed',
  options: {
    exchange: 'Of several histories in a database, that of this exchange',
    after: 'Begin behind this position',
    upTo: 'End with this position; default: the head when it begins',
    since: 'Recorded at this time or later',
    until: 'Recorded before this time',
    types: 'Events of these types only',
    subjects: 'Events of these subjects only',
    sources: 'Events of these sources only',
    acceptPruned: 'Passes over positions that retention has removed; default: they are an error',
  },
  create: createHistorySource,
}

async function createHistorySource(target: PluginTarget): Promise<Source> {
  const options = new PluginOptions(target)
  const range = {
    after: options.whole('after', { min: 0 }),
    upTo: options.whole('upTo', { min: 0 }),
    since: timeOption(options, 'since'),
    until: timeOption(options, 'until'),
  }
  const [types, subjects, sources] = ['types', 'subjects', 'sources'].map((name) => options.texts(name))
  const filter = { ...(types && { types }), ...(subjects && { subjects }), ...(sources && { sources }) }
  const exchange = options.text('exchange')
  const acceptPruned = options.flag('acceptPruned') ?? false
  options.end()
  const { address, context } = target
  const history = address === 'history' ? await context.history() : placeOf(address, context.cwd)
  const token = context.setting('BACKSTORY_HISTORY_TOKEN')
  const reader = openHistory({ history, ...(exchange && { exchange }), ...(token && { token }) })
  return new HistorySource(reader, { name: shownAddress(history), range, filter, acceptPruned })
}

interface HistorySourceOptions {
  readonly name: string
  readonly range: Range
  readonly filter: EventFilter
  readonly acceptPruned: boolean
}

interface Range {
  readonly after: number | undefined
  readonly upTo: number | undefined
  readonly since: Date | undefined
  readonly until: Date | undefined
}

class HistorySource implements Source {
  readonly name: string
  readonly #reader: HistoryReader
  readonly #range: Range
  readonly #filter: EventFilter
  readonly #acceptPruned: boolean
  #bounds = { first: 1, head: 0 }
  /** Behind this one it begins, whether what follows is still held or not. */
  #after = 0
  #upTo = 0

  constructor(reader: HistoryReader, { name, range, filter, acceptPruned }: HistorySourceOptions) {
    this.#reader = reader
    this.name = name
    this.#range = range
    this.#filter = filter
    this.#acceptPruned = acceptPruned
  }

  async open(): Promise<SourceSize> {
    const { after = 0, upTo, since, until } = this.#range
    this.#bounds = await this.#reader.bounds()
    const { first, head } = this.#bounds
    const from = since === undefined ? 0 : (await positionAt(this.#reader, since)) - 1
    const to = until === undefined ? head : (await positionAt(this.#reader, until)) - 1
    // Where all that is held is recent enough, what is held no more may have been too.
    this.#after = Math.max(after, from < first ? 0 : from)
    this.#upTo = Math.min(upTo ?? head, head, to)
    const isWhole = Object.keys(this.#filter).length === 0
    return isWhole ? { events: Math.max(0, this.#upTo - Math.max(this.#after, first - 1)) } : {}
  }

  async *read({ after, signal, patterns = [] }: ReadOptions): AsyncGenerator<SourcePage> {
    const isWhole = Object.keys(this.#filter).length === 0
    const required = requiredBy(patterns)
    const isRemote = this.#reader.selectMatching !== undefined && patterns.length === 1
    const reads = isWhole && Object.keys(required).length === 0 && !isRemote
    const mayMatch = new EventTest(required)
    const begin = after === undefined ? this.#after : await this.#resume(after)
    // Before anything is acted on.
    if (begin < this.#upTo) await this.#pruned({ after: begin, upTo: this.#upTo, limit: 1 })
    let through = Math.max(begin, this.#bounds.first - 1)
    let [bytes, told] = [0, through]
    while (through < this.#upTo && !signal.aborted) {
      const page = { after: through, upTo: this.#upTo, limit: pageEvents }
      const selected = reads
        ? await this.#readPage(page)
        : await selectFor(this.#reader, { ...page, filter: this.#filter }, patterns)
      const found = selected.events.filter((event) => mayMatch.mayMatch(event))
      for (const event of found) bytes += bodyLengthOf(event)
      if (selected.through === through) break
      through = selected.through
      const upTo = found.at(-1)?.position ?? through
      // What retention has removed since it began is not passed over silently either.
      const pruned = reads ? [] : await this.#pruned({ after: told, upTo: through })
      const passed =
        isWhole && !reads ? upTo - told - found.length - countOf(pruned, { after: told, upTo }) : 0
      told = upTo
      yield { events: found.map((event) => new HistoryEvent(event, this.#upTo)), bytes, passed }
    }
    if (isWhole && !reads && through > told && !signal.aborted) {
      const pruned = await this.#pruned({ after: told, upTo: through })
      yield { events: [], bytes, passed: through - told - countOf(pruned, { after: told, upTo: through }) }
    }
  }

  /** A page of all events, or the pruned range that is in its place. */
  async #readPage(page: { after: number; upTo: number; limit: number }): Promise<Selected> {
    try {
      const events = await this.#reader.read(page)
      return { events, through: events.at(-1)?.position ?? page.after }
    } catch (error) {
      if (!(error instanceof HistoryError) || error.code !== 'HISTORY_PRUNED') throw error
      const [range] = await this.#pruned({ ...page, limit: 1 })
      if (range === undefined) throw error
      return { events: [], through: Math.min(range.last, page.upTo) }
    }
  }

  /**
   * The pruned ranges that reach into a page, up to `limit`, or all of them.
   *
   * @throws HistoryError `HISTORY_PRUNED` where there is one and that is not accepted.
   */
  async #pruned({
    after,
    upTo,
    limit,
  }: {
    after: number
    upTo: number
    limit?: number
  }): Promise<PrunedRange[]> {
    const ranges: PrunedRange[] = []
    let through = after
    while (through < upTo) {
      const page = await this.#reader.pruned({ after: through, upTo, limit: limit ?? pageEvents })
      const [range] = page
      if (range !== undefined && !this.#acceptPruned) {
        const { first, last, reason } = range
        throw new HistoryError(
          'HISTORY_PRUNED',
          `${this.name} has pruned positions ${first} to ${last} (${reason}), which were to be read. Restore them from an export or a backup, begin behind them with the option \`after\`, or pass over them with \`acceptPruned\` (--from-option acceptPruned=true)`,
        )
      }
      ranges.push(...page)
      if (limit !== undefined || page.length < pageEvents) break
      through = page.at(-1)!.last
    }
    return ranges
  }

  /**
   * Where to go on, and up to where: as the run that was ended would have.
   *
   * @throws ReplayError `REPLAY_CHECKPOINT_FOREIGN` where the history does not hold what was read there.
   */
  async #resume(token: string): Promise<number> {
    const { position, check, upTo } = parseToken(token)
    const { first, head } = this.#bounds
    const event = await this.#reader.at(position)
    const foreign = (why: string) =>
      new ReplayError(
        'REPLAY_CHECKPOINT_FOREIGN',
        `${this.name} ${why}; it holds positions ${first} to ${head} now. Put it back as it was, or begin a new run with the option \`after\``,
      )
    if (event === undefined) throw foreign(`has no position ${position} any more, behind which to go on`)
    if (checkOf(event) !== check)
      throw foreign(`has another event at position ${position} than the run has read there`)
    if (head < upTo) throw foreign(`ends before position ${upTo}, with which the run was to end`)
    this.#upTo = upTo
    return position
  }

  async close(): Promise<void> {
    await this.#reader.close()
  }
}

/** How many positions of a page are in pruned ranges. */
function countOf(ranges: readonly PrunedRange[], { after, upTo }: { after: number; upTo: number }): number {
  let count = 0
  for (const { first, last } of ranges)
    count += Math.max(0, Math.min(last, upTo) - Math.max(first - 1, after))
  return count
}

/** A file from the folder that it was named in. */
function placeOf(address: string, cwd: string): string {
  return /^[a-z]+:\/\//i.test(address) ? address : resolve(cwd, address)
}

function timeOption(options: PluginOptions, name: string): Date | undefined {
  const text = options.text(name)
  if (text === undefined) return undefined
  const time = new Date(text)
  if (Number.isNaN(time.getTime()))
    throw new TypeError(`Expected \`${name}\` to be a time such as 2026-11-01T00:00:00Z, got ${text}`)
  return time
}
