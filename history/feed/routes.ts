/**
 * What a feed answers, route by route. openapi.ts describes the same for others, and a test holds the one
 * to the other.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Identity } from '../../events/index.ts'
import type { EventFilter } from '../event-filter.ts'
import { eventLine } from '../event-line.ts'
import { patternFilter } from '../pattern-match.ts'
import type { StoredEvent } from '../stored-event.ts'
import type { Call } from './call.ts'
import { type EventStreamOptions, streamEvents } from './event-stream.ts'
import { fenceWaitSecondsMax, type Limits, pageDefault, pageMax } from './limits.ts'
import { openapi } from './openapi.ts'
import { Problem } from './problem.ts'
import { decode, flag, oneOf, pattern, requiredText, texts, whole } from './query.ts'
import { columnsLine, rowBlock, rowsType } from './row-blocks.ts'
import type { ServedHistories, ServedHistory } from './served-histories.ts'

/** What a route works with. */
export interface Feeding {
  readonly histories: ServedHistories
  readonly limits: Limits
  /** Whether whoever asks may go on reading. */
  isGranted(): boolean
  onEvents(count: number): void
  onStalled(): void
  /** The page for Prometheus. */
  metrics(): Promise<string>
}

export interface Route {
  readonly method: 'GET' | 'POST'
  /** As OpenAPI writes it: `{name}` is one segment. */
  readonly path: string
  /** Takes no token. */
  readonly isOpen?: true
  /** Stays for long: so many at once are bounded. */
  readonly isStream?: true
  answer(call: Call, feeding: Feeding, names: readonly string[]): Promise<void>
}

/** @param names - The path's variables, decoded. */
type AnswerOf = (
  call: Call,
  history: ServedHistory,
  feeding: Feeding,
  names: readonly string[],
) => Promise<void>

const ofHistory =
  (answer: AnswerOf): Route['answer'] =>
  async (call, feeding, [exchange, ...names]) =>
    await answer(call, await feeding.histories.of(exchange!), feeding, names)

export const routes: readonly Route[] = [
  { method: 'GET', path: '/exchanges', answer: answerExchanges },
  { method: 'GET', path: '/exchanges/{exchange}', answer: ofHistory(answerExchange) },
  { method: 'GET', path: '/exchanges/{exchange}/head', answer: ofHistory(answerHead) },
  { method: 'GET', path: '/exchanges/{exchange}/summary', answer: ofHistory(answerSummary) },
  { method: 'GET', path: '/exchanges/{exchange}/events', isStream: true, answer: ofHistory(answerEvents) },
  { method: 'GET', path: '/exchanges/{exchange}/events/{position}', answer: ofHistory(answerAt) },
  { method: 'GET', path: '/exchanges/{exchange}/event', answer: ofHistory(answerFind) },
  { method: 'POST', path: '/exchanges/{exchange}/positions', answer: ofHistory(answerPositions) },
  {
    method: 'GET',
    path: '/exchanges/{exchange}/fences/{id}',
    isStream: true,
    answer: ofHistory(answerFence),
  },
  { method: 'GET', path: '/exchanges/{exchange}/identities', answer: ofHistory(answerIdentities) },
  { method: 'GET', path: '/exchanges/{exchange}/sequences', answer: ofHistory(answerSequences) },
  { method: 'GET', path: '/exchanges/{exchange}/spent-sequences', answer: ofHistory(answerSpentSequences) },
  { method: 'GET', path: '/exchanges/{exchange}/checkpoints', answer: ofHistory(answerCheckpoints) },
  { method: 'GET', path: '/exchanges/{exchange}/outlines', answer: ofHistory(answerOutlines) },
  { method: 'GET', path: '/exchanges/{exchange}/counts', answer: ofHistory(answerCounts) },
  { method: 'GET', path: '/exchanges/{exchange}/consumers', answer: ofHistory(answerConsumers) },
  { method: 'GET', path: '/exchanges/{exchange}/pruned', answer: ofHistory(answerPruned) },
  { method: 'GET', path: '/exchanges/{exchange}/erasures', answer: ofHistory(answerErasures) },
  { method: 'GET', path: '/exchanges/{exchange}/notes/{name}', answer: ofHistory(answerNote) },
  { method: 'GET', path: '/openapi.json', isOpen: true, answer: async (call) => call.send(openapi) },
  { method: 'GET', path: '/livez', isOpen: true, answer: async (call) => call.send({ live: true }) },
  { method: 'GET', path: '/readyz', isOpen: true, answer: answerReady },
  { method: 'GET', path: '/metrics', answer: answerMetrics },
]

/**
 * The route of a call, and the variables of its path.
 *
 * @throws Problem `FEED_PATH_UNKNOWN`, `FEED_METHOD_UNKNOWN`, `FEED_REQUEST_MALFORMED`.
 */
