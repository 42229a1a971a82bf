/** A command line run in this process, on streams and in a folder of the test's own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable, Writable } from 'node:stream'
import type { TestContext } from 'node:test'
import type { Command } from './command.ts'
import type { Io } from './io.ts'
import { main } from './main.ts'

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  /** Standard output, byte for byte. */
  readonly bytes: Buffer
}

export interface RunOptions {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string
  /** Both outputs are a terminal of 100 columns. Default false. */
  readonly terminal?: boolean
  /** Default: all that there are. */
  readonly commands?: readonly Command[]
}

/** A folder that is gone after the test. */
export function tempFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'backstory-cli-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export async function runCli(args: readonly string[], options: RunOptions): Promise<Ran> {
  return await startCli(args, options).done
}

export interface Running {
  readonly done: Promise<Ran>
  readonly stdout: string
  readonly stderr: string
  /** The exit that a second signal asked for. */
  readonly exited: number | undefined
  signal(signal: NodeJS.Signals): void
}

export function startCli(
  args: readonly string[],
  { cwd, env = {}, stdin = '', terminal = false, commands }: RunOptions,
): Running {
  const [stdout, stderr] = [new Sink(terminal), new Sink(terminal)]
  const listeners = new Set<(signal: NodeJS.Signals) => void>()
  let exited: number | undefined
  const io: Io = {
    cwd,
    env,
    stdin: stdin === '' ? new PassThrough().end() : Readable.from([Buffer.from(stdin)]),
    stdout,
    stderr,
    onSignal(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    exit(code) {
      exited = code
    },
  }
  const done = main(args, io, commands).then((code) => ({
    code,
    stdout: stdout.text,
    stderr: stderr.text,
    bytes: stdout.bytes,
  }))
  return {
    done,
    get stdout() {
      return stdout.text
    },
    get stderr() {
      return stderr.text
    },
    get exited() {
      return exited
    },
    signal: (signal) => listeners.forEach((listener) => void listener(signal)),
  }
}

class Sink extends Writable {
  readonly isTTY: boolean
  readonly columns = 100
  #chunks: Buffer[] = []

  constructor(isTTY: boolean) {
    super()
    this.isTTY = isTTY
  }

  get text(): string {
    return this.bytes.toString()
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks)
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#chunks.push(chunk)
    done()
  }
}
