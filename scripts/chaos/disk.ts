/**
 * The disk of one store, which can be full.
 *
 * Where this runs as root it is a small file system of its own, filled to the last byte. Elsewhere it is a
 * folder, and the process that writes there is given a limit on the size of its files, which a SIGKILL
 * takes with it.
 */
import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { openSqlite } from '../../history/index.ts'

const run = promisify(execFile)
const sizeMax = '256m'

export class Disk {
  readonly folder: string
  readonly #isMounted: boolean

  constructor(folder: string) {
    this.folder = folder
    mkdirSync(folder, { recursive: true })
    this.#isMounted = mount(folder)
  }

  /**
   * @param options.pid - Of the process that writes there.
   * @param options.database - The store. Its write-ahead log is emptied first, or there would be room in it
   *   for seconds.
   */
  async fill({ pid, database }: { pid: number | undefined; database: string }): Promise<void> {
    if (existsSync(database)) await emptyLog(database)
    if (this.#isMounted) await writeUntilFull(this.#filler)
    else if (pid !== undefined) await limitFiles(pid, '1')
  }

  async empty(pid: number | undefined): Promise<void> {
    if (this.#isMounted) await rm(this.#filler, { force: true })
    else if (pid !== undefined) await limitFiles(pid, 'unlimited')
  }

  remove(): void {
    if (this.#isMounted) execFileSync('umount', ['--lazy', this.folder])
  }

  get #filler(): string {
    return join(this.folder, 'filler')
  }
}

function mount(folder: string): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMax}`, 'backstory-chaos', folder], {
      stdio: 'ignore',
    })
    return true
  } catch {
    return false
  }
}

/** As far as others let it: this process carries everybody's connections, and must not wait. */
async function emptyLog(path: string): Promise<void> {
  try {
    const database = await openSqlite(path)
    try {
      database.pragma('busy_timeout = 100')
      database.pragma('wal_checkpoint(TRUNCATE)')
    } finally {
      database.close()
    }
  } catch {
    // Locked, or full already: then the store has what room its log has.
  }
}

async function writeUntilFull(path: string): Promise<void> {
  const file = await open(path, 'a')
  try {
    for (const bytes of [8_388_608, 262_144, 4_096]) {
      const zeros = Buffer.alloc(bytes)
      while (await wrote(file.write(zeros))) {}
    }
  } finally {
    await file.close()
  }
}

async function wrote(writing: Promise<unknown>): Promise<boolean> {
  try {
    await writing
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false
    throw error
  }
}

/** The soft limit alone, so that it can be lifted. A process that has gone needs none. */
async function limitFiles(pid: number, bytes: string): Promise<void> {
  await run('prlimit', [`--pid=${pid}`, `--fsize=${bytes}:`]).catch(() => {})
}
