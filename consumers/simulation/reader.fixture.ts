/**
 * The history as one process reads it. While it is away, each query says so, as a transient error.
 */
import { HistoryError, type HistoryReader, matchesFilter } from '../../history/index.ts'
import type { SimHistory } from './history.fixture.ts'
import type { Life } from './life.fixture.ts'

export interface ReaderOptions {
  readonly history: SimHistory
  readonly life: Life
  readonly isAway: () => boolean
  /** Called at each duplicate check with whether the history could not answer it. */
  readonly onDuplicateCheck?: (isBlind: boolean) => void
}

const pageLimit = 500

export function openSimReader({
  history,
  life,
  isAway,
  onDuplicateCheck = () => {},
}: ReaderOptions): HistoryReader {
  const query = <Result>(read: () => Result) =>
    life.call(() => {
      if (isAway()) throw new HistoryError('HISTORY_UNAVAILABLE', 'The simulated history is away')
      return read()
    })
  const position = (source: string, id: string) => {
    const found = history.positionOf(source, id)
    return found === undefined || found < history.first ? undefined : found
  }
  return {
    exchange: async () => 'simulated',
    bounds: () => query(() => ({ first: history.first, head: history.head })),
    read: ({ after, upTo = history.head, limit = pageLimit }) =>
      query(() => history.page(after, Math.min(upTo, history.head), limit)),
    latest: ({ after, upTo, limit = pageLimit }) =>
      query(() => history.page(after, Math.min(upTo, history.head), limit)),
    select: ({ filter, after, upTo = history.head, limit = pageLimit }) =>
      query(() => {
        const page = history.page(after, Math.min(upTo, history.head), limit)
        return {
          events: page.filter((event) => matchesFilter(event, filter)),
          through: page.at(-1)?.position ?? after,
        }
      }),
    identities: ({ after, upTo = history.head, limit = pageLimit }) =>
      query(() => {
        const page = history.page(after, Math.min(upTo, history.head), limit)
        return page.map(({ position, source, id, unidentified }) => ({ position, source, id, unidentified }))
      }),
    sequences: ({ after, upTo = history.head, limit = pageLimit }) =>
      query(() => {
        const page = history.page(after, Math.min(upTo, history.head), limit)
        return page.map((event) => ({ ...event, epoch: undefined, sequence: undefined }))
      }),
    outlines: ({ after, upTo = history.head, limit = pageLimit }) =>
      query(() => {
        const page = history.page(after, Math.min(upTo, history.head), limit)
        return page.map((event) => ({ ...event, bodyBytes: event.message.body.length }))
      }),
    counts: () => query(() => undefined),
    spentSequences: () => life.call(() => []),
    checkpoints: ({ after }) =>
      query(() => (after >= history.head ? [] : [history.summary(Number.MAX_SAFE_INTEGER)])),
    at: (at) => query(() => history.page(at - 1, at, 1)[0]),
    find: ({ source, id }) =>
      query(() => {
        const found = position(source, id)
        return found === undefined ? undefined : history.events[found - 1]
      }),
    async positionsOf(identities) {
      onDuplicateCheck(true)
      const positions = await query(() => identities.map(({ source, id }) => position(source, id)))
      onDuplicateCheck(false)
      return positions
    },
    fence: (id) => query(() => history.fence(id)),
    note: async () => undefined,
    summary: ({ upTo = Number.MAX_SAFE_INTEGER } = {}) => query(() => history.summary(upTo)),
    consumers: async () => [],
    erasures: async () => [],
    pruned: async () => [],
    close: async () => {},
    [Symbol.asyncDispose]: async () => {},
  }
}
