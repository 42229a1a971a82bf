/**
 * The hand-over: give a consumer the stored past, then its live queue, with no gap and nothing twice.
 *
 * One cursor and one set (the inbox) do everything. A round:
 *  1. Bind the queue: from here on it keeps what is published, however long the rest takes.
 *  2. Settle: another node of the broker may learn of the binding a little after bind-ok.
 *  3. Send a fence straight to the history queue. Once the history holds it, at f, it holds all that was
 *     routed before the binding was known.
 *  4. Replay what follows the cursor, up to f. A consumer that begins with the newest event of each subject
 *     waits for f, and writes it down: newest is what was so at f, also after a crash.
 *  5. Live: consume the queue. What the inbox has, or the history at or below the cursor, is a duplicate.
 *  6. Audit (audit.ts): the cursor follows the history over what was applied live. An event that the
 *     live queue has lost ends the round.
 * A round ends with a lost channel or queue or with a lost event, and the next begins at 1: that is the
 * repair for everything. Stopping at the newest stored event instead of a fence would lose what was
 * routed before the binding and not yet recorded; what lies between binding and fence arrives twice.
 */
import type { Logger } from '../events/index.ts'
import {
  HistoryError,
  type HistoryReader,
  isTransient,
  type PrunedRange,
  type StoredEvent,
} from '../history/index.ts'
import type { Applier } from './applier.ts'
import { Audit } from './audit.ts'
import { checkBounds } from './bounds.ts'
import { CursorTeller } from './cursor-teller.ts'
import { Erasures } from './erasures.ts'
import type { Clock, Link, LiveDelivery, LiveSession } from './link.ts'
import { Probe } from './probe.ts'
import { replayPage } from './replay-page.ts'
import { isNew } from './store.ts'

export interface HandOverOptions {
  readonly consumer: string
  readonly exchange: string
  readonly link: Link
  readonly history: HistoryReader
  readonly applier: Applier<unknown>
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly settleMs: number
  readonly replayBatch: number
  readonly liveBatch: number
  readonly auditMs: number
  readonly inboxKeepMs: number
  readonly acceptPruned: boolean
  readonly from: 'beginning' | 'latest'
  readonly logger: Logger
}

/**
 * What the consumer waits for; undefined while it works. `queue`: another instance of this consumer has it,
 * or a backlog comes before its own fence; `store`: another instance has that.
 */
export type WaitingFor = 'broker' | 'recorder' | 'history' | 'queue' | 'store' | undefined

export class HandOver {
  readonly #options: HandOverOptions
  readonly #teller: CursorTeller
  readonly #erasures: Erasures
  #waitingFor: WaitingFor = 'broker'
  #head = 0
  /**
   * What may be pruned, as far as this consumer goes: nothing up to here waits in its queue any more. A copy
   * that still does is known for one by the history alone. Undefined until the history was asked.
   */
  #spared: number | undefined
  #caughtUp = false
  #isExchangeChecked = false
  #onCaughtUp: (() => void)[] = []
  #redriveAt = 0
  #isRedriving = false
  #behindSince: number | undefined

