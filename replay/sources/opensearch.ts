/**
 * The documents of an index of OpenSearch or Elasticsearch, in the order of a sort, as one point in time has them.
 *
 * A token holds the values that a document is sorted by. A later process goes on behind them in a point in time of
 * its own, so it sees what was written in between; so does one whose point in time has expired.
 */

import type { Logger } from '../../events/index.ts'
import { ReplayError } from '../errors.ts'
import { JsonEvent } from '../json-event.ts'
import { type Hit, type Page, pageOf } from '../opensearch/page.ts'
import { closePointInTime, openPointInTime } from '../opensearch/point-in-time.ts'
import { LongAnswerError, networkError, requireOk, Server, serverOptions } from '../opensearch/server.ts'
import { tryAgain } from '../opensearch/try-again.ts'
import { PluginOptions } from '../options.ts'
import type { PluginTarget, Source, SourcePage, SourcePlugin, SourceSize } from '../source.ts'

const pageEventsDefault = 1_000
const pageBytesMax = 32 * 1024 * 1024

export const source: SourcePlugin = {
  address: 'opensearch+https://HOST:9200/INDEX, elasticsearch+…',
  summary: 'The documents of an index of OpenSearch or Elasticsearch',
  options: {
    sort: 'Fields, together different for each document: time,id or time:desc,id; or as the search has it',
    query: 'A query of its query language; default all documents',
    keepAlive: 'How long a point in time outlives its last page; default 5m',
    pageEvents: `Documents of a page; default ${pageEventsDefault}`,
    ...serverOptions,
  },
  create(target: PluginTarget): Source {
    const options = new PluginOptions(target)
    const server = new Server(target, options)
    const sort = sortOf(options.any('sort'))
    const query = options.object('query')
    const keepAlive = options.text('keepAlive') ?? '5m'
    if (!/^\d{1,9}(s|m|h)$/.test(keepAlive))
      throw new TypeError(`Expected keepAlive to be such as 5m, got ${keepAlive}`)
    const pageEvents = options.whole('pageEvents', { min: 1, max: 10_000 }) ?? pageEventsDefault
    options.end()
    return new OpenSearchSource(server, { sort, query, keepAlive, pageEvents, logger: target.context.logger })
  },
}

function sortOf(form: unknown): readonly unknown[] {
  const list = typeof form === 'string' ? form.split(',').map((one) => one.trim()) : form
  if (Array.isArray(list) && list.length > 0 && list.every((one) => one !== '')) {
    return list.map((one) => {
      const [, field, order] = typeof one === 'string' ? (/^(.+):(asc|desc)$/.exec(one) ?? []) : []
      return field === undefined ? one : { [field]: order }
    })
  }
  throw new TypeError('Expected `sort` to be fields, together different for each document, such as time,id')
}

interface Search {
  readonly sort: readonly unknown[]
  readonly query: Readonly<Record<string, unknown>> | undefined
  readonly keepAlive: string
  readonly pageEvents: number
  readonly logger: Logger
}

/** How far a reading is. */
interface Mark {
  readonly position: number
  /** A JSON array; undefined before the first document. */
  readonly sort: string | undefined
}

class OpenSearchSource implements Source {
  readonly name: string
  readonly #server: Server
  readonly #search: Search
  /** Of the readings that are not over. */
  readonly #points = new Set<string>()

  constructor(server: Server, search: Search) {
    this.name = server.name
    this.#server = server
    this.#search = search
  }

  async open(): Promise<SourceSize> {
    const server = this.#server
    const { query } = this.#search
    const answer = await server
      .send({
        method: 'POST',
        path: `${server.indexPath}/_count`,
        body: JSON.stringify(query === undefined ? {} : { query }),
      })
      .catch((cause: unknown) => {
        const { code, message } = networkError(cause)
        throw new ReplayError('REPLAY_SOURCE_UNAVAILABLE', `${server.name}: ${message} (${code})`, { cause })
      })
    requireOk(server, answer, answer.status === 400 ? 'REPLAY_SOURCE_INVALID' : 'REPLAY_SOURCE_UNAVAILABLE')
    const { count } = JSON.parse(answer.text) as { count?: unknown }
    return typeof count === 'number' ? { events: count } : {}
  }

