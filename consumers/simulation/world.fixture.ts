/**
 * A world in which a schedule takes place: publishers, an exchange, a recorder, a history and consumers,
 * all on one timeline, under the eyes of the invariants.
 */
import { SimConsumer, type Tampering } from './consumer.fixture.ts'
import { SimExchange } from './exchange.fixture.ts'
import { SimHistory, SimRecorder } from './history.fixture.ts'
import { Invariants, type Violation } from './invariants.fixture.ts'
import { SimPublisher } from './publisher.fixture.ts'
import { Random } from './random.fixture.ts'
import { type Conditions, consumerCount, publisherCount, type Step } from './schedule.fixture.ts'
import { Timeline } from './timeline.fixture.ts'

/** A lost fence is sent again after 5 s, 10 s, 20 s ...; who needs longer than this never gets there. */
const settleMsMax = 15 * 60_000
/** Nothing may happen any more in this time. */
const quietMs = 400

export interface Outcome {
  /** The first invariant that was broken, undefined where all hold. */
  readonly violation: Violation | undefined
  /** How often the schedule has made things happen. */
  readonly counts: Readonly<Record<Happening, number>>
}

export type Happening =
  | 'replayed'
  | 'applied live'
  | 'duplicate'
  | 'unidentified'
  | 'repair'
  | 'session'
  | 'process'
  | 'order excused'
  | 'known limit'

export interface WorldOptions {
  readonly seed?: number
  readonly consumers?: number
  readonly tampering?: Tampering
  /** The event type that consumers have a handler for: the one there is, or `*`, by default. */
  readonly handles?: string
}

export class World {
  readonly timeline = new Timeline()
  readonly exchange: SimExchange
  readonly history = new SimHistory()
  readonly publishers: readonly SimPublisher[]
  readonly consumers: readonly SimConsumer[]
  readonly #recorder: SimRecorder
  readonly #invariants: Invariants
  #historyAwayUntil = 0

  constructor(
    conditions: Conditions,
    { seed = 0, consumers = consumerCount, tampering = {}, handles = '*' }: WorldOptions = {},
  ) {
    const timeline = this.timeline
    const random = new Random(seed)
    const exchange = new SimExchange({ ...conditions, timeline, random: random.fork('exchange') })
    const history = this.history
    const { settleMs, inboxKeepMs, recorderBatch, recorderMsMax, hasAnonymous } = conditions
    this.exchange = exchange
    this.#recorder = new SimRecorder({
      timeline,
      random: random.fork('recorder'),
      queue: exchange.history,
      history,
      batchMax: recorderBatch,
      workMsMax: recorderMsMax,
    })
    const invariants = new Invariants({ timeline, exchange, history, settleMs, inboxKeepMs })
    this.#invariants = invariants
    const names = Array.from({ length: consumers }, (_, index) => `consumer ${index}`)
    this.publishers = Array.from({ length: publisherCount }, (_, index) => {
      const isAnonymous = hasAnonymous && index === publisherCount - 1
      // The first channel carries two sources.
      const sources = (index === 0 ? ['a', 'b'] : [`source ${index}`]).map((name) => ({ name, isAnonymous }))
      return new SimPublisher({ name: `publisher ${index}`, exchange, timeline, consumers: names, sources })
    })
    this.consumers = names.map(
      (name) =>
        new SimConsumer({
          name,
          timeline,
          random: random.fork(name),
          exchange,
          history,
          conditions,
          tampering,
          handles,
          isHistoryAway: () => timeline.now() < this.#historyAwayUntil,
          onAcknowledge: (consumer, events) => invariants.acknowledged(consumer, events),
          onGap: (consumer, position) => invariants.repairing(consumer, position),
          onCaughtUp: (consumer) => invariants.caughtUp(consumer),
        }),
    )
    for (const consumer of this.consumers) invariants.watch(consumer)
  }

  get isOver(): boolean {
    for (const { name, failure, isSpinning } of this.consumers) {
      if (isSpinning) this.#invariants.break('never caught up', `${name} turns in circles`)
      if (failure !== undefined) {
        this.#invariants.break('ended with an error', `${name}: ${failure.stack ?? failure.message}`)
      }
    }
    return this.#invariants.violation !== undefined || this.#invariants.isAtLimit
  }

  async run(step: Step): Promise<void> {
    await this.timeline.run({ forMs: step.afterMs })
    this.#perform(step)
  }

  async settle(): Promise<void> {
    const isDone = () => this.isOver || this.#isSettled()
    const isSettled = await this.timeline.run({ forMs: settleMsMax, isDone })
    if (!isSettled) this.#invariants.break('never caught up', this.#describe())
    await this.timeline.run({ forMs: quietMs, isDone: () => this.isOver })
    if (!this.isOver) await this.#invariants.checkEnd(this.consumers)
  }

  outcome(): Outcome {
    const { violation, isAtLimit, excused } = this.#invariants
    const sum = (count: (consumer: SimConsumer) => number) =>
      this.consumers.reduce((total, consumer) => total + count(consumer), 0)
    const counts = {
      replayed: sum(({ database }) => database.state.replayed),
      'applied live': sum(({ database }) => database.state.live),
      duplicate: sum(({ database }) => database.state.duplicates),
      unidentified: sum(({ database }) => database.state.unidentified),
      repair: sum(({ database }) => database.state.repairs),
      session: sum(({ sessions }) => sessions.length),
      process: sum(({ lives }) => lives),
      'order excused': excused,
      'known limit': isAtLimit ? 1 : 0,
    }
    return { violation, counts }
  }

  #isSettled(): boolean {
    if (!this.publishers.every(({ isDone }) => isDone) || !this.exchange.history.isEmpty) return false
    let isLevel = true
    for (const consumer of this.consumers) {
      consumer.start()
      isLevel &&= consumer.isLevel
    }
    return isLevel
  }

  #perform(step: Step): void {
    const consumer = 'consumer' in step ? this.consumers[step.consumer]! : undefined
    const queue = consumer && this.exchange.queueOf(consumer.name)
    const now = this.timeline.now()
    if (step.do === 'publish') this.publishers[step.publisher]!.publish(step)
    else if (step.do === 'reconnect publisher') this.publishers[step.publisher]!.reconnect(step)
    else if (step.do === 'start') consumer!.start()
    else if (step.do === 'kill' || step.do === 'cut' || step.do === 'stop') consumer![step.do](step)
    else if (step.do === 'delay fence') consumer!.nextFenceDelayMs = step.ms
    else if (step.do === 'purge queue') queue?.purge()
    else if (step.do === 'delete queue') this.exchange.deleteQueue(consumer!.name)
    else if (step.do === 'drop from queue' && queue !== undefined) queue.dropNext = step.count
    else if (step.do === 'lock store') consumer!.database.unavailableUntil = now + step.ms
    else if (step.do === 'pause recorder') this.#recorder.pause(step.ms)
    else if (step.do === 'hide history') this.#historyAwayUntil = now + step.ms
    else if (step.do === 'crash recorder') this.#recorder.crash(step)
  }

  #describe(): string {
    return JSON.stringify({
      head: this.history.head,
      consumers: this.consumers.map(({ name, database: { state, waiting } }) => ({
        name,
        ...state,
        waiting,
      })),
    })
  }
}
