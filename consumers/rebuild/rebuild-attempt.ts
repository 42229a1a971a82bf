/**
 * One attempt at a rebuild: build the draft, follow the consumer until near level, lock, swap.
 *
 * It ends in the swap, in an error, or `outdated`: where hands have discarded, restored or edited a parked
 * event meanwhile, the draft has done with it what was decided before.
 */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import type { Identity, Logger } from '../../events/index.ts'
import type { HistoryReader, SqliteDatabase } from '../../history/index.ts'
import { dueAfter } from '../attempts.ts'
import type { ParkingPolicy } from '../definition.ts'
import { ConsumerError } from '../errors.ts'
import type { Clock } from '../link.ts'
import { guard } from '../sqlite/sqlite-store.ts'
import type { ConsumerState } from '../store.ts'
import { RebuildDraft, type TakenIn } from './rebuild-draft.ts'
import type { RebuildHandlers } from './rebuild-handlers.ts'
import { swapParked } from './rebuild-parked.ts'
import { changedTables, namesInDraft, type SwappedTables, swapTables } from './rebuild-tables.ts'
import { RebuildTarget } from './rebuild-target.ts'

export interface RebuildAttemptOptions<Tx> {
  /** Of the store. */
  readonly path: string
  readonly draftPath: string
  readonly consumer: string
  readonly exchange: string
  readonly history: HistoryReader
  readonly handlers: RebuildHandlers<Tx>
  readonly parking: Required<ParkingPolicy> | undefined
  /** Undefined: all that the definition makes. */
  readonly tables: readonly string[] | undefined
  readonly levelWaitMs: number
  readonly signal: AbortSignal
  readonly logger: Logger
  prepare?(database: SqliteDatabase): Tx | Promise<Tx>
  onProgress(progress: { phase: 'building' | 'waiting' | 'swapping'; position: number; cursor: number }): void
}

export interface RebuildOutcome extends SwappedTables {
  readonly cursor: number
  readonly applied: number
  readonly parked: number
  readonly discarded: number
  readonly lockedMs: number
}

/** Few enough to take in while the consumer's writes wait. */
const nearMax = 500
const levelRetryMs = 100
const recordWaitMs = 10
const recordWaitMsMax = 200

export async function attemptRebuild<Tx>(
  options: RebuildAttemptOptions<Tx>,
): Promise<RebuildOutcome | 'outdated'> {
  const target = await RebuildTarget.open(options, options.signal)
  try {
    target.keepDecisions()
    const attempt = new RebuildAttempt(options, target)
    return await attempt.run()
  } finally {
    target.rollback()
    target.close()
  }
}

class RebuildAttempt<Tx> {
  readonly #options: RebuildAttemptOptions<Tx>
  readonly #target: RebuildTarget
  /** Where the consumer was when it was last looked at. */
  #cursor = 0

  constructor(options: RebuildAttemptOptions<Tx>, target: RebuildTarget) {
    this.#options = options
    this.#target = target
  }

  async run(): Promise<RebuildOutcome | 'outdated'> {
    const { draftPath, signal } = this.#options
    const draft = await RebuildDraft.open<Tx>({
      ...this.#options,
      path: draftPath,
      clock: clockOf(signal),
      decisionOf: (identity) => this.#target.decisionOf(identity),
      onPosition: (position) => this.#tell('building', position),
    })
    try {
      this.#target.attach(draftPath)
      await this.#checkFit()
      await this.#follow(draft)
      await draft.retryParked()
      for (let waitedMs = 0; ; waitedMs += levelRetryMs) {
        const outcome = await this.#finish(draft, { isLastTry: waitedMs >= this.#options.levelWaitMs })
        if (outcome !== 'not level') return outcome
        this.#tell('waiting', draft.state.cursor)
        await sleep(levelRetryMs, undefined, { signal }).catch(() => signal.throwIfAborted())
        await this.#follow(draft)
      }
    } finally {
      // The draft is closed before its file is removed, and after the target has let go of it.
      this.#target.rollback()
      await draft.close()
    }
  }

