/**
 * The end of a command that was told to end.
 *
 * The first signal begins it: the command finishes what is in hand. Where that takes longer than it may,
 * or a second signal comes, the process ends as it is, which loses nothing: nothing was acknowledged that
 * was not committed, so what was in hand comes again at the next start. Only a handler that never gives
 * the event loop back cannot be ended so: it takes SIGKILL.
 */
import { CliError, exitCodeOfSignal, Interrupted } from './errors.ts'
import type { Io } from './io.ts'

export class Stop {
  /** From the first signal on; undefined is for ever. */
  timeoutMs: number | undefined
  readonly #controller = new AbortController()
  readonly #unlisten: () => void
  #timer: NodeJS.Timeout | undefined

  constructor(io: Io, onLate: (error: CliError) => void) {
    this.#unlisten = io.onSignal((signal) => {
      if (this.signal.aborted) {
        io.exit(exitCodeOfSignal(signal))
        return
      }
      const { timeoutMs } = this
      if (timeoutMs !== undefined) {
        this.#timer = setTimeout(() => onLate(tooLate(signal, timeoutMs)), timeoutMs)
      }
      this.#controller.abort(new Interrupted(signal))
    })
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Begins it without a signal. */
  begin(reason: CliError): void {
    this.#controller.abort(reason)
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#unlisten()
  }
}

function tooLate(signal: NodeJS.Signals, timeoutMs: number): CliError {
  return new CliError(
    'CLI_SHUTDOWN_TIMEOUT',
    `Not done within ${timeoutMs / 1_000} s after ${signal}, and ended as it was. Nothing is lost: what was in hand is done at the next start. Mend what hangs, or give it longer with --shutdown-timeout`,
  )
}
