/** Reads a history through a feed, as if it were here. */
import type { Identity } from '../../events/index.ts'
import { HistoryError } from '../errors.ts'
import type {
  Checkpoint,
  Erasure,
  HistoryCounts,
  HistoryReader,
  HistorySummary,
  KnownConsumer,
  LatestPage,
  MatchPage,
  Page,
  PrunedRange,
  Selected,
  SelectPage,
  SpentSequence,
} from '../reader.ts'
import type { EventOutline, PositionedIdentity, SequencedEvent, StoredEvent } from '../stored-event.ts'
import { type FeedAddress, parseFeedUrl } from './feed-address.ts'
import { type FeedAccess, type FeedAnswer, FeedClient, FeedRefusal, type FeedRequest } from './feed-client.ts'
import { pageMax, patternLengthMax } from './limits.ts'
import { ReadAhead } from './read-ahead.ts'
import { readRows, rowsType } from './row-blocks.ts'
import { cutOff, noFeed } from './wrong-answer.ts'

export interface HttpHistoryOptions extends FeedAccess {
  /** As `https://host:9480/exchanges/orders`; without the exchange where it is given, or only one is served. */
  readonly url: string
  readonly exchange?: string
}

/**
 * @throws TypeError for an address that is none. Each method: HistoryError `HISTORY_UNAVAILABLE` where the
 *   feed cannot be reached, `HISTORY_DENIED` where it does not let this reader in, `HISTORY_FOREIGN`,
 *   `HISTORY_TOO_NEW`, what the feed met with its history, and `HISTORY_CLOSED` after `close()`.
 */
export function openHttpHistory({ url, exchange, ...access }: HttpHistoryOptions): HistoryReader {
  const address = parseFeedUrl(url, exchange)
  return new HttpReader(address, new FeedClient(address.base, access))
}