  /** Follows the consumer until little is left, or no less than before. */
  async #follow(draft: RebuildDraft<Tx>): Promise<void> {
    for (let before = Number.POSITIVE_INFINITY; ; ) {
      const { state, waiting } = this.#target.marks()
      this.#cursor = state.cursor
      const takenIn = { cursor: state.cursor, latestTo: state.latestTo, waiting }
      const behind = draft.behind(takenIn)
      await draft.follow(takenIn)
      if (behind <= nearMax || behind > before / 2) return
      before = behind
    }
  }

  /** Locks the store and swaps, if the draft can be brought level. */
  async #finish(
    draft: RebuildDraft<Tx>,
    { isLastTry }: { isLastTry: boolean },
  ): Promise<RebuildOutcome | 'outdated' | 'not level'> {
    const { consumer, path, parking, signal, logger } = this.#options
    const target = this.#target
    await target.lock(signal)
    const lockedAt = performance.now()
    try {
      const { state, waiting } = target.marks()
      this.#cursor = state.cursor
      const missing = await this.#level(draft, { cursor: state.cursor, latestTo: state.latestTo, waiting })
      if (target.haveDecisionsChanged()) return 'outdated'
      if (missing.length > 0 || draft.state.cursor > state.cursor) {
        if (isLastTry) throw this.#unequal(notLevel({ state, draft: draft.state, missing }))
        return 'not level'
      }
      if (!areEqual(state, draft.state)) throw this.#unequal(difference(state, draft.state))
      await this.#checkFit()
      this.#tell('swapping', state.cursor)
      // What was told may be heard before the work begins.
      await nextTurn()
      const swapped = await guard(path, async () => {
        const between = async () => {
          await nextTurn()
          signal.throwIfAborted()
        }
        const tables = await swapTables(target.database, { path, between })
        const now = Date.now()
        const dueAt = dueAfter(parking, { retries: 0, now }) ?? null
        if (swapParked(target.database, { consumer, now, dueAt })) target.supersede()
        return tables
      })
      const counts = target.counts()
      await target.commit()
      const lockedMs = Math.round(performance.now() - lockedAt)
      target.settle()
      const applied = state.replayed + state.live - counts.parked - counts.discarded
      logger.info('consumer.rebuilt', { consumer, cursor: state.cursor })
      return {
        ...swapped,
        cursor: state.cursor,
        applied,
        parked: counts.parked,
        discarded: counts.discarded,
        lockedMs,
      }
    } finally {
      target.rollback()
    }
  }

  /**
   * Brings the draft to where the consumer is, which stands still now. What that had live a moment ago is
   * recorded in the next one; for a recorder that is away the lock is not kept.
   */
  async #level(draft: RebuildDraft<Tx>, takenIn: TakenIn): Promise<Identity[]> {
    for (let waitedMs = 0; ; waitedMs += recordWaitMs) {
      const missing = await draft.follow(takenIn)
      if (missing.length === 0 || waitedMs >= recordWaitMsMax) return missing
      await sleep(recordWaitMs)
    }
  }

  /** @throws ConsumerError `CONSUMER_REBUILD_CONFLICT` where the draft's tables must not take their places. */
  async #checkFit(): Promise<void> {
    const { consumer, path, tables } = this.#options
    const target = this.#target
    const names = namesInDraft(target.database)
    const { others } = target
    if (others.length > 0 && tables === undefined) {
      throw conflict(
        `${path} also holds ${others.join(', ')}, and nothing tells which consumer writes a table: name ${consumer}'s own with \`tables\` (--table). It makes ${names.join(', ')}`,
      )
    }
    const strange = names.filter((name) => tables !== undefined && !tables.includes(name))
    if (strange.length > 0)
      throw conflict(
        `Consumer ${consumer} also makes ${strange.join(', ')}, which \`tables\` (--table) does not name`,
      )
    const changed = changedTables(target.database)
    if (changed.length > 0 && (await target.isInUse())) {
      throw conflict(
        `Consumer ${consumer} runs on ${path} with other columns in ${changed.join(', ')} than this definition makes: stop it, rebuild, and start it with the new code`,
      )
    }
  }

  #tell(phase: 'building' | 'waiting' | 'swapping', position: number): void {
    this.#options.onProgress({ phase, position, cursor: this.#cursor })
  }

  #unequal(what: string): ConsumerError {
    const { consumer, path } = this.#options
    return new ConsumerError(
      'CONSUMER_REBUILD_UNEQUAL',
      `Consumer ${consumer} in ${path} keeps its old tables: ${what}`,
    )
  }
}

function areEqual(one: ConsumerState, other: ConsumerState): boolean {
  return one.checksum === other.checksum && taken(one) === taken(other)
}

function taken({ replayed, live, pruned, erased, superseded }: ConsumerState): number {
  return replayed + live + pruned + erased + superseded
}

function difference(state: ConsumerState, draft: ConsumerState): string {
  return `by its marks it has taken in ${taken(state)} events up to position ${state.cursor} and beyond, and the history gives ${taken(draft)} others. Name the right history; where it is the right one, \`audit --consumer\` tells what differs`
}

function notLevel({
  state,
  draft,
  missing,
}: {
  state: ConsumerState
  draft: ConsumerState
  missing: readonly Identity[]
}): string {
  const [first] = missing
  return first === undefined
    ? `its cursor was set back to ${state.cursor} meanwhile, and the new ones are at ${draft.cursor} already: rebuild again`
    : `${missing.length} events that it applied live are not in the history, first ${first.id} of ${first.source}: start the recorder, and rebuild again`
}

function conflict(message: string): ConsumerError {
  return new ConsumerError('CONSUMER_REBUILD_CONFLICT', message)
}

function clockOf(signal: AbortSignal): Clock {
  return {
    now: Date.now,
    sleep: (ms) => (ms === 0 ? nextTurn() : sleep(ms, undefined, { signal }).catch(() => {})),
  }
}