export function routeOf({ segments, request }: Call): { route: Route; names: string[] } {
  const fitting = routes.filter(({ path }) => fits(segments, templateOf(path)))
  if (fitting.length === 0) {
    throw new Problem(
      'FEED_PATH_UNKNOWN',
      'There is nothing at this address; /openapi.json lists what there is',
    )
  }
  const method = request.method === 'HEAD' ? 'GET' : request.method
  const route = fitting.find((candidate) => candidate.method === method)
  if (route === undefined) {
    const allow = fitting
      .map((candidate) => (candidate.method === 'GET' ? 'GET, HEAD' : candidate.method))
      .join(', ')
    throw new Problem('FEED_METHOD_UNKNOWN', `There is ${allow} here`, { headers: { allow } })
  }
  const names = templateOf(route.path).flatMap((part, index) =>
    isName(part) ? decode(segments[index]!) : [],
  )
  return { route, names }
}

function templateOf(path: string): readonly string[] {
  return path.split('/').slice(1)
}

function fits(segments: readonly string[], template: readonly string[]): boolean {
  return (
    segments.length === template.length &&
    template.every((part, index) => (isName(part) ? segments[index] !== '' : part === segments[index]))
  )
}

function isName(part: string): boolean {
  return part.startsWith('{')
}

async function answerExchanges(call: Call, { histories }: Feeding): Promise<void> {
  call.query({})
  call.send({ exchanges: await histories.list() })
}

async function answerExchange(call: Call, { reader }: ServedHistory): Promise<void> {
  call.query({})
  const exchange = await reader.exchange()
  const { first } = await reader.bounds()
  const { position: head, count, checksum, unidentified } = await reader.summary()
  const headers = { 'backstory-first': String(first), 'backstory-head': String(head) }
  call.send({ exchange, first, head, count, checksum, unidentified }, { headers })
}

async function answerHead(call: Call, { reader }: ServedHistory): Promise<void> {
  call.query({})
  const { first, head } = await reader.bounds()
  const headers = { 'backstory-first': String(first), 'backstory-head': String(head) }
  call.send({ first, head }, { headers })
}

async function answerSummary(call: Call, { reader }: ServedHistory): Promise<void> {
  const { upTo } = call.query({ upTo: whole() })
  call.send(await reader.summary({ upTo }))
}

const eventsParameters = {
  after: whole(),
  upTo: whole(),
  limit: whole({ min: 1 }),
  type: texts,
  subject: texts,
  source: texts,
  pattern,
  order: oneOf(['oldest', 'newest']),
  follow: flag,
  page: flag,
  latest: flag,
}

async function answerEvents(call: Call, history: ServedHistory, feeding: Feeding): Promise<void> {
  const { after = 0, upTo = everything, limit = everything, pattern, ...asked } = call.query(eventsParameters)
  const newestFirst = asked.order === 'newest'
  if (newestFirst && asked.follow) {
    throw new Problem('FEED_PARAMETER_INVALID', 'follow goes with the oldest first')
  }
  const asFiltered = filterOf(asked)
  const filter = pattern === undefined ? asFiltered : patternFilter(asFiltered ?? {}, [pattern])
  const { latest } = asked
  if (latest && (newestFirst || asked.follow || filter !== undefined)) {
    throw new Problem(
      'FEED_PARAMETER_INVALID',
      'latest goes with the oldest first, without follow, type, subject, source and pattern',
    )
  }
  const asRows = call.accepts(rowsType)
  const contentType = asRows ? rowsType : 'application/x-ndjson'
  if (call.request.method === 'HEAD') {
    call.response.writeHead(200, { 'content-type': contentType, 'cache-control': 'no-store' }).end()
    return
  }
  const { limits } = feeding
  const options: EventStreamOptions = {
    ...feeding,
    history,
    query: {
      after,
      upTo,
      limit,
      filter,
      pattern,
      newestFirst,
      follow: asked.follow,
      page: asked.page,
      latest,
    },
    asRows,
    keepAliveMs: limits.keepAliveMs,
    ended: call.ended,
    open: () => call.stream({ contentType, ...limits, onStalled: feeding.onStalled }),
  }
  await streamEvents(options)
}

const everything = Number.MAX_SAFE_INTEGER

function filterOf({
  type: types,
  subject: subjects,
  source: sources,
}: Readonly<Record<'type' | 'subject' | 'source', readonly string[] | undefined>>): EventFilter | undefined {
  if (types === undefined && subjects === undefined && sources === undefined) return undefined
  return { ...(types && { types }), ...(subjects && { subjects }), ...(sources && { sources }) }
}

async function answerAt(
  call: Call,
  { reader }: ServedHistory,
  _feeding: Feeding,
  [position]: readonly string[],
): Promise<void> {
  call.query({})
  const number = whole({ min: 1 })('position', [position!])!
  sendEvent(call, await reader.at(number))
}

