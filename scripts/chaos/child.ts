/**
 * A process of a chaos run: a program of `programs/`, started again whenever it ended, as a supervisor would.
 *
 * It tells how it is in lines of JSON on standard output, each a whole new report; what it logs goes to a
 * file. It may end by itself with `tryLater`, where a full disk keeps it from starting; any other end that
 * was not asked for is a finding.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ProcessName } from './cast.ts'

/** Exit code of a program that could not work now: EX_TEMPFAIL. */
export const tryLater = 75

export type ProgramName = 'publisher' | 'seller' | 'recorder' | 'consumer'

export interface ChildOptions {
  readonly name: ProcessName
  readonly program: ProgramName
  readonly options: object
  /** Of its log. */
  readonly folder: string
  /** Further arguments for node. */
  readonly nodeArgs: readonly string[]
}

export interface UnexpectedEnd {
  readonly process: ProcessName
  readonly code: number | null
  readonly signal: string | null
  readonly lastWords: readonly string[]
}

const restartMs = 300

export class Child {
  readonly name: ProcessName
  readonly unexpected: UnexpectedEnd[] = []
  /** Starts so far. */
  starts = 0
  readonly #options: ChildOptions
  #child: ChildProcess | undefined
  #report: unknown
  /** Down on purpose: killed, or told to stop. */
  #isWanted = false

  constructor(options: ChildOptions) {
    this.name = options.name
    this.#options = options
  }

  /** The newest report of the present process; undefined before its first. */
  get report(): unknown {
    return this.#report
  }

  get isRunning(): boolean {
    const child = this.#child
    return child !== undefined && child.exitCode === null && child.signalCode === null
  }

  get pid(): number | undefined {
    return this.isRunning ? this.#child!.pid : undefined
  }

  get logFile(): string {
    return join(this.#options.folder, `${this.name}.log`)
  }

  start(): void {
    if (this.isRunning) return
    const { name, program, options, nodeArgs } = this.#options
    const log = openSync(this.logFile, 'a')
    const file = join(import.meta.dirname, 'programs', `${program}.ts`)
    const node = [process.execPath, ...process.execArgv, ...nodeArgs, file, JSON.stringify(options)]
    // A limit on the size of files, the full disk of those who may not mount one, shall fail and not kill.
    const args = ['-c', `trap '' XFSZ; exec "$@"`, name, ...node]
    const child = spawn('/bin/sh', args, { stdio: ['pipe', 'pipe', log] })
    closeSync(log)
    child.stdin!.on('error', () => {})
    createInterface({ input: child.stdout! }).on('line', (line) => this.#hear(child, line))
    child.once('exit', (code, signal) => void this.#ended(child, code, signal))
    this.#child = child
    this.#report = undefined
    this.#isWanted = true
    this.starts += 1
  }

  signal(signal: NodeJS.Signals): void {
    if (this.isRunning) this.#child!.kill(signal)
  }

  /** SIGKILL; it stays down until `start()`. */
  async kill(): Promise<void> {
    this.#isWanted = false
    await this.#end('SIGKILL')
  }

  /** SIGTERM, and SIGKILL where that takes too long; resolves with its exit code, null where it was killed. */
  async stop({ timeoutMs }: { timeoutMs: number }): Promise<number | null> {
    this.#isWanted = false
    const giveUp = setTimeout(() => this.signal('SIGKILL'), timeoutMs)
    try {
      await this.#end('SIGTERM')
      return this.#child?.exitCode ?? null
    } finally {
      clearTimeout(giveUp)
    }
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (!this.isRunning) return
    const exited = once(this.#child!, 'exit')
    this.#child!.kill(signal)
    await exited
  }

  #hear(child: ChildProcess, line: string): void {
    if (child !== this.#child) return
    try {
      this.#report = JSON.parse(line)
    } catch {
      // A line that a SIGKILL cut short.
    }
  }

  async #ended(child: ChildProcess, code: number | null, signal: string | null): Promise<void> {
    if (child !== this.#child || !this.#isWanted) return
    if (code !== tryLater) {
      const log = await readFile(this.logFile, 'utf8')
      const lastWords = log.trimEnd().split('\n').slice(-8)
      this.unexpected.push({ process: this.name, code, signal, lastWords })
    }
    await sleep(restartMs)
    if (this.#isWanted) this.start()
  }
}
