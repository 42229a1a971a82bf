/**
 * The files of an action, each in one part or several, and how far each has come.
 *
 * Where a part begins depends on the events alone. A batch is written as a whole or not at all, and what a killed
 * process has written behind its checkpoint is cut off, so that the files end up as those of a run that was never
 * killed. Parts that are packed, gzip and Parquet, are journals until they are full; a journal goes once two
 * checkpoints have come behind it, since a killed run may go on from the one before.
 */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmdirSync,
  rmSync,
  truncateSync,
} from 'node:fs'
import { basename, dirname, join, sep } from 'node:path'
import { ActionFailure, type Outcome } from '../../action.ts'
import { ReplayError } from '../../errors.ts'
import { FilePool } from './file-pool.ts'
import { type FilesState, filesOf, type OutputFile, partName, stateOf } from './files-state.ts'
import { MadeList } from './made-list.ts'
import { journalEnding, type Packing, pack, packingEnding } from './packing.ts'

export interface OutputOptions {
  readonly template: string
  /** Absolute: no file is outside it. */
  readonly folder: string
  /** Of the list of files made, below the folder. */
  readonly listName: string
  readonly header: string
  /** Undefined: lines are the file. */
  readonly packing: Packing | undefined
  readonly bytesMax: number
  readonly eventsMax: number
  readonly filesMax: number
  readonly overwrite: boolean
}

export interface OutputLine {
  /** Below the folder, with `/`. */
  readonly path: string
  readonly line: string
}

/** What a batch adds to a part. */
interface Addition {
  readonly name: string
  readonly at: number
  readonly lines: string[]
}

/** Paths that this process writes, journals too: two rules, or two events' files, must not be one. */
const inUse = new Set<string>()

export class OutputFiles {
  readonly #options: OutputOptions
  readonly #pool = new FilePool()
  readonly #list: MadeList
  /** By path; in lower case where the file system takes both for one. */
  readonly #files = new Map<string, OutputFile>()
  readonly #used = new Set<string>()
  readonly #folders = new Set<string>()
  #ignoresCase = false
  /** Parts that are full and not yet packed. */
  #full: string[] = []
  /** Journals that were packed since the newest checkpoint, and before it. */
  #spent: string[] = []
  #spentBefore: string[] = []
  #isFinished = false

  constructor(options: OutputOptions) {
    this.#options = options
    this.#list = new MadeList(join(options.folder, options.listName), this.#pool)
  }

