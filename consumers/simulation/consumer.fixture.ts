/**
 * A consumer in the simulation: the real applier and hand-over on simulated ports, life after life on
 * one database.
 */
import { BrokerError } from '../../broker/index.ts'
import { type Logger, silentLogger } from '../../events/index.ts'
import type { HistoryReader } from '../../history/index.ts'
import { Applier } from '../applier.ts'
import type { Handler } from '../definition.ts'
import { HandOver } from '../hand-over.ts'
import { HandlerTable } from '../handler-table.ts'
import type { Clock, Link } from '../link.ts'
import type { ConsumerStore } from '../store.ts'
import type { SimExchange } from './exchange.fixture.ts'
import type { SimHistory } from './history.fixture.ts'
import { Life } from './life.fixture.ts'
import { type SessionFacts, SimLink } from './link.fixture.ts'
import type { SimEvent } from './queue.fixture.ts'
import type { Random } from './random.fixture.ts'
import { openSimReader } from './reader.fixture.ts'
import type { Conditions } from './schedule.fixture.ts'
import { type Effect, openSimStore, SimDatabase } from './store.fixture.ts'
import type { Timeline } from './timeline.fixture.ts'

/** Ports to put between the code under test and the simulation. */
export interface Tampering {
  link?(link: Link): Link
  clock?(clock: Clock, conditions: Conditions): Clock
  history?(reader: HistoryReader): HistoryReader
  store?(store: ConsumerStore<Effect[]>): ConsumerStore<Effect[]>
}

export interface SimConsumerOptions {
  readonly name: string
  readonly timeline: Timeline
  readonly random: Random
  readonly exchange: SimExchange
  readonly history: SimHistory
  readonly conditions: Conditions
  readonly tampering: Tampering
  /** The event type that it has a handler for, or `*`. */
  readonly handles: string
  readonly isHistoryAway: () => boolean
  readonly onAcknowledge: (consumer: SimConsumer, events: readonly SimEvent[]) => void
  readonly onGap: (consumer: SimConsumer, position: number) => void
  readonly onCaughtUp: (consumer: SimConsumer) => void
}

interface Running {
  readonly life: Life
  readonly link: SimLink
  isCaughtUp: boolean
}

const retryMs = 250

export class SimConsumer {
  readonly name: string
  readonly database = new SimDatabase()
  readonly sessions: SessionFacts[] = []
  /** What has ended it, other than being told to stop or dying. */
  failure: Error | undefined
  /** The history's head when it went live, in this life for the first time. */
  headAtLive = 0
  nextFenceDelayMs = 0
  /** Processes that it has had. */
  lives = 0
  /** The history could not answer the last duplicate check. */
  isBlind = false
  readonly #options: SimConsumerOptions
  #running: Running | undefined

  constructor(options: SimConsumerOptions) {
    this.name = options.name
    this.#options = options
  }

  get isSpinning(): boolean {
    return this.#running?.life.isSpinning === true
  }

  get isCaughtUp(): boolean {
    return this.#running?.isCaughtUp === true
  }

  /** Live, with the cursor at the head and nothing left to do. */
  get isLevel(): boolean {
    const { state, waiting } = this.database
    const queue = this.#options.exchange.queueOf(this.name)
    return (
      this.isCaughtUp &&
      state.phase === 'live' &&
      state.cursor === this.#options.history.head &&
      waiting === 0 &&
      queue?.isEmpty === true
    )
  }