  constructor(options: HandOverOptions) {
    this.#options = options
    const { consumer, logger } = options
    this.#erasures = new Erasures(options)
    this.#teller = new CursorTeller({
      ...options,
      onFailed: (error) => logger.debug('consumer.cursor-not-told', { consumer, error: error.message }),
    })
  }

  get waitingFor(): WaitingFor {
    return this.#waitingFor
  }

  /** The history's head as it was last seen. */
  get head(): number {
    return this.#head
  }

  /** How long ago the oldest event was recorded that the cursor has not passed, in seconds; about that. */
  get lagSeconds(): number {
    if (this.#behindSince === undefined) return 0
    return Math.max(0, this.#options.clock.now() - this.#behindSince) / 1_000
  }

  /** Resolves when the consumer is live and has applied all that was recorded when it went live. */
  async caughtUp(): Promise<void> {
    if (!this.#caughtUp) await new Promise<void>((resolve) => this.#onCaughtUp.push(resolve))
  }

  /**
   * One round, steps 1 to 6.
   *
   * @returns Why it ended: `lost` the live session, `gap` an event that the live queue had lost,
   *   `stopped` by the signal.
   * @throws ConsumerError `CONSUMER_HISTORY_TRUNCATED`, `CONSUMER_AHEAD`, `CONSUMER_HANDLER_FAILED`;
   *   BrokerError and HistoryError where broker or history refuse.
   */
  async round(): Promise<'lost' | 'gap' | 'stopped'> {
    const { link, applier, clock, settleMs, signal } = this.#options
    this.#waitingFor = 'broker'
    await applier.enter('replaying')
    while (!(await link.bind())) {
      this.#wait('recorder')
      await clock.sleep(bindRetryMs)
      if (signal.aborted) return 'stopped'
    }
    await clock.sleep(settleMs)
    const fence = this.#newProbe('history')
    fence.nudge()
    await this.#replayUntil(fence)
    if (signal.aborted) return 'stopped'
    this.#waitingFor = 'broker'
    const session = await link.consume()
    try {
      return await this.#live(session)
    } finally {
      await session.close()
      if (signal.aborted && this.#spared !== undefined) await this.#teller.tell(this.#spared)
    }
  }

  /** Steps 3 and 4. What the history holds already is replayed while the fence is on its way. */
  async #replayUntil(fence: Probe): Promise<void> {
    const { consumer, history, applier, clock, replayBatch, signal, logger } = this.#options
    let limit = Math.min(firstReplayBatch, replayBatch)
    for (let waitedMs = 0; !signal.aborted; ) {
      const seen = await this.#whenReachable(async () => {
        // The fence first: it covers what the page read after it shows.
        await this.#checkExchange()
        await this.#erasures.begin()
        this.#spared ??= await this.#toldBefore()
        const fenceAt = await history.fence(fence.id)
        const bounds = await history.bounds()
        const isBegun = await this.#isBegun(fenceAt)
        const upTo = fenceAt ?? bounds.head
        const read = isBegun ? await this.#readPage({ upTo, limit }) : { page: [], pruned: undefined }
        return { fenceAt, bounds, isBegun, ...read }
      })
      if (seen === undefined) return
      const { fenceAt, bounds, isBegun, page, pruned } = seen
      this.#head = bounds.head
      this.#nudgeTeller()
      if (pruned !== undefined) {
        logger.warn('consumer.pruned', { consumer, first: pruned.first, last: pruned.last })
        await applier.passPruned(pruned)
        continue
      }
      // What begins behind retention is told so when it reads.
      if (isBegun) checkBounds(consumer, applier.state.cursor, bounds)
      await this.#redrive()
      this.#behindSince = page[0]?.recordedAt.getTime()
      if (page.length > 0) {
        this.#waitingFor = undefined
        const startedAt = clock.now()
        await applier.replay(page)
        limit = nextBatch(limit, { tookMs: clock.now() - startedAt, replayBatch })
        // SQLite answers without leaving this turn: heartbeats, signals and timers need one of their own.
        await clock.sleep(0)
        waitedMs = 0
      } else if (fenceAt !== undefined) {
        return
      } else {
        waitedMs += fencePollMs
        if (waitedMs >= recorderPatienceMs) this.#wait('recorder')
        fence.nudge()
        await clock.sleep(fencePollMs)
      }
    }
  }

  /** @returns False where it is still open which events are the newest of their subjects. */
  async #isBegun(fenceAt: number | undefined): Promise<boolean> {
    const { from, applier } = this.#options
    if (from === 'beginning' || !isNew(applier.state)) return true
    if (fenceAt !== undefined) await applier.beginWithLatest(fenceAt)
    return fenceAt !== undefined
  }

  /** The events behind the cursor, or the range there that was pruned, where that is accepted. */
  async #readPage(page: {
    upTo: number
    limit: number
  }): Promise<{ page: StoredEvent[]; pruned?: never } | { page?: never; pruned: PrunedRange }> {
    const { history, applier, acceptPruned } = this.#options
    const after = applier.state.cursor
    try {
      return { page: await replayPage(history, { after, ...page }, applier.state) }
    } catch (error) {
      if (!acceptPruned || !(error instanceof HistoryError) || error.code !== 'HISTORY_PRUNED') throw error
      const [pruned] = await history.pruned({ after, limit: 1 })
      // Of a part of a range nobody knows the sum: no certificate could be right.
      if (pruned?.first !== after + 1) throw error
      return { pruned }
    }
  }

  /** Step 5, with step 6 beside it. */
  async #live(session: LiveSession): Promise<'lost' | 'gap' | 'stopped'> {
    const { consumer, history, applier, auditMs, liveBatch, clock, signal, logger } = this.#options
    const audit = new Audit({
      ...this.#options,
      erasures: this.#erasures,
      newProbe: () => this.#newProbe('own'),
    })
    // It comes out of the queue behind everything that the replay may have had as well.
    const drain = this.#newProbe('own')
    await applier.enter('live')
    this.#waitingFor = undefined
    logger.info('consumer.live', { consumer, cursor: applier.state.cursor })
    // What was recorded since the last page of the replay counts for `caughtUp` too.
    const bounds = await this.#whenReachable(() => history.bounds())
    if (bounds === undefined) return 'stopped'
    const target = bounds.head
    this.#head = Math.max(this.#head, target)
    const patientUntil = clock.now() + queuePatienceMs
    let isDrained = false
    let auditAt = 0
    let hurryUntil = 0
    while (!signal.aborted) {
      if (!isDrained) drain.nudge()
      const isRedriving = await this.#redrive()
      await session.ready(isRedriving ? 0 : clock.now() < hurryUntil ? hurryMs : auditMs)
      if (signal.aborted) break
      const deliveries = session.take(liveBatch)
      if (deliveries.length > 0 && !(await this.#apply(session, deliveries, { isDrained }))) return 'lost'
      for (const { fence, event } of deliveries) {
        if (fence === drain.id) {
          if (!isDrained) void this.#teller.tell(applier.state.cursor)
          isDrained = true
          if (this.#waitingFor === 'queue') this.#waitingFor = undefined
        } else if (fence !== undefined) audit.fenceArrived(fence)
        // A message without identity takes effect when the audit meets it in the history.
        else if (event === undefined) hurryUntil = clock.now() + hurryForMs
      }
      if (!session.isOpen) return 'lost'
      if (!isDrained && deliveries.length === 0 && clock.now() > patientUntil) this.#wait('queue')
      // Deliveries at hand would go on in this turn: heartbeats, signals and timers need one of their own.
      if (deliveries.length > 0) await clock.sleep(0)
      if (isDrained) this.#spared = applier.state.cursor
      this.#nudgeTeller()
      const now = clock.now()
      if (now < auditAt && now >= hurryUntil) continue
      auditAt = now + auditMs
      const audited = await audit.step()
      if (audited === 'gap') return 'gap'
      if (audited === 'away') this.#wait('history')
      else if (this.#waitingFor === 'history') this.#waitingFor = undefined
      this.#head = Math.max(this.#head, audit.head, applier.state.cursor)
      this.#behindSince = applier.state.cursor < this.#head ? (this.#behindSince ?? now) : undefined
      if (isDrained && applier.state.cursor >= target) this.#reached()
    }
    if (isDrained) this.#spared = applier.state.cursor
    return 'stopped'
  }

  /** Parked events that are due take their turn here. @returns Whether there may be more. */
  async #redrive(): Promise<boolean> {
    const { applier, clock } = this.#options
    const startedAt = clock.now()
    if (startedAt < this.#redriveAt) return false
    if (!this.#isRedriving && applier.mayHaveParked) await applier.refreshCounts()
    const { applied, failed } = await applier.redrive()
    this.#isRedriving = applied + failed > 0
    const now = clock.now()
    // A look at a million takes a while: it is not to take more than a small part of the time.
    this.#redriveAt = this.#isRedriving ? now : now + Math.max(redriveEveryMs, (now - startedAt) * 20)
    return this.#isRedriving
  }

  /** @returns false where the session was lost while the history was away. */
  async #apply(
    session: LiveSession,
    deliveries: readonly LiveDelivery[],
    { isDrained }: { isDrained: boolean },
  ): Promise<boolean> {
    const { applier } = this.#options
    const events = deliveries.filter((delivery) => delivery.event !== undefined)
    const isFresh = await this.#areFresh(session, events, { isDrained })
    if (isFresh === undefined) return false
    const fresh = events.filter((_delivery, index) => isFresh[index])
    applier.countDuplicates(events.length - fresh.length)
    await applier.live(
      fresh.map(({ event }) => event!),
      (done) => session.ackUpTo(fresh[done - 1]!.deliveryTag),
    )
    session.ackUpTo(deliveries.at(-1)!.deliveryTag)
    return true
  }

  /**
   * Which events the history does not have at or below the cursor. While the history is away, the inbox
   * alone decides, but not before the queue is drained of what the replay may have had: until then the
   * deliveries wait.
   */
  async #areFresh(
    session: LiveSession,
    deliveries: readonly LiveDelivery[],
    { isDrained }: { isDrained: boolean },
  ): Promise<boolean[] | undefined> {
    const { history, applier, clock, signal } = this.#options
    if (deliveries.length === 0) return []
    while (session.isOpen && !signal.aborted) {
      try {
        const positions = await history.positionsOf(deliveries.map(({ event }) => event!))
        if (this.#waitingFor === 'history') this.#waitingFor = undefined
        return positions.map((position) => position === undefined || position > applier.state.cursor)
      } catch (error) {
        if (!isTransient(error)) throw error
        this.#wait('history', error)
        if (isDrained) return deliveries.map(() => true)
        await clock.sleep(historyRetryMs)
      }
    }
    return undefined
  }

  /** Asks the history, again and again while it is away. Undefined where told to stop meanwhile. */
  async #whenReachable<Result>(ask: () => Promise<Result>): Promise<Result | undefined> {
    const { clock, signal } = this.#options
    while (!signal.aborted) {
      try {
        const result = await ask()
        if (this.#waitingFor !== 'recorder') this.#waitingFor = undefined
        return result
      } catch (error) {
        if (!isTransient(error)) throw error
        this.#wait('history', error)
        await clock.sleep(historyRetryMs)
      }
    }
    return undefined
  }

  /** Of a store that goes back to before, not all of it holds. */
  async #toldBefore(): Promise<number> {
    const { consumer, history, applier } = this.#options
    const known = (await history.consumers()).find(({ name }) => name === consumer)
    return Math.min(known?.cursor ?? 0, applier.state.cursor)
  }

  #nudgeTeller(): void {
    if (this.#spared !== undefined) this.#teller.nudge(this.#spared)
  }

  /** A reader that was passed in may be of another exchange. */
  async #checkExchange(): Promise<void> {
    const { consumer, exchange, history } = this.#options
    if (this.#isExchangeChecked) return
    const found = await history.exchange()
    if (found !== exchange) {
      throw new HistoryError(
        'HISTORY_FOREIGN',
        `Consumer ${consumer} is one of exchange ${exchange}, but the history is that of ${found}; name the right one`,
      )
    }
    this.#isExchangeChecked = true
  }

  #newProbe(queue: 'history' | 'own'): Probe {
    const { consumer, link, clock, logger } = this.#options
    return new Probe({
      clock,
      send: (id) => link.fence(queue, id),
      onFailed: (error) => logger.debug('consumer.fence-not-sent', { consumer, queue, error: error.message }),
    })
  }

  #wait(waitingFor: 'recorder' | 'history' | 'queue', error?: unknown): void {
    const { consumer, logger } = this.#options
    if (this.#waitingFor === waitingFor) return
    this.#waitingFor = waitingFor
    logger.warn('consumer.waiting', { consumer, waitingFor, error: (error as Error | undefined)?.message })
  }

  #reached(): void {
    if (this.#caughtUp) return
    this.#caughtUp = true
    for (const resume of this.#onCaughtUp.splice(0)) resume()
  }
}

/** A commit costs the same for 2,000 quick events as for 100; behind slow handlers it would come too late. */
function nextBatch(limit: number, { tookMs, replayBatch }: { tookMs: number; replayBatch: number }): number {
  if (tookMs < quickReplayMs) return Math.min(limit * 2, replayBatch)
  if (tookMs > slowReplayMs) return Math.max(1, Math.floor(limit / 2))
  return limit
}

const firstReplayBatch = 500
const quickReplayMs = 100
const slowReplayMs = 500
const fencePollMs = 20
const bindRetryMs = 1_000
/** A recorder at work stores a fence within milliseconds; without one, say what is awaited. */
const recorderPatienceMs = 2_000
const historyRetryMs = 250
/** A queue that is ours answers within milliseconds. */
const queuePatienceMs = 5_000
const hurryMs = 10
const hurryForMs = 1_000
/** Between two looks for parked events that are due. */
const redriveEveryMs = 1_000
