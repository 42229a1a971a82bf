/**
 * Erasures: a consumer is told of each, once, when all of the events that it emptied have been applied or
 * passed over here; until then one of them may still come out of the live queue, whole. A new consumer is
 * not told of past ones.
 *
 * What the store keeps of these events for itself, parked or still to react, goes in the same transaction.
 * Where `onErased` fails, the consumer goes on, and is told again at the next look.
 */
import type { Logger } from '../events/index.ts'
import type { Erasure, HistoryReader, StoredEvent } from '../history/index.ts'
import type { Applier } from './applier.ts'
import type { Clock } from './link.ts'

export interface ErasuresOptions {
  readonly consumer: string
  readonly history: HistoryReader
  readonly applier: Applier<unknown>
  readonly auditMs: number
  readonly clock: Clock
  readonly logger: Logger
}

/** Looks are rarer than those of the audit: with a remote history each is a request. */
const auditsALook = 50
const pageLimit = 500

export class Erasures {
  readonly #options: ErasuresOptions
  #lookAt = 0

  constructor(options: ErasuresOptions) {
    this.#options = options
  }

  /**
   * Passes over what was erased before a new consumer reads its first event: it will never have had any of it.
   */
  async begin(): Promise<void> {
    const { history, applier } = this.#options
    const { cursor, replayed, live } = applier.state
    if (cursor + replayed + live > 0) return
    for (;;) {
      const newest = (await history.erasures({ after: applier.state.erasure })).at(-1)
      if (newest === undefined) return
      await applier.skipErasures(newest.number)
    }
  }

  /** Tells of those that are due, now and then. @throws HistoryError, ConsumerError. */
  async follow(): Promise<void> {
    const { consumer, history, applier, auditMs, clock, logger } = this.#options
    if (clock.now() < this.#lookAt) return
    this.#lookAt = clock.now() + auditMs * auditsALook
    for (;;) {
      const [erasure] = await history.erasures({ after: applier.state.erasure, limit: 1 })
      if (erasure === undefined || erasure.lastPosition > applier.state.cursor) return
      const failure = await applier.erase(erasure, () => emptiedBy(history, erasure))
      if (failure !== undefined) {
        logger.error('consumer.erasure-failed', { consumer, error: failure.message })
        return
      }
    }
  }
}

/** The events that an erasure has emptied, page by page, in position order. */
async function* emptiedBy(
  history: HistoryReader,
  { number, subject, lastPosition }: Erasure,
): AsyncGenerator<StoredEvent[]> {
  for (let after = 0; after < lastPosition; ) {
    const page = { filter: { subjects: [subject] }, after, upTo: lastPosition, limit: pageLimit }
    const { events, through } = await history.select(page)
    yield events.filter(({ erased }) => erased === number)
    after = Math.max(through, after + 1)
  }
}