  start(): void {
    if (this.#running !== undefined) return
    this.lives += 1
    const { timeline, exchange, conditions } = this.#options
    const random = this.#options.random.fork(`life ${this.lives}`)
    const life = new Life({ timeline, random, callMsMax: conditions.callMsMax })
    const link = new SimLink({
      consumer: this.name,
      exchange,
      life,
      prefetch: conditions.prefetch,
      takeFenceDelay: () => {
        const delayMs = this.nextFenceDelayMs
        this.nextFenceDelayMs = 0
        return delayMs
      },
      onSession: (facts) => this.sessions.push(facts),
      onAcknowledge: (events) => this.#options.onAcknowledge(this, events),
    })
    const running = { life, link, isCaughtUp: false }
    this.#running = running
    timeline.wake(() => {
      this.#run(running).catch((error: Error) => {
        this.failure = error
      })
    })
  }

  /** The process dies at a call, and is started again later. */
  kill({ afterCalls, downMs }: { afterCalls: number; downMs: number }): void {
    const running = this.#running
    running?.life.afterCalls(afterCalls, () => {
      this.#end(running)
      this.#options.timeline.after(downMs, () => this.start())
    })
  }

  /** The connection breaks at a call. */
  cut({ afterCalls, downMs }: { afterCalls: number; downMs: number }): void {
    const running = this.#running
    running?.life.afterCalls(afterCalls, () => running.link.cut({ downMs }))
  }

  /** It is told to stop, and started again later. */
  stop({ afterCalls, downMs }: { afterCalls: number; downMs: number }): void {
    const running = this.#running
    running?.life.afterCalls(afterCalls, () => {
      running.life.stop()
      this.#options.timeline.after(downMs, () => this.start())
    })
  }

  /** What a running consumer does around its rounds (consumer.ts). */
  async #run(running: Running): Promise<void> {
    const { conditions, history, tampering, handles, isHistoryAway } = this.#options
    const { life } = running
    const clock = tampering.clock?.(life.clock, conditions) ?? life.clock
    const store = openSimStore(this.database, life)
    const reader = openSimReader({
      history,
      life,
      isAway: isHistoryAway,
      onDuplicateCheck: (isBlind) => {
        this.isBlind = isBlind
      },
    })
    const logger = this.#logger()
    const opening = Applier.open<Effect[]>({
      consumer: this.name,
      store: tampering.store?.(store) ?? store,
      handlers: new HandlerTable({
        on: { [handles]: this.#handler(life) as Handler<string, unknown, Effect[]> },
        retry: { attempts: 5, backoffMs: 10, backoffMsMax: 100 },
      }),
      // The schedule may kill it in the same event again and again.
      parking: { holdSubject: true, crashesMax: 1_000_000, retryAfterMs: [] },
      carefulMax: 5,
      rememberMs: conditions.inboxKeepMs,
      clock,
      signal: life.signal,
      logger,
    })
    // Told to stop while the store cannot be written: there is nothing to say goodbye to.
    const applier = await opening.catch((error: unknown) => {
      if (!life.signal.aborted) throw error
    })
    if (applier === undefined) {
      await store.close()
      return this.#end(running)
    }
    const handOver = new HandOver({
      ...conditions,
      consumer: this.name,
      exchange: 'simulated',
      acceptPruned: false,
      from: 'beginning',
      link: tampering.link?.(running.link) ?? running.link,
      history: tampering.history?.(reader) ?? reader,
      applier: applier as Applier<unknown>,
      clock,
      signal: life.signal,
      logger,
    })
    void handOver.caughtUp().then(() => {
      running.isCaughtUp = true
      this.#options.onCaughtUp(this)
    })
    while (!life.signal.aborted) await this.#round(handOver, { applier, clock, life })
    // A store that cannot be written keeps the phase that it had.
    await applier.enter('stopped').catch(() => {})
    await store.close()
    this.#end(running)
  }

  /** Nothing of this process runs any more, and the broker gets to know. */
  #end({ life, link }: Running): void {
    life.isDead = true
    link.cut({ downMs: 0 })
    this.#running = undefined
  }

  async #round(
    handOver: HandOver,
    { applier, clock, life }: { applier: Applier<Effect[]>; clock: Clock; life: Life },
  ): Promise<void> {
    try {
      if ((await handOver.round()) === 'gap') await applier.enter('replaying', { repair: true })
    } catch (error) {
      if (life.signal.aborted) return
      if (!(error instanceof BrokerError) || error.isPermanent) throw error
      await clock.sleep(retryMs)
    }
  }

  /** Writes one effect; sometimes it takes its time, and sometimes it fails after it has written. */
  #handler(life: Life): Handler<string, SimEvent, Effect[]> {
    const { handlerFailurePercent } = this.#options.conditions
    return (event, { tx, position, attempt }) => {
      const { source, id, data } = event
      const session = this.sessions.length - 1
      tx.push({ source, id, number: data.number, position, session, at: 0 })
      if (attempt <= 3 && life.random.chance(handlerFailurePercent)) throw new Error('A simulated failure')
      return life.random.chance(10) ? life.point() : undefined
    }
  }

  #logger(): Logger {
    return {
      ...silentLogger,
      info: (name) => {
        if (name === 'consumer.live') this.headAtLive ||= this.#options.history.head
      },
      warn: (name, fields) => {
        if (name === 'consumer.gap') this.#options.onGap(this, fields?.position as number)
      },
    }
  }
}
