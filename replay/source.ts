/**
 * A source: where a replay reads its events. The built-in ones and those of plugins have this one interface;
 * `sourceConformance` is its test suite.
 */
import type { Logger, Pattern } from '../events/index.ts'
import type { ReplayEvent } from './replay-event.ts'

export interface Source {
  /** Where it reads, for people and reports. Holds no secret. */
  readonly name: string
  /** Whether what it hands out is gone there once that is done with, as from a queue that is emptied. Default false. */
  readonly takes?: boolean
  /** Whether it is on this machine: one that takes elsewhere wants `--yes` where nobody can be asked. Default false. */
  readonly isLocal?: boolean
  /**
   * What it reads, by the `target` of an action that would write there: a plan with such a rule is refused, since it
   * would read what it writes, or nothing any more. Default: nothing that an action writes.
   */
  readonly targets?: readonly string[]
  /**
   * Opens it, and tells how much there is to read, where that is known without reading it: for the progress.
   *
   * @throws ReplayError `REPLAY_SOURCE_UNAVAILABLE` where it cannot be reached, or is not there;
   *   `REPLAY_SOURCE_INVALID` where it holds something else; `REPLAY_DRIVER_MISSING`.
   */
  open(): Promise<SourceSize>
  /**
   * Reads pages of events, in the source's order, until there are no more. The next page is read when it is
   * asked for, and memory does not grow with the source.
   *
   * @throws ReplayError as `open` does, `REPLAY_CHECKPOINT_FOREIGN` for a token that it does not know.
   */
  read(options: ReadOptions): AsyncIterable<SourcePage>
  /**
   * Told where every event up to a token is done with for good. For a source that gives up what it has handed
   * out only then, such as a queue.
   */
  settle?(token: string): Promise<void>
  /** Idempotent. */
  close(): Promise<void>
}

export interface ReadOptions {
  /** The token of an event, of this source in an earlier process too: goes on behind it. Undefined: from the beginning. */
  readonly after: string | undefined
  /** Ends the reading, after the page in hand. */
  readonly signal: AbortSignal
  /**
   * Where it is given: an event that none of them matches need not be handed out. What is handed out is matched
   * all the same.
   */
  readonly patterns?: readonly Pattern[]
  /** Nothing is settled, and nothing may be taken. Default false. */
  readonly dryRun?: boolean
}

export interface SourceSize {
  readonly events?: number
  readonly bytes?: number
}

/** At most some thousand events, or some MiB. May be empty, to tell that nothing came for a second. */
export interface SourcePage {
  readonly events: readonly ReplayEvent[]
  /**
   * Bytes read of the source since it was opened, this page's included; compressed where the source is. What is
   * before `after` may count too.
   */
  readonly bytes: number
  /** Events that were looked at before these and not handed out, since none of `patterns` matches them. Default 0. */
  readonly passed?: number
  /** True where the source hands out little more until what it has handed out is settled: it is acted on at once. */
  readonly endsRound?: boolean
}

/** What makes sources of one kind: the export `source` of a module. */
export interface SourcePlugin {
  /** For the help: `dynamodb:TABLE`. */
  readonly address: string
  /** For the help: one line. */
  readonly summary: string
  /** Names of its options and what each is. */
  readonly options: Readonly<Record<string, string>>
  /**
   * @throws TypeError for an address or options that it cannot take.
   */
  create(target: PluginTarget): Source | Promise<Source>
}

/** What a plugin is made with. */
export interface PluginTarget {
  /** As it was given: `dynamodb:orders`, `./rows.ts`. */
  readonly address: string
  /** Of the plan, or of `--from-option` and `--to-option`. Checked by the plugin; `readOptions` helps. */
  readonly options: Readonly<Record<string, unknown>>
  readonly context: PluginContext
}

/** What a plugin may use of the process around it. */
export interface PluginContext {
  /** Made for this run; also of the headers by which a consumer tells a replayed event. */
  readonly runId: string
  /** The folder that relative paths start from. */
  readonly cwd: string
  readonly logger: Logger
  /** A setting by the name of its environment variable, such as `PGPASSWORD`. */
  setting(name: string): string | undefined
  /** The URLs of the broker, where no address names one. */
  brokers(): Promise<readonly string[]>
  /** Where the history is, for the address `history`. */
  history(): Promise<string>
  /** Standard input. */
  readonly stdin: NodeJS.ReadableStream
  /** Where `print` writes. */
  readonly output: { write(text: string): Promise<void> }
}