class HttpReader implements HistoryReader {
  readonly #address: FeedAddress
  readonly #client: FeedClient
  #exchange: string | undefined
  #knowsPatterns = true
  readonly #ahead = new ReadAhead(async (page) => {
    const { events, through, head } = await this.#events({ ...page })
    return { events, isEnd: through >= Math.min(page.upTo, head) }
  })

  constructor(address: FeedAddress, client: FeedClient) {
    this.#address = address
    this.#client = client
    this.#exchange = address.exchange
  }

  /** Asked for, though the address may name it: only so is it known that the feed has it. */
  async exchange(): Promise<string> {
    const { exchange } = await this.#json<{ exchange: string }>('', { exchange: 'string' })
    return exchange
  }

  async bounds(): Promise<{ first: number; head: number }> {
    return await this.#json('/head', { first: 'number', head: 'number' })
  }

  async read({ after, upTo = Number.MAX_SAFE_INTEGER, limit = pageLimit }: Page): Promise<StoredEvent[]> {
    return await this.#ahead.read({ after, upTo, limit })
  }

  async latest({ after, upTo, limit = pageLimit }: LatestPage): Promise<StoredEvent[]> {
    const { events } = await this.#events({ after, upTo, limit, latest: true })
    return events
  }

  async select(page: SelectPage): Promise<Selected> {
    return await this.#select(page, {})
  }

  async #select(
    { filter, newestFirst = false, ...page }: SelectPage,
    more: Readonly<Record<string, QueryValue>>,
  ): Promise<Selected> {
    const { after, limit = pageLimit } = page
    const { types, subjects, sources } = filter
    if ([types, subjects, sources].some((choice) => choice?.length === 0)) {
      // A query has no way to say it: what is chosen among nothing.
      const { head } = await this.bounds()
      return {
        events: [],
        through: newestFirst ? after + 1 : Math.max(after, Math.min(page.upTo ?? head, head)),
      }
    }
    const choice = { type: types, subject: subjects, source: sources }
    const order = newestFirst ? 'newest' : 'oldest'
    return await this.#events({ ...page, limit, ...choice, order, ...more })
  }

  /** A long pattern would make an address that no server takes; a feed of an older version knows none. */
  async selectMatching({ pattern, ...page }: MatchPage): Promise<Selected> {
    if (!this.#knowsPatterns || pattern.text.length > patternLengthMax) return await this.select(page)
    try {
      return await this.#select(page, { pattern: pattern.text })
    } catch (error) {
      if (!(error instanceof FeedRefusal) || error.code !== 'FEED_PARAMETER_INVALID') throw error
      this.#knowsPatterns = false
      return await this.select(page)
    }
  }

  async identities(page: Page): Promise<PositionedIdentity[]> {
    return await this.#items('/identities', page)
  }

  async sequences(page: Page): Promise<SequencedEvent[]> {
    const items = await this.#items<SequencedEvent>('/sequences', page)
    // JSON leaves out what is undefined.
    return items.map((item) => ({
      ...item,
      subject: item.subject,
      epoch: item.epoch,
      sequence: item.sequence,
    }))
  }

  async outlines(page: Page): Promise<EventOutline[]> {
    const items = await this.#items<EventOutline>('/outlines', page)
    return items.map((item) => ({ ...item, subject: item.subject, recordedAt: new Date(item.recordedAt) }))
  }

  async spentSequences(page: Required<Page>): Promise<SpentSequence[]> {
    return await this.#items('/spent-sequences', page)
  }

  async checkpoints(page: Page): Promise<Checkpoint[]> {
    return await this.#items('/checkpoints', page)
  }

  async counts(): Promise<HistoryCounts | undefined> {
    const { counts } = await this.#json<{ counts?: HistoryCounts }>('/counts', {})
    return counts
  }

  async at(position: number): Promise<StoredEvent | undefined> {
    return await ifThere(async () => {
      const { rows } = await this.#rows(`/events/${position}`)
      if (rows.length === 1) return rows[0]
      throw cutOff(this.#address.base)
    })
  }

  /** By its position: an identity may be too long for an address. */
  async find(identity: Identity): Promise<StoredEvent | undefined> {
    const [position] = await this.positionsOf([identity])
    return position === undefined ? undefined : await this.at(position)
  }

  async positionsOf(identities: readonly Identity[]): Promise<(number | undefined)[]> {
    const found: (number | undefined)[] = []
    for (let from = 0; from < identities.length; from += askedMax) {
      const asked = identities.slice(from, from + askedMax).map(({ source, id }) => ({ source, id }))
      const { positions } = await this.#json<{ positions: (number | null)[] }>(
        '/positions',
        { positions: 'array' },
        { identities: asked },
      )
      // What is not answered for would pass for what is not there, or for what is.
      if (positions.length !== asked.length) throw cutOff(this.#address.base)
      for (const position of positions) found.push(position ?? undefined)
    }
    return found
  }

  async fence(id: string): Promise<number | undefined> {
    const fence = await ifThere(() =>
      this.#json<{ position: number }>(`/fences/${encodeURIComponent(id)}`, { position: 'number' }),
    )
    return fence?.position
  }

  async note(name: string): Promise<string | undefined> {
    const note = await ifThere(() =>
      this.#json<{ value: string }>(`/notes/${encodeURIComponent(name)}`, { value: 'string' }),
    )
    return note?.value
  }

  async summary({ upTo }: { upTo?: number } = {}): Promise<HistorySummary> {
    return await this.#json(`/summary${queryOf({ upTo })}`, { position: 'number', checksum: 'string' })
  }

  async consumers(): Promise<KnownConsumer[]> {
    const { items } = await this.#json<{ items: KnownConsumer[] }>('/consumers', { items: 'array' })
    return items.map((item) => ({ ...item, toldAt: new Date(item.toldAt) }))
  }

  async erasures(page: { after: number; limit?: number }): Promise<Erasure[]> {
    const items = await this.#items<Erasure>('/erasures', page)
    return items.map((item) => ({ ...item, at: new Date(item.at) }))
  }

  async pruned({ after, upTo, limit }: Page): Promise<PrunedRange[]> {
    const path = `/pruned${queryOf({ after, upTo, limit })}`
    const { items } = await this.#json<{ items: PrunedRange[] }>(path, { items: 'array' })
    return items.map((item) => ({ ...item, at: new Date(item.at) }))
  }

  async close(): Promise<void> {
    this.#client.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #events(query: Readonly<Record<string, QueryValue>>) {
    const { rows: events, through, head } = await this.#rows(`/events${queryOf({ ...query, page: true })}`)
    if (through !== undefined) return { events, through, head }
    throw cutOff(this.#address.base)
  }

  /** A page of small things, in as many requests as it takes. Such a list goes by `number` or by position. */
  async #items<Item extends object>(path: string, { after, upTo, limit = pageLimit }: Page): Promise<Item[]> {
    const all: Item[] = []
    for (let from = after; all.length < limit; ) {
      const asked = Math.min(limit - all.length, pageMax)
      const query = queryOf({ after: from, upTo, limit: asked })
      const { items } = await this.#json<{ items: Item[] }>(path + query, { items: 'array' })
      // One by one: there may be more than a call takes arguments.
      for (const item of items) all.push(item)
      if (items.length < asked) break
      const { number, position } = items.at(-1)! as { number?: number; position?: number }
      from = (number ?? position)!
    }
    return all
  }

  /** @param shape - What the answer must have to be one. */
  async #json<Value>(path: string, shape: Shape, json?: unknown): Promise<Value> {
    const { path: base, address } = await this.#history()
    const method = json === undefined ? 'GET' : 'POST'
    const { body } = await this.#ask({ method, path: base + path, json })
    return parseJson(body, address, shape) as Value
  }

  async #rows(path: string) {
    const { path: base, address, exchange } = await this.#history()
    const { body } = await this.#ask({ path: base + path, accept: rowsType })
    return readRows(body, { address, exchange })
  }

  /** @throws HistoryError `HISTORY_FOREIGN` where the feed has not this exchange. */
  async #ask(request: FeedRequest): Promise<FeedAnswer> {
    try {
      return await this.#client.ask(request)
    } catch (error) {
      if (!(error instanceof FeedRefusal) || error.code !== 'FEED_EXCHANGE_UNKNOWN') throw error
      throw new HistoryError(
        'HISTORY_FOREIGN',
        `The feed at ${this.#address.base} has no history of exchange ${this.#exchange}; name another exchange or feed`,
        { cause: error },
      )
    }
  }

  /** Which one of the feed's it is: where the address does not say, the only one. */
  async #history(): Promise<{ exchange: string; path: string; address: string }> {
    const { base } = this.#address
    this.#exchange ??= await this.#onlyExchange()
    const path = `/exchanges/${encodeURIComponent(this.#exchange)}`
    return { exchange: this.#exchange, path, address: base + path }
  }

  async #onlyExchange(): Promise<string> {
    const { base } = this.#address
    const { body } = await this.#client.ask({ path: '/exchanges' })
    const { exchanges } = parseJson(body, base, { exchanges: 'array' }) as {
      exchanges: { exchange: string }[]
    }
    const [only, ...others] = exchanges.map(({ exchange }) => exchange)
    if (only === undefined) {
      throw new HistoryError(
        'HISTORY_NOT_FOUND',
        `The feed at ${base} has no history (yet); start its recorder`,
      )
    }
    if (others.length === 0) return only
    throw new HistoryError(
      'HISTORY_AMBIGUOUS',
      `The feed at ${base} has the histories of ${[only, ...others].join(', ')}: name one, as in ${base}/exchanges/${encodeURIComponent(only)}`,
    )
  }
}

const pageLimit = 500
const askedMax = 1_000

type QueryValue = number | string | boolean | readonly string[] | undefined

function queryOf(values: Readonly<Record<string, QueryValue>>): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) continue
    for (const single of Array.isArray(value) ? value : [value]) query.append(name, String(single))
  }
  return `?${query}`
}

async function ifThere<Result>(ask: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof FeedRefusal) return undefined
    throw error
  }
}

type Shape = Readonly<Record<string, 'string' | 'number' | 'array'>>

/** @throws HistoryError `HISTORY_FOREIGN` for what lacks a member: whoever answers is something else. */
function parseJson(body: Buffer, address: string, shape: Shape): unknown {
  try {
    const value = JSON.parse(body.toString())
    for (const [name, type] of Object.entries(shape)) {
      const found: unknown = value[name]
      if (type === 'array' ? Array.isArray(found) : typeof found === type) continue
      throw new TypeError(`Expected \`${name}\` to be of type ${type}`)
    }
    return value
  } catch (cause) {
    throw noFeed(address, cause)
  }
}
