/**
 * Standard output: data, and nothing else.
 *
 * A write resolves when the stream has taken it, so that a slow reader slows the command down and memory
 * stays flat. A reader that has gone (`| head`) ends the command quietly: see `CLI_OUTPUT_CLOSED`.
 */
import { CliError } from './errors.ts'
import type { OutputStream } from './io.ts'

export class Output {
  readonly #stream: OutputStream
  #failure: Error | undefined

  constructor(stream: OutputStream) {
    this.#stream = stream
    // The write that failed tells; without a listener the process would end with a stack.
    stream.on('error', (error) => {
      this.#failure ??= error
    })
  }

  /** @throws CliError `CLI_OUTPUT_CLOSED` where the reader has gone. */
  async write(data: string | Uint8Array): Promise<void> {
    const failure = this.#failure ?? (await this.#write(data))
    if (failure === undefined) return
    const { code } = failure as NodeJS.ErrnoException
    if (code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED') {
      throw new CliError('CLI_OUTPUT_CLOSED', 'Nobody reads the output any more', { cause: failure })
    }
    throw new CliError('CLI_FILE_UNREADABLE', `The output cannot be written: ${failure.message}`, {
      cause: failure,
    })
  }

  async line(text: string): Promise<void> {
    await this.write(`${text}\n`)
  }

  async lines(lines: readonly string[]): Promise<void> {
    if (lines.length > 0) await this.write(`${lines.join('\n')}\n`)
  }

  /** One value, one line. */
  async json(value: unknown): Promise<void> {
    await this.line(JSON.stringify(value))
  }

  #write(data: string | Uint8Array): Promise<Error | undefined> {
    return new Promise((resolve) => this.#stream.write(data, (error) => resolve(error ?? undefined)))
  }
}
