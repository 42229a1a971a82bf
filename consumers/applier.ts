/**
 * The applier: makes events take effect, each once, together with the marks that say so.
 *
 * It owns the state while a consumer runs: whoever else wants to change the marks raises the generation in
 * the store, and the next transaction here is refused (`CONSUMER_SUPERSEDED`).
 */
import type { CloudEvent, Identity, Logger } from '../events/index.ts'
import { MessageEvent } from '../events/index.ts'
import {
  BatchSizes,
  type Erasure,
  type PositionedIdentity,
  type PrunedRange,
  type SizeCounts,
  type StoredEvent,
} from '../history/index.ts'
import { Attempts, dueAfter, type Trial } from './attempts.ts'
import { truncated } from './bounds.ts'
import type { Care } from './care.ts'
import type { ParkingPolicy } from './definition.ts'
import { ErasureFailure, type HandlerTable } from './handler-table.ts'
import type { Clock } from './link.ts'
import { type NotedError, newest } from './noted-error.ts'
import { ParkedChanged, type ParkedEvent, type ParkingCounts } from './parking/parking.ts'
import { whenAvailable } from './patience.ts'
import type { ConsumerState, ConsumerStore, Phase, StoreTransaction } from './store.ts'
import { Tally } from './tally.ts'
import { Uptake } from './uptake.ts'

export interface ApplierOptions<Tx> {
  readonly consumer: string
  readonly store: ConsumerStore<Tx>
  readonly handlers: HandlerTable<Tx>
  readonly parking: Required<ParkingPolicy> | undefined
  /** Events to take with care after a process that died at work. */
  readonly carefulMax: number
  /** Shared with the reactor. */
  readonly care?: Care
  /** How recently an event must have been recorded for a replay to put it into the inbox, in milliseconds. */
  readonly rememberMs: number
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly logger: Logger
  /** Told after the commit of events that are to react. */
  onReactions?(): void
}

export class Applier<Tx> {
  readonly #options: ApplierOptions<Tx>
  readonly #attempts: Attempts
  #state: ConsumerState
  #counts: ParkingCounts
  readonly #batchSizes = new BatchSizes()
  #lastError: NotedError | undefined