  /**
   * Takes away, or cuts off, what an earlier process of the run has written behind a state.
   *
   * @throws What the file system does where the folder cannot be written to.
   */
  open(state: unknown): void {
    const { template, folder } = this.#options
    const files = filesOf(state, template)
    mkdirSync(folder, { recursive: true })
    // Else each event would fail at it, one by one. Its mode alone does not say it.
    rmdirSync(mkdtempSync(join(folder, '.backstory-')))
    const kept = new Set(files.flatMap(({ path, part }) => this.#names(path, part)))
    for (const name of this.#list.read()) if (!kept.has(name)) this.#remove(name)
    this.#ignoresCase = ignoresCase(folder)
    for (const file of files) {
      // No state that anybody goes on from names them any more.
      for (const name of this.#names(file.path, file.isPacked ? file.part : file.part - 1))
        for (const path of this.#pathsBeside(name)) rmSync(path, { force: true })
      this.#files.set(this.#keyOf(file.path), this.#cutOff(file))
    }
    for (const name of kept) this.#use(name)
  }

  /** Where an event's first file is. */
  pathOf(path: string): string {
    return join(this.#options.folder, this.#nameOf(path, 1))
  }

  /**
   * Adds lines to their files, in their order: all of them or, where one cannot be, those before it.
   *
   * @throws ActionFailure where the disk does not take them: none is added. ReplayError `REPLAY_ACTION_UNAVAILABLE`
   *   where a part of them cannot be taken back either.
   */
  add(lines: readonly OutputLine[]): readonly Outcome[] | undefined {
    const changed = new Map<string, OutputFile>()
    const additions = new Map<string, Addition>()
    const full: string[] = []
    const begun: string[] = []
    let failure: ActionFailure | undefined
    let added = 0
    try {
      for (const { path, line } of lines) {
        this.#addLine(line, { path, changed, additions, full, begun })
        added += 1
      }
    } catch (error) {
      failure = failureOf(error)
    }
    this.#write([...additions.values()], begun)
    for (const [key, file] of changed) this.#files.set(key, file)
    this.#full.push(...full)
    return failure && [...Array<Outcome>(added).fill('done'), failure]
  }

  /** Makes all of it durable. @throws ReplayError `REPLAY_ACTION_UNAVAILABLE`. */
  async state(): Promise<FilesState> {
    await this.#packFull()
    await this.#pool.sync()
    for (const journal of this.#spentBefore) rmSync(journal, { force: true })
    this.#spentBefore = this.#spent
    this.#spent = []
    return stateOf(this.#options.template, this.#files.values())
  }

  /** Packs what is not full, too. @throws ReplayError `REPLAY_ACTION_UNAVAILABLE`. */
  async finish(): Promise<void> {
    if (this.#options.packing !== undefined) {
      for (const [key, file] of this.#files) {
        if (file.isPacked) continue
        this.#full.push(this.#nameOf(file.path, file.part))
        this.#files.set(key, { ...file, isPacked: true })
      }
    }
    await this.#packFull()
    await this.#pool.sync()
    this.#isFinished = true
  }

  /** Idempotent. Where it was finished, only the files are left. */
  close(): void {
    this.#pool.close()
    for (const path of this.#used) inUse.delete(path)
    this.#used.clear()
    if (!this.#isFinished) return
    for (const journal of [...this.#spentBefore, ...this.#spent]) rmSync(journal, { force: true })
    this.#list.remove()
  }

  #addLine(
    line: string,
    {
      path,
      changed,
      additions,
      full,
      begun,
    }: {
      path: string
      changed: Map<string, OutputFile>
      additions: Map<string, Addition>
      full: string[]
      begun: string[]
    },
  ): void {
    const key = this.#keyOf(path)
    const before = changed.get(key) ?? this.#files.get(key) ?? this.#newFile(path, changed)
    const size = Buffer.byteLength(line)
    let file = before
    if (this.#isOver(before, size)) {
      file = this.#beginPart(before)
      begun.push(this.#nameOf(file.path, file.part))
      if (this.#options.packing !== undefined && before.part > 0 && !before.isPacked)
        full.push(this.#nameOf(before.path, before.part))
    }
    const name = this.#dataName(file)
    let addition = additions.get(name)
    if (addition === undefined) {
      addition = { name, at: file.bytes, lines: [] }
      additions.set(name, addition)
    }
    const header = file === before ? '' : this.#options.header
    addition.lines.push(header, line)
    changed.set(key, {
      ...file,
      bytes: file.bytes + Buffer.byteLength(header) + size,
      events: file.events + 1,
    })
  }

  #newFile(path: string, changed: ReadonlyMap<string, OutputFile>): OutputFile {
    const { filesMax } = this.#options
    let count = this.#files.size
    for (const key of changed.keys()) if (!this.#files.has(key)) count += 1
    if (count >= filesMax) {
      throw new ActionFailure(
        'refused',
        'FILES_MAX',
        `There are ${filesMax} files already; allow more with filesMax, or name them by something else`,
      )
    }
    return { path, part: 0, bytes: 0, events: 0, isPacked: false }
  }

  #isOver({ part, bytes, events, isPacked }: OutputFile, size: number): boolean {
    const { bytesMax, eventsMax } = this.#options
    return part === 0 || isPacked || events >= eventsMax || (events > 0 && bytes + size > bytesMax)
  }

  #beginPart({ path, part: before }: OutputFile): OutputFile {
    const { folder, overwrite } = this.#options
    const part = before + 1
    const name = this.#nameOf(path, part)
    const file = join(folder, name)
    const paths = this.#pathsOf(name)
    const used = paths.find((path) => inUse.has(path))
    if (used !== undefined)
      throw refused('EEXIST', `${used} is written by another rule, or for another event`)
    this.#makeFolderOf(file)
    const there = overwrite ? undefined : paths.find((path) => existsSync(path))
    if (there !== undefined)
      throw refused('EEXIST', `${there} is there already; write elsewhere, or give the option overwrite`)
    this.#list.add(name)
    this.#remove(name)
    this.#pool.create(join(folder, this.#dataName({ path, part })))
    this.#use(name)
    return { path, part, bytes: 0, events: 0, isPacked: false }
  }

  #makeFolderOf(file: string): void {
    const folder = dirname(file)
    if (this.#folders.has(folder)) return
    mkdirSync(folder, { recursive: true })
    const inside = realpathSync(this.#options.folder)
    const real = realpathSync(folder)
    if (real !== inside && !real.startsWith(inside.endsWith(sep) ? inside : inside + sep))
      throw refused('ELINKSOUT', `${folder} is a link out of ${inside}`)
    this.#folders.add(folder)
  }

  /** @param begun - Parts that are new with this batch. */
  #write(additions: readonly Addition[], begun: readonly string[]): void {
    const { folder } = this.#options
    const written: Addition[] = []
    try {
      for (const addition of additions) {
        written.push(addition)
        this.#pool.write(join(folder, addition.name), Buffer.from(addition.lines.join('')), addition.at)
      }
    } catch (error) {
      const failure = failureOf(error)
      this.#takeBack(written, begun, failure)
      throw failure
    }
  }

  /** @throws ReplayError `REPLAY_ACTION_UNAVAILABLE` where it stays: a run that goes on from its checkpoint cuts it off. */
  #takeBack(written: readonly Addition[], begun: readonly string[], failure: ActionFailure): void {
    const { folder } = this.#options
    try {
      for (const { name, at } of written) truncateSync(join(folder, name), at)
      for (const name of begun) this.#remove(name)
    } catch {
      throw new ReplayError(
        'REPLAY_ACTION_UNAVAILABLE',
        `${folder} took a part of what was to be written, and does not let go of it: ${failure.message}. Mend its rights or its disk, then --resume`,
        { cause: failure },
      )
    }
  }

  async #packFull(): Promise<void> {
    const { packing, folder } = this.#options
    while (packing !== undefined && this.#full.length > 0) {
      const file = join(folder, this.#full[0]!)
      await pack(packing, file)
      this.#pool.touch(file)
      this.#pool.release(`${file}${journalEnding}`)
      this.#spent.push(`${file}${journalEnding}`)
      this.#full.shift()
    }
  }

  #cutOff(file: OutputFile): OutputFile {
    const { folder, packing } = this.#options
    if (file.isPacked) return file
    const data = join(folder, this.#dataName(file))
    const size = existsSync(data) ? lstatSync(data).size : undefined
    // Its journal has gone, since it was packed: nothing more is to come.
    if (
      packing !== undefined &&
      size === undefined &&
      existsSync(join(folder, this.#nameOf(file.path, file.part)))
    )
      return { ...file, isPacked: true }
    if (size === undefined || size < file.bytes) {
      throw new ReplayError(
        'REPLAY_CHECKPOINT_FOREIGN',
        `${data} has ${size ?? 0} of the ${file.bytes} bytes that the run had written: begin a new run`,
      )
    }
    truncateSync(data, file.bytes)
    return file
  }

  #remove(name: string): void {
    for (const path of this.#pathsOf(name)) {
      this.#pool.release(path)
      rmSync(path, { force: true })
      inUse.delete(path)
      this.#used.delete(path)
    }
  }

  #use(name: string): void {
    for (const path of this.#pathsOf(name)) {
      inUse.add(path)
      this.#used.add(path)
    }
  }

  /** All that is ever there for a part. */
  #pathsOf(name: string): string[] {
    return [join(this.#options.folder, name), ...this.#pathsBeside(name)]
  }

  /** What is made on the way to a part that is packed, under names which no event's file may have. */
  #pathsBeside(name: string): string[] {
    const { packing, folder } = this.#options
    return packing === undefined
      ? []
      : [journalEnding, packingEnding].map((ending) => join(folder, `${name}${ending}`))
  }

  #keyOf(path: string): string {
    return this.#ignoresCase ? path.toLowerCase() : path
  }

  #nameOf(path: string, part: number): string {
    const { bytesMax, eventsMax } = this.#options
    return partName(path, part, { isSplit: Number.isFinite(Math.min(bytesMax, eventsMax)) })
  }

  #names(path: string, parts: number): string[] {
    return Array.from({ length: parts }, (_, at) => this.#nameOf(path, at + 1))
  }

  #dataName({ path, part }: Pick<OutputFile, 'path' | 'part'>): string {
    return `${this.#nameOf(path, part)}${this.#options.packing === undefined ? '' : journalEnding}`
  }
}

/** On Windows and macOS `a` and `A` are one file, as a rule. */
function ignoresCase(folder: string): boolean {
  const real = realpathSync.native(folder)
  const name = basename(real)
  const other = name === name.toLowerCase() ? name.toUpperCase() : name.toLowerCase()
  if (other === name) return ['win32', 'darwin'].includes(process.platform)
  const path = join(dirname(real), other)
  return existsSync(path) && realpathSync.native(path) === real
}

function refused(code: string, message: string): ActionFailure {
  return new ActionFailure('refused', code, message)
}

/** The event's own fault, as its name is. Anything else may pass: a disk that is full. */
const ownFaults = ['EEXIST', 'EISDIR', 'ENOTDIR', 'ENAMETOOLONG', 'EINVAL', 'EACCES', 'EPERM', 'ELOOP']

function failureOf(error: unknown): ActionFailure {
  if (error instanceof ActionFailure) return error
  const { code, message } = error as NodeJS.ErrnoException
  if (code === undefined) throw error
  return new ActionFailure(ownFaults.includes(code) ? 'refused' : 'unavailable', code, message, {
    cause: error,
  })
}
