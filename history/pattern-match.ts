/**
 * Event patterns on a history: what of a pattern a store can select by, and the rest matched here.
 *
 * A pattern sees an event as the line that the history makes of it, with the body in `data`. What it needs of
 * type, subject and source it says exactly, so that no event is left out which it would match.
 */
import { type CloudEvent, EventError, type Pattern, untyped, withJsonData } from '../events/index.ts'
import { type EventFilter, isIndexed } from './event-filter.ts'
import { eventLine, plainLine } from './event-line.ts'
import type { HistoryReader, Selected, SelectPage } from './reader.ts'
import type { StoredEvent } from './stored-event.ts'

/** A longer list is not given to a store: to look at each event takes no longer. */
const choicesMax = 100

/** What any event has that one of the patterns matches, without patterns anything; complete, also where a list is long. */
export function requiredBy(patterns: readonly Pattern[]): EventFilter {
  if (patterns.length === 0) return {}
  const [types, subjects, sources] = ['type', 'subject', 'source'].map((name) => unionOf(patterns, name))
  return {
    // An event that states no type has one in its line.
    ...(types && { types: types.includes(untyped) ? [...types, ''] : types }),
    ...(subjects && { subjects }),
    ...(sources && { sources }),
  }
}

function unionOf(patterns: readonly Pattern[], name: string): string[] | undefined {
  const union = new Set<string>()
  for (const pattern of patterns) {
    const texts = pattern.requires(name)
    if (texts === undefined) return undefined
    for (const text of texts) union.add(text)
  }
  return [...union]
}

/** A filter as narrow as an index serves it, of all that any of the patterns matches. */
export function patternFilter(filter: EventFilter, patterns: readonly Pattern[]): EventFilter {
  return narrowed(filter, requiredBy(patterns))
}

/** Both filters as one that an index serves, if it can be; what it lets through has still to be looked at. */
function narrowed(filter: EventFilter, required: EventFilter): EventFilter {
  const types = both(filter.types, required.types)
  const subjects = both(filter.subjects, required.subjects)
  const sources = both(filter.sources, required.sources)
  const all = { ...(types && { types }), ...(subjects && { subjects }), ...(sources && { sources }) }
  const byType = { ...filter, ...(types && { types }) }
  return !isIndexed(all) && isIndexed(byType) ? byType : all
}

function both(
  given: readonly string[] | undefined,
  required: readonly string[] | undefined,
): readonly string[] | undefined {
  if (required === undefined) return given
  if (given !== undefined) {
    const wanted = new Set(required)
    return given.filter((text) => wanted.has(text))
  }
  return required.length > choicesMax ? undefined : required
}

/** A test that does not make the line of an event which its type, subject or source rules out. */
export class EventTest {
  readonly #lists: readonly (readonly [name: 'type' | 'subject' | 'source', texts: ReadonlySet<unknown>])[]

  constructor({ types, subjects, sources }: EventFilter) {
    const lists = { type: types, subject: subjects, source: sources } as const
    this.#lists = Object.entries(lists).flatMap(([name, texts]) =>
      texts === undefined ? [] : [[name as keyof typeof lists, new Set<unknown>(texts)] as const],
    )
  }

  mayMatch(event: Pick<CloudEvent, 'type' | 'subject' | 'source'>): boolean {
    return this.#lists.every(([name, texts]) => texts.has(event[name]))
  }
}

export interface PatternTestOptions {
  /** Answers for an event whose arrays are nested too deep to be judged: one such event ends no search. */
  unjudged(event: StoredEvent, error: EventError): boolean
}

export function patternTest(
  pattern: Pattern,
  { unjudged }: PatternTestOptions,
): (event: StoredEvent) => boolean {
  const test = new EventTest(requiredBy([pattern]))
  return (event) => {
    if (!test.mayMatch(event)) return false
    const json = jsonOf(eventLine(event))
    try {
      return pattern.matches(json)
    } catch (error) {
      if (error instanceof EventError && error.code === 'EVENT_TOO_DEEP') return unjudged(event, error)
      throw error
    }
  }
}

/** Of events that may not have been recorded yet: by what was published, without what a history says of it. */
export function publishedTest(pattern: Pattern): (event: CloudEvent) => boolean {
  const test = new EventTest(requiredBy([pattern]))
  return (event) => test.mayMatch(event) && pattern.matches(jsonOf(plainLine(event)))
}

function jsonOf(line: string): unknown {
  return withJsonData(JSON.parse(line))
}

/**
 * A page of the events that may match a pattern: where the history is elsewhere, of those that do. They have
 * still to be matched.
 *
 * @throws as `HistoryReader.select` does.
 */
export async function selectFor(
  reader: HistoryReader,
  { filter, ...page }: SelectPage,
  patterns: readonly Pattern[],
): Promise<Selected> {
  const [pattern, ...others] = patterns
  if (pattern === undefined) return await reader.select({ ...page, filter })
  const wanted = { ...page, filter: patternFilter(filter, patterns) }
  if (reader.selectMatching === undefined || others.length > 0) return await reader.select(wanted)
  return await reader.selectMatching({ ...wanted, pattern })
}