async function answerFind(call: Call, { reader }: ServedHistory): Promise<void> {
  sendEvent(call, await reader.find(call.query({ source: requiredText, id: requiredText })))
}

function sendEvent(call: Call, event: StoredEvent | undefined): void {
  if (event === undefined) throw new Problem('FEED_EVENT_UNKNOWN', 'The history has no such event')
  if (call.accepts(rowsType))
    call.send(Buffer.concat([Buffer.from(columnsLine), rowBlock([event])]), { type: rowsType })
  else call.send(`${eventLine(event)}\n`, { type: 'application/cloudevents+json' })
}

async function answerPositions(call: Call, { reader }: ServedHistory, { limits }: Feeding): Promise<void> {
  call.query({})
  const identities = identitiesOf(await call.json(limits))
  const positions = await reader.positionsOf(identities)
  call.send({ positions: positions.map((position) => position ?? null) })
}

function identitiesOf(body: unknown): readonly Identity[] {
  const { identities } = (body ?? {}) as { identities?: unknown }
  const isIdentity = (identity: unknown) =>
    typeof identity === 'object' &&
    identity !== null &&
    'source' in identity &&
    'id' in identity &&
    typeof identity.source === 'string' &&
    typeof identity.id === 'string'
  if (Array.isArray(identities) && identities.length <= pageMax && identities.every(isIdentity))
    return identities
  throw new Problem(
    'FEED_REQUEST_MALFORMED',
    `The body must be {"identities":[{"source":"…","id":"…"}, …]}, with up to ${pageMax} of them`,
  )
}

const fencePollMs = 50

async function answerFence(
  call: Call,
  { reader }: ServedHistory,
  _feeding: Feeding,
  [id]: readonly string[],
): Promise<void> {
  const { wait = 0 } = call.query({ wait: whole({ max: fenceWaitSecondsMax }) })
  const until = performance.now() + wait * 1_000
  for (;;) {
    const position = await reader.fence(id!)
    if (position !== undefined) {
      call.send({ id, position })
      return
    }
    if (performance.now() >= until || call.ended.aborted) {
      throw new Problem('FEED_FENCE_UNKNOWN', 'The history has no such fence, so far')
    }
    await sleep(fencePollMs)
  }
}

const pageLimit = whole({ min: 1, max: pageMax })
const pageParameters = { after: whole(), upTo: whole(), limit: pageLimit }

function pageOf(call: Call) {
  const { after = 0, upTo = everything, limit = pageDefault } = call.query(pageParameters)
  return { after, upTo, limit }
}

async function answerIdentities(call: Call, { reader }: ServedHistory): Promise<void> {
  call.send({ items: await reader.identities(pageOf(call)) })
}

async function answerSequences(call: Call, { reader }: ServedHistory): Promise<void> {
  call.send({ items: await reader.sequences(pageOf(call)) })
}

async function answerSpentSequences(call: Call, { reader }: ServedHistory): Promise<void> {
  call.send({ items: await reader.spentSequences(pageOf(call)) })
}

async function answerCheckpoints(call: Call, { reader }: ServedHistory): Promise<void> {
  call.send({ items: await reader.checkpoints(pageOf(call)) })
}

async function answerOutlines(call: Call, { reader }: ServedHistory): Promise<void> {
  call.send({ items: await reader.outlines(pageOf(call)) })
}

async function answerCounts(call: Call, { reader }: ServedHistory): Promise<void> {
  call.query({})
  call.send({ counts: await reader.counts() })
}

async function answerConsumers(call: Call, { reader }: ServedHistory): Promise<void> {
  call.query({})
  call.send({ items: await reader.consumers() })
}

async function answerPruned(call: Call, { reader }: ServedHistory): Promise<void> {
  call.send({ items: await reader.pruned(pageOf(call)) })
}

async function answerErasures(call: Call, { reader }: ServedHistory): Promise<void> {
  const { after = 0, limit = pageDefault } = call.query({ after: whole(), limit: pageLimit })
  call.send({ items: await reader.erasures({ after, limit }) })
}

async function answerNote(
  call: Call,
  { reader }: ServedHistory,
  _feeding: Feeding,
  [name]: readonly string[],
): Promise<void> {
  call.query({})
  const value = await reader.note(name!)
  if (value === undefined) throw new Problem('FEED_NOTE_UNKNOWN', 'The history has no such note')
  call.send({ name, value })
}

async function answerReady(call: Call, { histories }: Feeding): Promise<void> {
  const failure = await histories.failure()
  if (failure !== undefined) {
    // Without a token nobody is told of files and addresses.
    throw new Problem(
      'FEED_NOT_READY',
      'A history cannot be read; the log and an answer with a token tell why',
    )
  }
  call.send({ ready: true })
}

async function answerMetrics(call: Call, { metrics }: Feeding): Promise<void> {
  call.query({})
  call.send(await metrics(), { type: 'text/plain; version=0.0.4; charset=utf-8' })
}
