/**
 * What a replay leaves on the disk so that it can go on: its checkpoint, and the files of failed events, each of
 * one pass. The first pass goes over the source, each later one over the failures of the one before.
 *
 * A checkpoint is replaced as a whole, and counts only what it counts: failures that a killed run has written
 * behind it are cut off.
 */
import { closeSync, fsyncSync, ftruncateSync, openSync, readdirSync, writeSync } from 'node:fs'
import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { lockFile } from '../../history/index.ts'
import { ReplayError } from '../errors.ts'
import { type FailedEvent, failureLine } from './failure-line.ts'
import type { TallyState } from './tally.ts'

/** What a rule's action needs to go on. */
export interface ActionState {
  readonly rule: string
  /** Its name. */
  readonly action: string
  readonly state?: unknown
}

export interface RunState {
  /** Of this file. */
  readonly version: 1
  readonly run: string
  /** 1 is over the source, each later one over the failures of the one before. */
  readonly pass: number
  readonly isDone: boolean
  /** What says that source, rules and order are those of the run: see `fingerprint`. */
  readonly fingerprint: string
  readonly token: string | undefined
  readonly failureBytes: number
  readonly tally: TallyState
  /** A list of keys for each rule. */
  readonly held: readonly (readonly string[])[]
  readonly actions: readonly ActionState[]
}

const version = 1
const checkpointFile = 'checkpoint.json'

export class RunFolder {
  readonly folder: string
  readonly #lock: { release(): void }
  #failures: { readonly pass: number; readonly file: number; bytes: number } | undefined

  private constructor(folder: string, lock: { release(): void }) {
    this.folder = folder
    this.#lock = lock
  }

  /**
   * Makes the folder, or opens it again.
   *
   * @throws ReplayError `REPLAY_RUN_BUSY` where another process has it; `REPLAY_RUN_UNWRITABLE` where it cannot be made.
   */
  static async open(folder: string): Promise<RunFolder> {
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 })
    } catch (cause) {
      throw unwritable(folder, cause)
    }
    return new RunFolder(folder, await lock(join(folder, 'lock')))
  }

  /** The newest checkpoint; undefined before the first. @throws ReplayError `REPLAY_CHECKPOINT_FOREIGN`. */
  async state(): Promise<RunState | undefined> {
    return await RunFolder.stateOf(this.folder)
  }

  /** As `state`, of a folder that is not opened. */
  static async stateOf(folder: string): Promise<RunState | undefined> {
    const file = join(folder, checkpointFile)
    const text = await readOrUndefined(file)
    if (text === undefined) return undefined
    const state = JSON.parse(text) as RunState
    if (state.version === version) return state
    throw new ReplayError(
      'REPLAY_CHECKPOINT_FOREIGN',
      `${file} is of version ${state.version}: go on with the version of Backstory that began it`,
    )
  }

  failuresOf(pass: number): string {
    return RunFolder.failuresOf(this.folder, pass)
  }

  static failuresOf(folder: string, pass: number): string {
    return join(folder, `failures-${pass}.jsonl`)
  }

  /** Begins, or goes on with, the failures of a pass. @throws ReplayError `REPLAY_RUN_UNWRITABLE`. */
  openFailures({ pass, bytes }: { pass: number; bytes: number }): void {
    try {
      const file = openSync(this.failuresOf(pass), bytes === 0 ? 'w' : 'r+', 0o600)
      this.#failures = { pass, file, bytes }
      ftruncateSync(file, bytes)
    } catch (cause) {
      throw unwritable(this.folder, cause)
    }
  }

  get failureBytes(): number {
    return this.#failures?.bytes ?? 0
  }

  /** Durable when it returns. @throws ReplayError `REPLAY_RUN_UNWRITABLE`: what was written of them does not count. */
  addFailures(events: readonly FailedEvent[]): void {
    const failures = this.#failures!
    const lines = Buffer.from(events.map(failureLine).join(''))
    try {
      let written = 0
      while (written < lines.length) {
        written += writeSync(failures.file, lines, written, lines.length - written, failures.bytes + written)
      }
      fsyncSync(failures.file)
    } catch (cause) {
      throw unwritable(this.folder, cause)
    }
    failures.bytes += lines.length
  }

  /** Durable when it resolves. @throws ReplayError `REPLAY_RUN_UNWRITABLE`: the one before stands. */
  async checkpoint(state: Omit<RunState, 'version'>): Promise<void> {
    const file = join(this.folder, checkpointFile)
    const text = JSON.stringify({ version, ...state })
    try {
      await writeFile(`${file}.new`, text, { flush: true, mode: 0o600 })
      await rename(`${file}.new`, file)
      await syncFolder(this.folder)
    } catch (cause) {
      throw unwritable(this.folder, cause)
    }
  }

  /** Takes the failures of earlier passes away, and the folder where nothing is left to do. */
  async tidy({ pass, isNeeded }: { pass: number; isNeeded: boolean }): Promise<void> {
    for (const name of readdirSync(this.folder)) {
      const [, number] = /^failures-(\d+)\.jsonl$/.exec(name) ?? []
      if (number !== undefined && Number(number) < pass) await rm(join(this.folder, name))
    }
    if (isNeeded) return
    await this.close()
    await rm(this.folder, { recursive: true, force: true })
  }

  /** Idempotent. */
  async close(): Promise<void> {
    if (this.#failures !== undefined) closeSync(this.#failures.file)
    this.#failures = undefined
    this.#lock.release()
  }
}

function unwritable(folder: string, cause: unknown): ReplayError {
  return new ReplayError(
    'REPLAY_RUN_UNWRITABLE',
    `What the run needs to go on cannot be written to ${folder}: ${(cause as Error).message}; make room there, then go on with it, or begin anew`,
    { cause },
  )
}

/** @throws ReplayError `REPLAY_RUN_BUSY`. HistoryError `HISTORY_DRIVER_MISSING` without better-sqlite3. */
async function lock(file: string): Promise<{ release(): void }> {
  const held = await lockFile(file)
  if (held !== undefined) return held
  throw new ReplayError('REPLAY_RUN_BUSY', `Another process is at work on this run: ${file} is locked`)
}

/** Or the new name of a file may be gone after a power cut. */
async function syncFolder(folder: string): Promise<void> {
  // Windows has no such thing.
  if (process.platform === 'win32') return
  const handle = await open(folder)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function readOrUndefined(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
