/**
 * Replay: events from a source, picked by rules, each acted on, in order, in memory that does not grow.
 *
 * It goes in rounds. A round is read and picked while the one before it is acted on; when all of a round is
 * settled, its failures are written, then a checkpoint. A run that is killed goes on from its checkpoint and does
 * again what came after: with actions that are idempotent, the end is that of a run never killed.
 */
import type { Logger } from '../events/index.ts'
import { ReplayError } from './errors.ts'
import type { ReplayEvent } from './replay-event.ts'
import type { ReplayReport } from './report/report.ts'
import type { Rule } from './rule.ts'
import type { Retries } from './run/retry-policy.ts'
import type { Order } from './run/rule-run.ts'
import { Run } from './run/run.ts'
import type { RunFolder, RunState } from './run/run-folder.ts'
import { type RunOptions, resolveOptions } from './run/run-options.ts'
import type { Source, SourceSize } from './source.ts'

export interface ReplayOptions {
  /** For the report, and what replayed messages are told by. */
  readonly run: string
  /** Opened and closed by this. */
  readonly source: Source
  /** At least one, each with a name of its own. Their actions are opened and closed by this. */
  readonly rules: readonly Rule[]
  /** Works out what would be done, and does none of it: no action is opened. Default false. */
  readonly dryRun?: boolean
  /** `global`: one after the other. `key`: in order within a key. `none`. Default `global`. */
  readonly order?: Order
  /** Batches in flight, for the orders `key` and `none`. Default 8. */
  readonly concurrency?: number
  /** What order is kept by, and what waits behind a failure. Default: the subject. */
  readonly keyOf?: (event: ReplayEvent) => string | undefined
  /** Events a second at most, of each rule. */
  readonly rate?: number
  /** Recorded timing: 1 as it was published, 10 ten times as fast. */
  readonly speed?: number
  /** By kind. Default {throttled: 10, unavailable: 10, refused: 0}. */
  readonly retries?: Partial<Retries>
  /** Ends the run once so many events have failed: a number, or a share of those picked such as `5%`. Default 1,000. */
  readonly maxFailures?: number | `${number}%`
  /** Without, a run that is killed begins anew, and failures are only told. */
  readonly checkpoints?: Checkpoints
  /** Ends it in good order, after the round in hand. What waits to be tried again is left to the next process. */
  readonly signal?: AbortSignal
  readonly logger?: Logger
  /** Called after each round. */
  onProgress?(progress: ReplayProgress): void
}

/** Where a run keeps what it needs to go on. */
export interface Checkpoints {
  readonly folder: RunFolder
  /** 1 over the source itself, N over the failures of pass N - 1. Default 1. */
  readonly pass?: number
  /** Of whatever makes two runs the same: one with another is refused. Default none. */
  readonly fingerprint?: string
}

export interface ReplayProgress {
  readonly read: number
  readonly picked: number
  readonly failed: number
  /** Of the source, read by this process. */
  readonly bytes: number
  readonly size: SourceSize
}

/**
 * @returns The report: also of a run that was ended by `signal` or by too many failures.
 * @throws TypeError for options that cannot be. ReplayError as the source's `open` and `read` and the actions'
 *   `open`; `REPLAY_CHECKPOINT_FOREIGN` where the folder's checkpoint is of another replay. What an action throws
 *   that is no `ActionFailure` is thrown as it is.
 */
export async function replay(options: ReplayOptions): Promise<ReplayReport> {
  const resolved = resolveOptions(options)
  const state = await stateToGoOnFrom(resolved)
  return await new Run(resolved, state).go(state)
}

async function stateToGoOnFrom({ dryRun, checkpoints }: RunOptions): Promise<RunState | undefined> {
  if (dryRun || checkpoints === undefined) return undefined
  const { folder, pass = 1, fingerprint = '' } = checkpoints
  const state = await folder.state()
  if (state === undefined || state.pass < pass) return undefined
  if (state.pass > pass || state.isDone) {
    throw new ReplayError('REPLAY_CHECKPOINT_FOREIGN', `Pass ${pass} of ${folder.folder} is done already`)
  }
  if (state.fingerprint === fingerprint) return state
  throw new ReplayError(
    'REPLAY_CHECKPOINT_FOREIGN',
    `The run in ${folder.folder} had another source, or other rules: go on with those it began with`,
  )
}
