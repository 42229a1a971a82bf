/**
 * A history as a source: its events as lines of CloudEvents JSON, with all that the history says of them, so
 * that they can be published again byte for byte.
 */
import { resolve } from 'node:path'
import { isRfc3339, untyped, withJsonData, withJsonDataText } from '../../events/index.ts'
import {
  bodyLengthOf,
  type EventFilter,
  EventTest,
  eventLine,
  type HistoryReader,
  openHistory,
  positionAt,
  requiredBy,
  type StoredEvent,
  selectFor,
  shownAddress,
} from '../../history/index.ts'
import { ReplayError } from '../errors.ts'
import type { EventAttributes } from '../event-attributes.ts'
import { PluginOptions } from '../options.ts'
import type { PublishedMessage, ReplayEvent } from '../replay-event.ts'
import type { PluginTarget, ReadOptions, Source, SourcePage, SourcePlugin, SourceSize } from '../source.ts'

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
  options.end()
  const { address, context } = target
  const history = address === 'history' ? await context.history() : placeOf(address, context.cwd)
  const token = context.setting('BACKSTORY_HISTORY_TOKEN')
  const reader = openHistory({ history, ...(exchange && { exchange }), ...(token && { token }) })
  return new HistorySource(reader, { name: shownAddress(history), range, filter })
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
  #after = 0
  #upTo = 0

  constructor(
    reader: HistoryReader,
    { name, range, filter }: { name: string; range: Range; filter: EventFilter },
  ) {
    this.#reader = reader
    this.name = name
    this.#range = range
    this.#filter = filter
  }

  async open(): Promise<SourceSize> {
    const { after = 0, upTo, since, until } = this.#range
    const { first, head } = await this.#reader.bounds()
    const from = since === undefined ? 0 : (await positionAt(this.#reader, since)) - 1
    const to = until === undefined ? head : (await positionAt(this.#reader, until)) - 1
    this.#after = Math.max(after, first - 1, from)
    this.#upTo = Math.min(upTo ?? head, head, to)
    const isWhole = Object.keys(this.#filter).length === 0
    return isWhole ? { events: Math.max(0, this.#upTo - this.#after) } : {}
  }

  async *read({ after, signal, patterns = [] }: ReadOptions): AsyncGenerator<SourcePage> {
    const isWhole = Object.keys(this.#filter).length === 0
    const required = requiredBy(patterns)
    const isRemote = this.#reader.selectMatching !== undefined && patterns.length === 1
    const reads = isWhole && Object.keys(required).length === 0 && !isRemote
    const mayMatch = new EventTest(required)
    let through = Math.max(this.#after, after === undefined ? 0 : positionOf(after))
    let [bytes, told] = [0, through]
    while (through < this.#upTo && !signal.aborted) {
      const page = { after: through, upTo: this.#upTo, limit: pageEvents }
      const selected = reads
        ? { events: await this.#reader.read(page), through: undefined }
        : await selectFor(this.#reader, { ...page, filter: this.#filter }, patterns)
      const found = selected.events.filter((event) => mayMatch.mayMatch(event))
      for (const event of found) bytes += bodyLengthOf(event)
      const next = selected.through ?? selected.events.at(-1)?.position ?? through
      if (next === through) break
      through = next
      const upTo = found.at(-1)?.position ?? through
      const passed = isWhole && !reads ? upTo - told - found.length : 0
      told = upTo
      yield { events: found.map((event) => new HistoryEvent(event)), bytes, passed }
    }
    if (isWhole && !reads && through > told && !signal.aborted) {
      yield { events: [], bytes, passed: through - told }
    }
  }

  async close(): Promise<void> {
    await this.#reader.close()
  }
}

/** Its line is made once somebody looks at it. */
class HistoryEvent implements ReplayEvent {
  readonly position: number
  readonly #event: StoredEvent
  #text: string | undefined
  #json: unknown
  #jsonText: string | undefined
  #attributes: EventAttributes | undefined

  constructor(event: StoredEvent) {
    this.position = event.position
    this.#event = event
  }

  get place(): string {
    return `position ${this.position}`
  }

  get token(): string {
    return String(this.position)
  }

  get length(): number {
    return bodyLengthOf(this.#event)
  }

  get text(): string {
    this.#text ??= eventLine(this.#event)
    return this.#text
  }

  get published(): PublishedMessage {
    return this.#event
  }

  get json(): unknown {
    this.#json ??= withJsonData(JSON.parse(this.text))
    return this.#json
  }

  get jsonText(): string {
    this.#jsonText ??= withJsonDataText(this.text)
    return this.#jsonText
  }

  /** As its line has them. */
  get attributes(): EventAttributes {
    const { id, source, type, subject, time } = this.#event
    this.#attributes ??= {
      id,
      source,
      type: type === '' ? untyped : type,
      subject,
      time: time !== undefined && isRfc3339(time) ? time : undefined,
    }
    return this.#attributes
  }
}

function positionOf(token: string): number {
  const position = Number(token)
  if (Number.isSafeInteger(position) && position >= 0) return position
  throw new ReplayError('REPLAY_CHECKPOINT_FOREIGN', `${token} is no position of a history`)
}

/** A file from the folder that it was named in. */
function placeOf(address: string, cwd: string): string {
  return /^[a-z]+:\/\//i.test(address) ? address : resolve(cwd, address)
}

function timeOption(options: PluginOptions, name: string): Date | undefined {
  const text = options.text(name)
  if (text === undefined) return undefined
  const time = new Date(text)
  if (Number.isNaN(time.getTime())) throw new TypeError(`Expected \`${name}\` to be a time, got ${text}`)
  return time
}
