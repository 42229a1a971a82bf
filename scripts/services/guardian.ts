/**
 * The guardian: ends processes when this one ends, however it ends, `kill -9` included.
 *
 * A small shell process in a session of its own (Ctrl-C does not reach it) reads a pipe that only this
 * process writes to, and each line is what to end. The pipe's end is this process's end: it kills those
 * still on its list, removes the folder, and exits. No process on the list runs before the guardian
 * knows it: each waits for a word on its own standard input, and does not start where that never comes.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'

export interface GuardedCommand {
  readonly file: string
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
  /** Where the process's output goes: a file descriptor. */
  readonly output: number
}

/** The names of the processes that a guardian may have, at most one of each at a time. */
export type GuardedName = 'server' | 'epmd'

const guardianScript = `
server= epmd=
while read -r name pid; do
  case $name in server) server=$pid ;; epmd) epmd=$pid ;; esac
done
for pid in $server $epmd; do kill -9 "-$pid"; done 2>/dev/null
[ -n "$1" ] || exit 0
# What was killed may still be writing its last file.
for attempt in 1 2 3 4 5 6 7 8 9 10; do
  rm -rf "$1" 2>/dev/null && exit 0
  sleep 0.2
done
`

const gateScript = 'read -r go && exec "$@"'

export class Guardian {
  readonly #shell: ChildProcess
  readonly #shellExited: Promise<void>
  readonly #processes = new Map<GuardedName, GuardedProcess>()

  /** @param options.folder - Removed at the end, with all that is in it. */
  constructor({ folder }: { folder?: string }) {
    this.#shell = spawn('/bin/sh', ['-c', guardianScript, 'backstory-guardian', folder ?? ''], {
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    this.#shellExited = exitOf(this.#shell)
    this.#shell.stdin!.on('error', () => {})
    letGo(this.#shell)
  }

  /** Starts a process that ends with this one. */
  start(name: GuardedName, { file, args, env, output }: GuardedCommand): GuardedProcess {
    const child = spawn('/bin/sh', ['-c', gateScript, 'backstory-gate', file, ...args], {
      cwd: '/',
      env,
      detached: true,
      stdio: ['pipe', output, output],
    })
    letGo(child)
    const started = new GuardedProcess(child)
    this.#processes.set(name, started)
    this.#tell(name, started)
    // The number of a process that has gone may soon be another's.
    void started.exited.then(() => {
      if (this.#processes.get(name) === started) this.#tell(name, undefined)
    })
    // A process that died at once closes its pipe; `exited` tells.
    child.stdin!.on('error', () => {})
    child.stdin!.end('go\n')
    return started
  }

  /** Ends all, and resolves when the processes and the folder have gone. */
  async end(): Promise<void> {
    const processes = [...this.#processes.values()]
    await Promise.all(processes.map((process) => process.kill()))
    this.#shell.ref()
    this.#shell.stdin!.end()
    await this.#shellExited
  }

  #tell(name: GuardedName, started: GuardedProcess | undefined): void {
    if (this.#shell.stdin!.writable) this.#shell.stdin!.write(`${name} ${started?.pid ?? ''}\n`)
  }
}

/** A process on a guardian's list; the leader of a process group of its own. */
export class GuardedProcess {
  readonly pid: number
  /** Resolves when the process has gone. */
  readonly exited: Promise<void>
  readonly #child: ChildProcess

  constructor(child: ChildProcess) {
    this.#child = child
    this.pid = child.pid!
    this.exited = exitOf(child)
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Ends it now with SIGKILL, and resolves when it has gone. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** Asks it to end, by default with SIGTERM, and resolves when it has gone. */
  async terminate(signal: 'SIGTERM' | 'SIGINT' = 'SIGTERM'): Promise<void> {
    await this.#end(signal)
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    // Nothing else may keep this process alive while it waits.
    this.#child.ref()
    if (this.isRunning) endGroup(this.pid, signal)
    await this.exited
  }
}

function endGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch {
    // It has gone on its own meanwhile.
  }
}

async function exitOf(child: ChildProcess): Promise<void> {
  await new Promise((resolve) => child.once('exit', resolve))
}

/** Neither the child nor the pipe to it keeps this process alive. */
function letGo(child: ChildProcess): void {
  child.unref()
  const stdin = child.stdin as Socket | null
  stdin?.unref()
}
