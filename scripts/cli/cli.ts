/**
 * What a command works with: its output, its words to people, its settings, and the end it may be told of.
 */
import { resolve } from 'node:path'
import type { Logger } from '../../events/index.ts'
import { type CliError, usageError } from './errors.ts'
import type { Io } from './io.ts'
import { peopleLogger } from './logger.ts'
import { Output } from './output.ts'
import { type ProgressOptions, showProgress } from './progress.ts'
import { Screen } from './screen.ts'
import {
  brokerSetting,
  historySetting,
  historyTokenSetting,
  managementSetting,
  type Setting,
} from './settings.ts'
import { Stop } from './stop.ts'

/** For what closes by itself. */
const leaveMs = 500

export class Cli {
  readonly output: Output
  readonly screen: Screen
  readonly #io: Io
  #logger: Logger | undefined
  #logsJson = false
  readonly #onLate: (error: CliError) => void
  #stop: Stop | undefined

  /** @param options.onLate - Tells that the command did not end in its time, and ends the process. */
  constructor(io: Io, { onLate }: { onLate: (error: CliError) => void }) {
    this.#io = io
    this.#onLate = onLate
    this.output = new Output(io.stdout)
    this.screen = new Screen(io)
  }

  get stdin(): Io['stdin'] {
    return this.#io.stdin
  }

  get cwd(): string {
    return this.#io.cwd
  }

  get logger(): Logger {
    this.#logger ??= peopleLogger({ screen: this.screen })
    return this.#logger
  }

  get logsJson(): boolean {
    return this.#logsJson
  }

  async useLogger({ json, verbose }: { json: boolean; verbose: boolean }): Promise<void> {
    const { screen } = this
    this.#logsJson = json
    this.#logger = json
      ? (await import('./json-logger.ts')).jsonLogger({ screen, verbose })
      : peopleLogger({ screen, verbose })
  }

  /** A word to whoever started the command. */
  say(text: string): void {
    if (this.#logsJson) this.logger.info('notice', { text })
    else this.screen.line(text)
  }

  /** What a chart on standard output is drawn on. */
  get canvas(): { readonly columns: number; readonly isPlain: boolean } {
    const { stdout, env } = this.#io
    const isTerminal = stdout.isTTY === true && env.TERM !== 'dumb'
    const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || ''
    return {
      columns: (isTerminal && stdout.columns) || 80,
      isPlain: !isTerminal || !/utf-?8/i.test(locale),
    }
  }

  /** A path as it was typed, from the folder it was typed in. */
  path(typed: string): string {
    return resolve(this.#io.cwd, typed)
  }

  broker(option: string | undefined): Promise<Setting<readonly string[]>> {
    return brokerSetting(option, this.#io)
  }

  history(option: string | undefined): Promise<Setting<string>> {
    return historySetting(option, this.#io)
  }

  /** As `history()`, for a command that writes to it. @throws CliError `CLI_USAGE` for a feed, too. */
  async writtenHistory(option: string | undefined): Promise<Setting<string>> {
    const setting = await this.history(option)
    if (!/^https?:\/\//i.test(setting.value)) return setting
    throw usageError(`${setting.value} is a feed, which only reads: name the file or database of the history`)
  }

  /** What a feed lets its reader in by; undefined where none is named. */
  historyToken(): Promise<string | undefined> {
    return historyTokenSetting(this.#io)
  }

  /** Of the environment, by its name. */
  setting(name: string): string | undefined {
    return this.#io.env[name]
  }

  /** Undefined where none is named. */
  management(option: string | undefined): string | undefined {
    return managementSetting(option, this.#io)
  }

  /** @returns What ends it. */
  progress(options: Pick<ProgressOptions, 'unit' | 'read'>): () => void {
    const { screen } = this
    return showProgress({ ...options, screen, ...(this.#logsJson && { logger: this.logger }) })
  }

  /**
   * Takes SIGINT, SIGTERM and SIGHUP over: the first aborts this signal with an `Interrupted`, and the
   * command ends in good order; a second one ends the process at once. A command that never asks for it
   * ends at the first.
   *
   * @param options.timeoutMs - How long the command may take from the first signal on. Default: for ever.
   */
  stopSignal({ timeoutMs }: { timeoutMs?: number } = {}): AbortSignal {
    const stop = this.#ending()
    if (timeoutMs !== undefined) stop.timeoutMs = timeoutMs
    return stop.signal
  }

  /** Ends the command as the first signal does; what has ended it already stays the reason. */
  stop(reason: CliError): void {
    this.#ending().begin(reason)
  }

  /** Ends the process in a moment, where something that does not answer would keep it from its end. */
  leaveWith(exitCode: number): void {
    setTimeout(() => this.#io.exit(exitCode), leaveMs).unref()
  }

  close(): void {
    this.#stop?.end()
    this.screen.status('')
  }

  #ending(): Stop {
    this.#stop ??= new Stop(this.#io, this.#onLate)
    return this.#stop
  }
}
