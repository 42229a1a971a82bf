/** What a replay is asked to do. */
import type { Logger } from '../events/index.ts'
import type { ReplayEvent } from './replay-event.ts'
import type { ReplayReport } from './report/report.ts'
import type { Rule } from './rule.ts'
import type { Retries } from './run/retry-policy.ts'
import type { Order } from './run/rule-run.ts'
import type { RunFolder } from './run/run-folder.ts'
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
  /**
   * How many events may fail: the next one ends the run, once what is in hand is finished. A number, or a share of
   * those picked such as `5%`, from the hundredth on. It ends too where 100,000 keys of a rule wait behind a failed event. Default 1,000.
   */
  readonly maxFailures?: number | `${number}%`
  /** Without, a run that is killed begins anew, and failures are only told. */
  readonly checkpoints?: Checkpoints
  /** Ends it in good order, after the round in hand. What waits to be tried again is left to the next process. */
  readonly signal?: AbortSignal
  readonly logger?: Logger
  /** Called once source and actions are open, before the first event is read. */
  onStart?(): void
  /** Called before a run that began throws: with what it had done until then. */
  onError?(report: ReplayReport): void
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
