/**
 * Search in a history: by what a store selects by, and by what is in the bodies.
 *
 * Bodies are looked at here, page by page, so memory is a page whatever is searched. JSON is what parses as
 * JSON, whatever its publisher called it.
 */
import { type Logger, type Pattern, silentLogger, textOf } from '../../events/index.ts'
import type { EventFilter } from '../event-filter.ts'
import { patternTest, selectFor } from '../pattern-match.ts'
import type { HistoryReader, Selected } from '../reader.ts'
import { RowEvent, type StoredEvent } from '../stored-event.ts'
import { type Condition, holds } from './condition.ts'

export interface SearchOptions {
  readonly filter?: EventFilter
  /** Each of them must be in the body, as it was published: `ü` is not found where it is written `\u00fc`. */
  readonly texts?: readonly string[]
  /** Default false. */
  readonly ignoreCase?: boolean
  /** All of them must hold, as `parseCondition` made them. */
  readonly where?: readonly Condition[]
  /**
   * The event must match it: CloudEvents JSON, as in its line, with the body in `data`. An event whose arrays are
   * nested deeper than 1,000 is not found, and the logger is told of it: `search.unjudged`.
   */
  readonly pattern?: Pattern
  /** Exclusive. Default 0. */
  readonly after?: number
  /** Inclusive. Default: the head. */
  readonly upTo?: number
  /** Events at most. Default: all. */
  readonly limit?: number
  /** Default false. */
  readonly newestFirst?: boolean
  /** Ends the search between two pages, with its reason as the error. */
  readonly signal?: AbortSignal
  /** Default: silent. */
  readonly logger?: Logger
}

/**
 * Searches page by page; a page may have no event, and says how far the search has come.
 *
 * @returns Pages as `select` gives them. After the last one, `through` says where a further search begins.
 * @throws HistoryError as `HistoryReader.select` does.
 */
export async function* searchHistory(
  reader: HistoryReader,
  {
    filter = {},
    texts = [],
    ignoreCase = false,
    where = [],
    pattern,
    after = 0,
    upTo,
    limit = Number.POSITIVE_INFINITY,
    newestFirst = false,
    signal,
    logger = silentLogger,
  }: SearchOptions = {},
): AsyncGenerator<Selected> {
  const bounds = await reader.bounds()
  let [from, to] = [Math.max(after, bounds.first - 1), Math.min(upTo ?? bounds.head, bounds.head)]
  const passes = testOf({ texts, ignoreCase, where, pattern }, logger)
  const patterns = pattern === undefined ? [] : [pattern]
  for (let left = limit; left > 0 && from < to; ) {
    signal?.throwIfAborted()
    const pageLimit = passes === undefined ? Math.min(left, pageLimitMax) : pageLimitMax
    const page = { filter, after: from, upTo: to, limit: pageLimit, newestFirst }
    const { events, through } = await selectFor(reader, page, patterns)
    const found = (passes === undefined ? events : events.filter(passes)).slice(0, left)
    left -= found.length
    const reached = left === 0 ? found.at(-1)!.position : through
    yield { events: found, through: reached }
    if (newestFirst) to = reached - 1
    else from = reached
  }
}

const pageLimitMax = 500

type Asked = Required<Pick<SearchOptions, 'texts' | 'ignoreCase' | 'where'>>

function testOf(
  { pattern, ...asked }: Asked & { pattern: Pattern | undefined },
  logger: Logger,
): ((event: StoredEvent) => boolean) | undefined {
  const passes = bodyTest(asked)
  if (pattern === undefined) return passes
  const matches = patternTest(pattern, {
    unjudged({ position }, { message }) {
      logger.warn('search.unjudged', { position, error: message })
      return false
    },
  })
  return passes === undefined ? matches : (event) => passes(event) && matches(event)
}

/** Undefined where any body will do. */
function bodyTest({ texts, ignoreCase, where }: Asked): ((event: StoredEvent) => boolean) | undefined {
  if (texts.length === 0 && where.length === 0) return undefined
  const finds = texts.map((text) => textTest(text, { ignoreCase }))
  return (event) => {
    const body = bodyTextOf(event)
    if (!finds.every((isIn) => isIn(body))) return false
    if (where.length === 0) return true
    const data = jsonOf(body)
    return where.every((condition) => holds(condition, data))
  }
}

function textTest(text: string, { ignoreCase }: { ignoreCase: boolean }): (body: string) => boolean {
  if (!ignoreCase) return (body) => body.includes(text)
  const pattern = new RegExp(text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'), 'iu')
  return (body) => pattern.test(body)
}

function bodyTextOf(event: StoredEvent): string {
  if (event instanceof RowEvent) return event.bodyText
  const { body } = event.message
  return textOf(body) ?? body.toString('latin1')
}

function jsonOf(text: string): unknown {
  // Most of what is no JSON at all is told without the cost of an error.
  if (!/^\s*[{["\dtfn-]/.test(text)) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
