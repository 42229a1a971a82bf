/**
 * An actor of the demo: one of its programs, in a process of its own, so that it can really be killed.
 *
 * Programs of the toolkit's own (recorder, consumers) report over Node's channel between processes; each
 * message is `{ status }` or the answer to what was asked.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export class Actor<Status> {
  readonly name: string
  readonly #child: ChildProcess
  readonly #watchers = new Set<() => void>()
  #status: Status | undefined
  #failure: Error | undefined

  constructor(name: string, { program, settings }: { program: string; settings: object }) {
    this.name = name
    this.#child = fork(fileURLToPath(new URL(program, import.meta.url)), [JSON.stringify(settings)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#child.on('message', (message) => this.#onMessage(message as { status?: Status }))
    this.#child.on('exit', (code, signal) => this.#onExit(code, signal))
  }

  /** The newest that it reported. */
  get status(): Status | undefined {
    return this.#status
  }

  /** Waits until a reported status is as wanted; rejects where the process ends before. */
  async until(isWanted: (status: Status) => boolean): Promise<Status> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure
      if (this.#status !== undefined && isWanted(this.#status)) return this.#status
      await this.#change()
    }
  }

  /** Ends it as a power cut would: no handler runs, nothing is flushed. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** Lets it finish what it has in hand. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM')
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.removeAllListeners('exit')
    const exited = once(this.#child, 'exit')
    this.#child.kill(signal)
    await exited
  }

  async #change(): Promise<void> {
    await new Promise<void>((resolve) => {
      const onChange = () => {
        this.#watchers.delete(onChange)
        resolve()
      }
      this.#watchers.add(onChange)
    })
  }

  #onMessage({ status }: { status?: Status }): void {
    if (status === undefined) return
    this.#status = status
    this.#notify()
  }

  #onExit(code: number | null, signal: NodeJS.Signals | null): void {
    this.#failure = new Error(`${this.name} ended by itself (${signal ?? `exit code ${code}`})`)
    this.#notify()
  }

  #notify(): void {
    for (const watcher of this.#watchers) watcher()
  }
}
