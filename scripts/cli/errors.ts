/**
 * What a command ends with: one class for the command line's own errors, and an exit code for every error.
 *
 * Other errors are told apart by the prefix of their code, not by their class: asking for the class would
 * load the folder that it lives in, which `--help` has no use for.
 */

/** Stable codes of this folder's errors; a code never changes its meaning. */
export type CliErrorCode =
  | 'CLI_CONFIG_INVALID'
  | 'CLI_FILE_UNREADABLE'
  | 'CLI_INTERRUPTED'
  | 'CLI_MODULE_INVALID'
  | 'CLI_NOT_CONFIRMED'
  | 'CLI_NOT_FOUND'
  | 'CLI_OUTPUT_CLOSED'
  | 'CLI_SHUTDOWN_TIMEOUT'
  | 'CLI_TYPESCRIPT_LOADER_MISSING'
  | 'CLI_USAGE'

/** What the caller can mend. `cause` holds what was thrown underneath. */
export class CliError extends Error {
  readonly code: CliErrorCode

  constructor(code: CliErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CliError'
    this.code = code
  }
}

/** A wrong call of a command: `hint` names the help that tells the right one. */
export function usageError(message: string, { hint = 'backstory --help' } = {}): CliError {
  return new CliError('CLI_USAGE', `${message}. See ${hint}`)
}

/** Exit codes, as every command's help lists them. */
export const exitCodes = {
  ok: 0,
  checkFailed: 1,
  usage: 2,
  broker: 3,
  history: 4,
  consumer: 5,
  replay: 6,
  internal: 70,
  late: 124,
  /** A shell's own for SIGPIPE. */
  outputClosed: 141,
} as const

export const exitCodesHelp = `Exit codes:
  0    done
  1    a check failed: events were rejected, a certificate is not complete, an audit has a finding, a retry
       failed again, nothing was found
  2    wrong usage: arguments, settings, an event pattern that is none, a module that is no consumer definition
  3    the broker: unreachable in time, access refused, another topology, none to start
  4    the history: missing, locked, foreign, damaged
  5    the consumer: its handler failed, its store is locked or foreign
  6    a replay: its source or a service is away, or too many events failed
  70   a bug of Backstory
  124  told to end, and not done within --shutdown-timeout: what was in hand is done at the next start
  130  interrupted (143 where terminated) before it was done
  141  nobody read its output any more, and it had more to do than to show it`

const prefixes: readonly (readonly [prefix: string, exitCode: number])[] = [
  ['BROKER_', exitCodes.broker],
  ['PUBLISH_', exitCodes.broker],
  ['SERVICE_', exitCodes.broker],
  ['HISTORY_', exitCodes.history],
  ['CONSUMER_', exitCodes.consumer],
  ['EVENT_', exitCodes.consumer],
  ['PATTERN_', exitCodes.usage],
  ['HEALTH_', exitCodes.usage],
  ['REPLAY_PLAN_', exitCodes.usage],
  ['REPLAY_', exitCodes.replay],
  ['CLI_', exitCodes.usage],
]

/** The stable code of an error of ours, undefined for any other: that is a bug, and deserves its stack. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const { code } = error as { code?: unknown }
  return typeof code === 'string' && prefixes.some(([prefix]) => code.startsWith(prefix)) ? code : undefined
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return error.exitCode
  const code = codeOf(error)
  if (code === undefined) return exitCodes.internal
  if (code === 'CLI_NOT_FOUND' || code === 'CLI_NOT_CONFIRMED') return exitCodes.checkFailed
  if (code === 'CLI_SHUTDOWN_TIMEOUT') return exitCodes.late
  if (code === 'CLI_OUTPUT_CLOSED') return exitCodes.outputClosed
  return prefixes.find(([prefix]) => code.startsWith(prefix))![1]
}

/** The reason with which a signal ends a command. */
export class Interrupted extends CliError {
  readonly signal: NodeJS.Signals

  constructor(signal: NodeJS.Signals) {
    super('CLI_INTERRUPTED', `Ended by ${signal} before it was done`)
    this.signal = signal
  }

  /** A shell's own: 128 and the number of the signal. */
  get exitCode(): number {
    return exitCodeOfSignal(this.signal)
  }
}

export function exitCodeOfSignal(signal: NodeJS.Signals): number {
  return signal === 'SIGINT' ? 130 : signal === 'SIGHUP' ? 129 : 143
}
