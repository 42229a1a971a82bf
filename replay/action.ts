/**
 * An action: what a replay does with the events that a pattern picks. The built-in ones and those of plugins
 * have this one interface; `actionConformance` is its test suite.
 *
 * What it would do is worked out by `prepare`, which touches nothing, and done by `act`. A dry run calls the
 * first alone, so what it shows is what a run would do.
 */
import type { FailureKind } from './failure-cause.ts'
import type { ReplayEvent } from './replay-event.ts'
import type { PluginTarget } from './source.ts'

export interface Action<Prepared = unknown> {
  /** Where it acts, for people and reports. Holds no secret. */
  readonly name: string
  /**
   * What it acts on, where two actions of other names may act on the same: a table, an index. Between rules of one
   * target the order of a key is kept too. Default: the name.
   */
  readonly target?: string
  /** Whether all that it touches is on this machine: anything else wants `--yes` where nobody can be asked. */
  readonly isLocal: boolean
  /** Whether acting twice on an event leaves what acting once does. What a killed run has done since its last checkpoint it does again. */
  readonly isIdempotent: boolean
  /** Most events that one call of `act` takes. */
  readonly batchMax: number
  /**
   * True where a batch is done in its order, and what follows a failed event of it is not tried. To any other
   * action no batch holds two events of one key, so that none overtakes one that failed.
   */
  readonly stopsAtFailure: boolean
  /**
   * What is to be done with an event. Reads and writes nothing outside.
   *
   * @throws ReplayError `REPLAY_EVENT_REFUSED`, or `REPLAY_EVENT_UNREADABLE`, where it cannot be done for this
   *   event: what is wrong with it.
   */
  prepare(event: ReplayEvent): Prepared
  /** What `act` would send or write, for a dry run's samples. Holds no secret. */
  describe(prepared: Prepared): PlannedWrite
  /**
   * @param options.state - What `state` gave before, where a run goes on, or where its failures are tried again.
   * @throws ReplayError `REPLAY_ACTION_UNAVAILABLE`, `REPLAY_ACTION_INVALID`, `REPLAY_DRIVER_MISSING`.
   */
  open(options: { readonly state: unknown }): Promise<void>
  /**
   * Does it, in the order of the batch. Several calls may run at once, for different events.
   *
   * @returns An outcome for each event; nothing where all are done. Where `stopsAtFailure`, those up to the
   *   first failure.
   * @throws ActionFailure where the whole batch failed. What was done of it before is done again.
   */
  act(batch: readonly Prepared[], options: ActOptions): Promise<readonly Outcome[] | undefined>
  /**
   * Makes what was done durable, and gives what a later process needs to go on from here, as JSON. Called at
   * each checkpoint, while nothing is being acted on.
   */
  state?(): Promise<unknown>
  /**
   * Told that every event of the run is done with: completes what was kept open for more of them. Called before
   * the last `state`; not where a run ends early, and may go on.
   *
   * @throws ReplayError `REPLAY_ACTION_UNAVAILABLE`.
   */
  finish?(): Promise<void>
  /** Ends it; called once, after the last `act`. Idempotent. */
  close(): Promise<void>
}

export interface ActOptions {
  readonly signal: AbortSignal
  /** What order is kept by, for each event of the batch; undefined where nothing is. For an action that sends on. */
  readonly keys?: readonly (string | undefined)[]
}

/** `skipped`: there was nothing to do for it, such as a row that was there. */
export type Outcome = 'done' | 'skipped' | ActionFailure

/**
 * Why an event, or a batch, was not acted on. The kind says what helps: `throttled` and `unavailable` are tried
 * again, later each time; `refused` is the event's own fault, which trying again as often does not mend.
 */
export class ActionFailure extends Error {
  /**
   * A plugin may have another copy of this package than the command that runs it, or none: an error of the same name
   * with a kind and a code is one.
   */
  static override [Symbol.hasInstance](value: unknown): boolean {
    const { name, kind, code } = (value ?? {}) as Readonly<Record<string, unknown>>
    return (
      value instanceof Error &&
      name === 'ActionFailure' &&
      ['throttled', 'unavailable', 'refused'].includes(kind as string) &&
      typeof code === 'string'
    )
  }

  readonly kind: FailureKind
  /** Of what failed, such as SQLSTATE `23505` or HTTP `422`: failures are grouped by it. */
  readonly code: string
  /** Least time until it is tried again, as the service asks. */
  readonly retryAfterMs: number | undefined

  constructor(
    kind: FailureKind,
    code: string,
    message: string,
    { retryAfterMs, ...options }: ErrorOptions & { readonly retryAfterMs?: number } = {},
  ) {
    super(message, options)
    this.name = 'ActionFailure'
    this.kind = kind
    this.code = code
    this.retryAfterMs = retryAfterMs
  }
}

/** What is to be written, as it would leave. */
export type PlannedWrite =
  | { readonly kind: 'sql'; readonly statement: string; readonly parameters: readonly unknown[] }
  | {
      readonly kind: 'request'
      readonly method: string
      readonly url: string
      readonly headers?: Readonly<Record<string, string>>
      readonly body: unknown
    }
  | {
      readonly kind: 'message'
      readonly exchange: string
      readonly routingKey: string
      readonly headers: Readonly<Record<string, unknown>>
      readonly body: string
    }
  | { readonly kind: 'call'; readonly to: string; readonly input: unknown }
  | { readonly kind: 'text'; readonly to: string; readonly text: string }

/** What makes actions of one kind: the export `action` of a module. */
export interface ActionPlugin {
  /** For the help: `lambda:FUNCTION`. */
  readonly address: string
  /** For the help: one line. */
  readonly summary: string
  /** Names of its options and what each is. */
  readonly options: Readonly<Record<string, string>>
  /** @throws TypeError for an address or options that it cannot take. */
  create(target: PluginTarget): Action | Promise<Action>
}
