/**
 * Standard output: data, and nothing else.
 *
 * A write resolves when the stream has taken it, so that a slow reader slows the command down and memory
 * stays flat. A reader that has gone (`| head`) takes nothing more, and no command fails by it: one that only has data
 * to show asks for its reader and ends, any other goes on and ends with an exit code of its own.
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

  /** Whether the reader has gone. */
  get isClosed(): boolean {
    const { code } = (this.#failure ?? {}) as NodeJS.ErrnoException
    return code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED'
  }

  /** @throws CliError `CLI_OUTPUT_CLOSED` where the reader has gone. */
  requireReader(): void {
    if (this.isClosed)
      throw new CliError('CLI_OUTPUT_CLOSED', 'Nobody reads the output any more', { cause: this.#failure })
  }

  /** Does nothing where the reader has gone. @throws CliError `CLI_FILE_UNREADABLE`, such as for a full disk. */
  async write(data: string | Uint8Array): Promise<void> {
    this.#failure ??= await this.#write(data)
    if (this.#failure === undefined || this.isClosed) return
    throw new CliError('CLI_FILE_UNREADABLE', `The output cannot be written: ${this.#failure.message}`, {
      cause: this.#failure,
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