  private constructor(options: ApplierOptions<Tx>, state: ConsumerState, counts: ParkingCounts) {
    const { store, handlers, carefulMax } = options
    this.#options = options
    this.#state = state
    this.#counts = counts
    this.#attempts = new Attempts({
      ...options,
      careful: isOrderly(state) ? 0 : carefulMax,
      retryOf: (type) => handlers.retryOf(type),
      countTry: (identity) =>
        this.#whenAvailable(() => store.transaction((unit) => unit.countTry('apply', identity))),
    })
  }

  /** Begins with the marks as they are in a store that was acquired. */
  static async open<Tx>(options: ApplierOptions<Tx>): Promise<Applier<Tx>> {
    const { store } = options
    return await whenAvailable(async () => {
      const counts = await store.transaction((unit) => unit.parking.counts())
      return new Applier(options, await store.state(), counts)
    }, options)
  }

  /** As it was last committed. */
  get state(): ConsumerState {
    return this.#state
  }

  /** As they were last looked at. */
  get counts(): ParkingCounts {
    return this.#counts
  }

  /** Whether other hands may change the counts: the reactor parks too, and discarded ones are restored. */
  get mayHaveParked(): boolean {
    const { parked, reactions, discarded } = this.#counts
    return this.#options.handlers.reacts || parked + reactions + discarded > 0
  }

  /** Of the events of each transaction. */
  get batchSizes(): SizeCounts {
    return this.#batchSizes.toCounts()
  }

  /** The newest failure of a handler or of the store. */
  get lastError(): NotedError | undefined {
    return newest(this.#attempts.lastError, this.#lastError)
  }

  /** Applies a page of the history that begins right after the cursor, and moves the cursor to its end. */
  async replay(events: readonly StoredEvent[]): Promise<void> {
    await this.#attempts.inOrder(events, async (slice, trial) => {
      await this.#takeIn(slice, trial, async ({ unit, tally, uptake }) => {
        const marks = await unit.marks(slice)
        const passed: Identity[] = []
        const positions: number[] = []
        for (const [index, event] of slice.entries()) {
          const { position } = event
          if (position !== tally.cursor + 1) throw truncated(this.#options.consumer, tally.cursor, position)
          if (marks[index] !== undefined) passed.push(event)
          else if (event.superseded === true) tally.countSuperseded(event)
          else if (event.erased !== undefined) tally.countErased(event)
          else {
            const taken = uptake.take(event, { index, position })
            if (taken !== undefined) await taken
            tally.count(event, { replayed: true, unidentified: event.unidentified })
          }
          positions.push(position)
          tally.cursor = position
        }
        await unit.noteApplied(positions)
        if (passed.length > 0) await unit.pass(passed, this.#options.clock.now())
        await this.#remember(
          unit,
          slice.filter((_event, index) => marks[index] === undefined),
        )
      })
    })
  }

  /** Puts what was recorded lately into the inbox: a duplicate of it may come while the history is away. */
  async #remember(unit: StoreTransaction<Tx>, events: readonly StoredEvent[]): Promise<void> {
    const { clock, rememberMs } = this.#options
    const now = clock.now()
    const last = events.at(-1)
    // They were recorded in this order: where the last one is old, all are.
    if (last === undefined || last.recordedAt.getTime() < now - rememberMs) return
    await unit.add(
      events.filter(({ unidentified }) => !unidentified),
      now,
    )
  }

  /**
   * Applies live events that the history does not have at or below the cursor.
   *
   * @param onCommitted - Called with the number of events done, from the first, after each commit.
   */
  async live(events: readonly CloudEvent[], onCommitted: (done: number) => void): Promise<void> {
    let done = 0
    await this.#attempts.inOrder(events, async (slice, trial) => {
      await this.#takeIn(slice, trial, async ({ unit, tally, uptake }) => {
        const marks = await unit.marks(slice)
        const added = new Map<string, Identity>()
        for (const [index, event] of slice.entries()) {
          // Either may hold any character, NUL too: the length tells where the id ends.
          const key = `${event.id.length} ${event.id}${event.source}`
          if (marks[index] !== undefined || added.has(key)) tally.duplicates += 1
          else {
            const taken = uptake.take(event, { index, position: undefined })
            if (taken !== undefined) await taken
            tally.count(event, { replayed: false, unidentified: false })
            added.set(key, event)
          }
        }
        if (added.size > 0) await unit.add([...added.values()])
      })
      done += slice.length
      onCommitted(done)
    })
  }

  /**
   * Moves the cursor over what was applied live.
   *
   * @param page - Identities right after the cursor, in position order.
   * @returns How many of them the cursor has passed: it stops at the first that was not applied.
   */
  async pass(page: readonly PositionedIdentity[]): Promise<number> {
    return await this.#transaction(async (unit, tally) => {
      const marks = await unit.marks(page)
      const missing = marks.indexOf(undefined)
      const passed = missing === -1 ? page : page.slice(0, missing)
      const last = passed.at(-1)
      if (last !== undefined) {
        for (const [index, { position }] of passed.entries()) {
          const below = tally.cursor + index
          if (position !== below + 1) throw truncated(this.#options.consumer, below, position)
        }
        await unit.noteApplied(passed.map(({ position }) => position))
        await unit.pass(passed, this.#options.clock.now())
        tally.cursor = last.position
      }
      return passed.length
    })
  }

  /**
   * Tries parked events again that are due, each once, in the order of parking; those behind an event that
   * fails again go on waiting.
   *
   * @returns How many came through and how many failed again: none of either says that nothing is due.
   */
  async redrive({ limit = redriveBatch }: { limit?: number } = {}): Promise<Redriven> {
    const { clock, store } = this.#options
    const run: RedriveRun = { failing: new Set(), applied: 0, failed: 0 }
    if (this.#counts.parked === 0) return run
    for (;;) {
      const due = await this.#whenAvailable(() =>
        store.transaction((unit) => unit.parking.due('apply', { now: clock.now(), limit })),
      )
      try {
        await this.#attempts.inOrder(
          due.map((parked) => new ParkedMessage(parked)),
          (slice, trial) => this.#redriveSlice(slice, trial, run),
          { areParked: true },
        )
        return run
      } catch (error) {
        if (!(error instanceof ParkedChanged)) throw error
        // What was read is out of date: nothing of it was written, and it is read again.
        run.failing.clear()
      }
    }
  }

  async #redriveSlice(slice: readonly ParkedMessage[], trial: Trial, run: RedriveRun): Promise<void> {
    const { failing } = run
    const { parking, clock } = this.#options
    const now = clock.now()
    const isFree = ({ subject }: ParkedMessage) => subject === undefined || !failing.has(subject)
    const free = slice.filter(isFree)
    const [first] = free
    if (first === undefined) return
    if (trial.verdict !== undefined) {
      const retries = first.parked.retries + 1
      const attempts = first.parked.attempts + 1
      const failure = { ...trial.verdict, attempts, retries, dueAt: dueAfter(parking, { retries, now }) }
      await this.#transaction(async (unit) => {
        await unit.parking.failed(first.parked, failure)
        if (trial.careful) await unit.forgetTries('apply', first)
      })
      run.failed += 1
      if (first.subject !== undefined && parking?.holdSubject !== false) failing.add(first.subject)
      return
    }
    await this.#takeIn(
      slice,
      trial,
      async ({ unit, uptake }) => {
        for (const [index, event] of slice.entries()) {
          if (!isFree(event)) continue
          const taken = uptake.take(event, { index, position: event.parked.position })
          if (taken !== undefined) await taken
        }
        const resolved = await unit.parking.resolve(
          free.map(({ parked }) => parked),
          now,
        )
        if (resolved < free.length) throw new ParkedChanged()
      },
      { isHeld: false },
    )
    run.applied += free.length
    this.#counts = { ...this.#counts, parked: this.#counts.parked - free.length }
  }

  /**
   * Lets events from a position on react: those that were applied already at once, the others when they are.
   * Does nothing where they do already.
   *
   * @param read - A page of the history, as `HistoryReader.read` gives it.
   */
  async reactFrom(
    position: number,
    read: (page: { after: number; upTo: number }) => Promise<StoredEvent[]>,
  ): Promise<void> {
    const { handlers, onReactions } = this.#options
    const { reactAfter, cursor } = this.#state
    if (reactAfter !== undefined && reactAfter < position) return
    const upTo = Math.min(reactAfter ?? cursor, cursor)
    await this.#transaction(async (unit, tally) => {
      for (let after = position - 1; after < upTo; ) {
        const page = await read({ after, upTo })
        const last = page.at(-1)
        if (last === undefined) break
        const wanted = page.filter(
          (event) => event.superseded !== true && handlers.find(event)?.react !== undefined,
        )
        // What has not taken effect reacts when it does, and a discarded one never.
        const missing = await unit.parking.missing('apply', wanted)
        const reacting = wanted.filter((_event, index) => !missing[index])
        await unit.reactions.add(reacting.map((event) => ({ event, position: event.position })))
        after = last.position
      }
      tally.reactAfter = position - 1
    })
    onReactions?.()
  }

  /** Looks how many are parked: other hands retry and discard too. */
  async refreshCounts(): Promise<void> {
    const { store } = this.#options
    this.#counts = await this.#whenAvailable(() => store.transaction((unit) => unit.parking.counts()))
  }

  /** Decides that up to a position only the newest event of each subject is to be taken in. */
  async beginWithLatest(upTo: number): Promise<void> {
    await this.#transaction(async (_unit, tally) => {
      tally.latestTo = upTo
    })
  }

  /** Moves the cursor over positions that were pruned, right behind it. */
  async passPruned(range: PrunedRange): Promise<void> {
    const { first, last } = range
    await this.#transaction(async (unit, tally) => {
      if (first !== tally.cursor + 1) throw truncated(this.#options.consumer, tally.cursor, first)
      for (let from = first; from <= last; from += notedAtOnce) {
        const length = Math.min(notedAtOnce, last - from + 1)
        await unit.noteApplied(Array.from({ length }, (_, index) => from + index))
      }
      tally.countPruned(range)
      tally.cursor = last
    })
  }

  /** None of the events that erasures have emptied, up to this one, was ever taken in. */
  async skipErasures(upTo: number): Promise<void> {
    await this.#transaction(async (_unit, tally) => {
      tally.erasure = upTo
    })
  }

  /**
   * Forgets what the store keeps of erased events, and tells the definition's `onErased`, in one transaction.
   *
   * @param pages - The events that were emptied.
   * @returns What `onErased` threw: then nothing was done. Store and history throw as ever.
   */
  async erase(erasure: Erasure, pages: () => AsyncIterable<StoredEvent[]>): Promise<Error | undefined> {
    const { handlers, clock, signal, logger } = this.#options
    try {
      await this.#transaction(async (unit, tally) => {
        for await (const page of pages()) {
          tally.dropParked(await unit.parking.erase(page, clock.now()))
          await unit.reactions.erase(page)
        }
        await handlers.erased(erasure, { tx: unit.tx, events: () => flatten(pages()), signal, logger })
        tally.erasure = erasure.number
      })
      await this.refreshCounts()
      return undefined
    } catch (error) {
      if (!(error instanceof ErasureFailure)) throw error
      const failure = error.cause as Error
      this.#lastError = { message: String(failure?.message ?? failure), at: clock.now() }
      return failure
    }
  }

  /** Counts deliveries that the history showed to be applied. */
  countDuplicates(duplicates: number): void {
    this.#state = { ...this.#state, duplicates: this.#state.duplicates + duplicates }
  }

  /** Forgets inbox entries that the cursor passed before this moment. */
  async forget(passedBefore: number): Promise<void> {
    await this.#transaction(async (unit) => {
      await unit.forget(passedBefore)
    })
  }

  async enter(phase: Phase, { repair = false }: { repair?: boolean } = {}): Promise<void> {
    if (phase === this.#state.phase && !repair) return
    await this.#transaction(async (_unit, tally) => {
      tally.phase = phase
      // The first time that it goes live: what comes from here on is new to the world too.
      if (phase === 'live') tally.reactAfter = Math.min(tally.reactAfter ?? tally.cursor, tally.cursor)
      if (repair) tally.repairs += 1
    })
  }

  /** One transaction that takes in a slice, by `work`. */
  async #takeIn(
    slice: readonly CloudEvent[],
    trial: Trial,
    work: (parts: { unit: StoreTransaction<Tx>; tally: Tally; uptake: Uptake<Tx> }) => Promise<void>,
    { isHeld = true }: { isHeld?: boolean } = {},
  ): Promise<void> {
    const { clock } = this.#options
    const uptake = await this.#transaction(async (unit, tally) => {
      const held = isHeld ? await this.#held(unit, slice) : nothing
      const taking = new Uptake({
        ...this.#options,
        unit,
        trial,
        held,
        reactAfter: tally.reactAfter,
        now: clock.now(),
      })
      await work({ unit, tally, uptake: taking })
      await taking.write(slice)
      return taking
    })
    this.#batchSizes.add(slice.length)
    // Counted here, and looked up only now and then: to count a million takes a while.
    if (uptake.parked > 0) this.#counts = { ...this.#counts, parked: this.#counts.parked + uptake.parked }
    if (uptake.reacting > 0) this.#options.onReactions?.()
  }

  async #held(unit: StoreTransaction<Tx>, slice: readonly CloudEvent[]): Promise<ReadonlySet<string>> {
    const { parking } = this.#options
    if (this.#counts.parked === 0 || parking?.holdSubject !== true) return nothing
    return await unit.parking.held(
      'apply',
      slice.flatMap(({ subject }) => subject ?? []),
    )
  }

  /** One transaction: what `work` tallies is saved with it, and known once it has committed. */
  async #transaction<Result>(
    work: (unit: StoreTransaction<Tx>, tally: Tally) => Promise<Result>,
  ): Promise<Result> {
    const { store } = this.#options
    const tally = new Tally(this.#state)
    const result = await this.#whenAvailable(() =>
      store.transaction(async (unit) => {
        tally.restart(this.#state)
        const worked = await work(unit, tally)
        await unit.save(tally.toState())
        return worked
      }),
    )
    this.#state = tally.toState()
    return result
  }

  async #whenAvailable<Result>(write: () => Promise<Result>): Promise<Result> {
    return await whenAvailable(write, {
      ...this.#options,
      onFailed: (error) => {
        this.#lastError = { message: error.message, at: this.#options.clock.now() }
      },
    })
  }
}

/** What became of parked events that were tried again. */
export interface Redriven {
  readonly applied: number
  readonly failed: number
}

interface RedriveRun {
  /** Subjects whose first event has failed again. */
  readonly failing: Set<string>
  applied: number
  failed: number
}

/** Whoever stops in order says so: what was at work until its end may have been ended by an event. */
export function isOrderly({ phase }: ConsumerState): boolean {
  return phase === 'stopped'
}

async function* flatten<Item>(pages: AsyncIterable<Item[]>): AsyncGenerator<Item> {
  for await (const page of pages) yield* page
}

const notedAtOnce = 100_000
const redriveBatch = 250
const nothing: ReadonlySet<string> = new Set()

/** A parked event on its way to its handler again. */
class ParkedMessage extends MessageEvent {
  readonly parked: ParkedEvent

  constructor(parked: ParkedEvent) {
    const { id, source, type, subject } = parked
    super({ id, source, type, subject }, parked.message)
    this.parked = parked
  }
}
