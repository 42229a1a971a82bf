/**
 * A part in its own process, as the bench sees it: neither its peer nor what feeds it shares its Node.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { extname, join } from 'node:path'
import type { Round } from './part.ts'
import type { PartName, SetupOf } from './parts.ts'

/** Beside this module, in TypeScript or compiled as it is. */
const program = join(import.meta.dirname, `part-main${extname(import.meta.filename)}`)

export type Order = 'open' | 'round' | 'close'

export type Answer = { readonly round: Round | undefined } | { readonly failed: string }

export class PartProcess {
  readonly name: PartName
  readonly #child: ChildProcess

  private constructor(name: PartName, child: ChildProcess) {
    this.name = name
    this.#child = child
  }

  /**
   * @param options.profileDir - Where the process leaves a CPU profile. Default: none.
   * @throws Error where the part cannot be opened.
   */
  static async start<Name extends PartName>(
    name: Name,
    setup: SetupOf<Name>,
    { profileDir }: { profileDir: string | undefined },
  ): Promise<PartProcess> {
    const profile = profileDir === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${join(profileDir, name)}`]
    const child = fork(program, [name, JSON.stringify(setup)], {
      execArgv: [...process.execArgv, '--expose-gc', ...profile],
      // Standard output is for the figures.
      stdio: ['ignore', 2, 2, 'ipc'],
    })
    const part = new PartProcess(name, child)
    try {
      await part.#ask('open')
    } catch (error) {
      child.kill()
      throw error
    }
    return part
  }

  /** @throws Error where the work was not done as it was to be. */
  async round(): Promise<Round> {
    return (await this.#ask('round'))!
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = new Promise((resolve) => this.#child.once('exit', resolve))
    await this.#ask('close').catch(() => this.#child.kill())
    await exited
  }

  async #ask(order: Order): Promise<Round | undefined> {
    const answer = await new Promise<Answer>((resolve) => {
      const ended = () => resolve({ failed: 'its process ended' })
      this.#child.once('exit', ended)
      this.#child.once('message', (message) => {
        this.#child.off('exit', ended)
        resolve(message as Answer)
      })
      this.#child.send(order, (error) => {
        if (error !== null) resolve({ failed: error.message })
      })
    })
    if ('failed' in answer) throw new Error(`Bench part ${this.name} failed at ${order}: ${answer.failed}`)
    return answer.round
  }
}