  async *read({
    after,
    signal,
  }: {
    after: string | undefined
    signal: AbortSignal
  }): AsyncGenerator<SourcePage> {
    let mark = this.#markOf(after)
    let bytes = 0
    const reading = new Reading(this.#server, this.#search, this.#points)
    try {
      while (!signal.aborted) {
        const page = await reading.next(mark, signal)
        if (page === undefined) break
        const { hits, length } = page
        bytes += length
        yield { events: eventsOf(hits, mark), bytes }
        mark = { position: mark.position + hits.length, sort: hits.at(-1)!.sort }
      }
    } catch (error) {
      // It was told to end while it waited for the server.
      if (!signal.aborted || error !== signal.reason) throw error
    } finally {
      await reading.close()
    }
  }

  async close(): Promise<void> {
    for (const id of this.#points) await closePointInTime(this.#server, id)
    this.#points.clear()
  }

  #markOf(token: string | undefined): Mark {
    if (token === undefined) return { position: 0, sort: undefined }
    const [, position, sort] = /^\[(\d{1,15}),(.*)\]$/s.exec(token) ?? []
    if (sort !== undefined && isJsonList(`[${sort}]`, this.#search.sort.length))
      return { position: Number(position), sort: `[${sort}]` }
    throw new ReplayError(
      'REPLAY_CHECKPOINT_FOREIGN',
      `${token} is no place in ${this.name}, as it is sorted now`,
    )
  }
}

/** Elasticsearch adds one of its own to the values. */
function isJsonList(text: string, count: number): boolean {
  try {
    const { length } = JSON.parse(text) as unknown[]
    return length === count || length === count + 1
  } catch {
    return false
  }
}

/** Pages of one search, in one point in time, or in further ones where it expires. */
class Reading {
  readonly #server: Server
  readonly #search: Search
  readonly #points: Set<string>
  #point: string | undefined
  #pageEvents: number
  /** Of the search, as long as it is in its first point in time. */
  #total: number | undefined
  #read = 0
  #isFirst = true

  constructor(server: Server, search: Search, points: Set<string>) {
    this.#server = server
    this.#search = search
    this.#points = points
    this.#pageEvents = search.pageEvents
  }

  /** Undefined behind the last one. */
  async next(mark: Mark, signal: AbortSignal): Promise<{ hits: readonly Hit[]; length: number } | undefined> {
    const isWhole = this.#isFirst && mark.sort === undefined
    const { page, length } = await this.#page(mark, signal)
    if (isWhole) this.#total = page.total
    this.#isFirst = false
    this.#read += page.hits.length
    if (page.hits.length > 0) {
      this.#requireDifferent(page.hits, mark.sort)
      return { hits: page.hits, length }
    }
    if (this.#total !== undefined && this.#read !== this.#total)
      throw this.#ambiguous(`${this.#read} of ${this.#total} documents were read`)
    return undefined
  }

  async close(): Promise<void> {
    if (this.#point === undefined) return
    this.#points.delete(this.#point)
    await closePointInTime(this.#server, this.#point)
    this.#point = undefined
  }

  async #page(mark: Mark, signal: AbortSignal): Promise<{ page: Page; length: number }> {
    const server = this.#server
    for (let renewals = 0; ; ) {
      this.#setPoint(this.#point ?? (await openPointInTime(server, { ...this.#search, signal })))
      try {
        const answer = await tryAgain(server, {
          method: 'POST',
          path: '_search?allow_partial_search_results=false',
          body: this.#body(mark),
          answerMax: pageBytesMax,
          signal,
        })
        if (answer.status === 404 && renewals < 3) {
          renewals += 1
          this.#renew()
          continue
        }
        requireOk(
          server,
          answer,
          answer.status === 400 ? 'REPLAY_SOURCE_INVALID' : 'REPLAY_SOURCE_UNAVAILABLE',
        )
        const page = pageOf(answer.text)
        if (page === undefined || page.isPartial)
          throw new ReplayError(
            'REPLAY_SOURCE_UNAVAILABLE',
            `${server.name} gave a part of its documents only`,
          )
        if (page.pit !== undefined) this.#setPoint(page.pit)
        return { page, length: Buffer.byteLength(answer.text) }
      } catch (error) {
        if (!(error instanceof LongAnswerError)) throw error
        if (this.#pageEvents === 1)
          throw new ReplayError(
            'REPLAY_SOURCE_INVALID',
            `${server.name} has a document of more than ${pageBytesMax} bytes`,
          )
        this.#pageEvents = Math.ceil(this.#pageEvents / 4)
      }
    }
  }

  #body({ sort: after }: Mark): string {
    const { sort, query, keepAlive } = this.#search
    const search = {
      size: this.#pageEvents,
      sort,
      pit: { id: this.#point, keep_alive: keepAlive },
      track_total_hits: after === undefined,
      ...(query && { query }),
    }
    // As the server wrote it: parsed, a long number would lose digits.
    return after === undefined
      ? JSON.stringify(search)
      : `${JSON.stringify(search).slice(0, -1)},"search_after":${after}}`
  }

  #setPoint(id: string): void {
    if (this.#point !== undefined) this.#points.delete(this.#point)
    this.#point = id
    this.#points.add(id)
  }

  /** It has expired, or its node is gone. */
  #renew(): void {
    this.#points.delete(this.#point!)
    this.#point = undefined
    this.#total = undefined
    this.#search.logger.warn('replay.point-in-time-expired', { source: this.#server.name })
  }

  /** What is sorted alike could be left out where a page, or a run, ends between the two. */
  #requireDifferent(hits: readonly Hit[], before: string | undefined): void {
    let last = before === undefined ? undefined : this.#keyOf(before)
    for (const { id, sort, text } of hits) {
      const key = this.#keyOf(sort)
      if (key === last) throw this.#ambiguous(`document ${id} has the same values as the one before it`)
      if (text === undefined)
        throw new ReplayError(
          'REPLAY_SOURCE_INVALID',
          `${this.#server.name} keeps no _source of document ${id}`,
        )
      last = key
    }
  }

  /** Without what Elasticsearch adds. */
  #keyOf(sort: string): string {
    return JSON.stringify((JSON.parse(sort) as unknown[]).slice(0, this.#search.sort.length))
  }

  #ambiguous(why: string): ReplayError {
    return new ReplayError(
      'REPLAY_SOURCE_INVALID',
      `The sort does not tell all documents of ${this.#server.name} apart: ${why}; add a field that is different for each`,
    )
  }
}

function eventsOf(hits: readonly Hit[], { position: before }: Mark): JsonEvent[] {
  const hitAt = (position: number) => hits[position - before - 1]!
  const origin = {
    placeOf: (position: number) => `${hitAt(position).index}, document ${hitAt(position).id}`,
    tokenOf: (position: number) => `[${position},${hitAt(position).sort.trim().slice(1)}`,
  }
  return hits.map(({ text }, at) => new JsonEvent(text!, before + at + 1, origin))
}
