/**
 * The reserve of a history: a file of some MiB beside it, `<file>-reserve`, that is given up where the disk
 * is full, so that what deletes can work.
 *
 * In SQLite a deletion is written before it makes room: to the write-ahead log, which on a full disk cannot
 * grow, and to a `-shm` file, which cannot be made. Only what makes room may use the reserve: the recorder
 * waits for room instead, or it would fill this too.
 */
import { randomFillSync } from 'node:crypto'
import { open, rm, stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { HistoryError } from '../errors.ts'
import { canonicalPath } from './file-identity.ts'
import { openSqlite } from './sqlite.ts'

/**
 * More than the write-ahead log, 4 MiB and a batch, which is moved into the file first: that gives back what
 * it takes. Then a transaction that deletes some hundred events changes at most so much, whatever their ids.
 */
const reserveBytes = 8 * 1024 * 1024
/** A smaller history is not what fills a disk. */
const historyBytesMin = 32 * 1024 * 1024
const chunkBytes = 1024 * 1024

/**
 * Makes the reserve where it is missing, the history has 32 MiB or more, and the disk has room for several.
 *
 * @returns Whether it is there. False is no error: a history without a reserve works.
 */
export async function keepReserve(
  path: string,
  { bytes = reserveBytes, historyBytes = historyBytesMin }: { bytes?: number; historyBytes?: number } = {},
): Promise<boolean> {
  const file = canonicalPath(path)
  try {
    if ((await sizeOf(reserveOf(file))) === bytes) return true
    if ((await sizeOf(file)) < historyBytes || (await roomBeside(file)) < 4 * bytes) return false
    await write(reserveOf(file), bytes)
    return true
  } catch (error) {
    if (!isSystemError(error)) throw error
    await rm(reserveOf(file), { force: true }).catch(() => {})
    return false
  }
}

/** Whether a history should have a reserve and has none: as on a disk that was full before. */
export async function lacksReserve(path: string): Promise<boolean> {
  const file = canonicalPath(path)
  return (await sizeOf(file)) >= historyBytesMin && (await sizeOf(reserveOf(file))) === 0
}

/**
 * Runs work that makes room. Where the disk is full it gets the room of the reserve, and begins again; the
 * reserve is made again afterwards, where the disk has room by then.
 *
 * @param options.work - Opens the history, deletes in transactions of some hundred events, and closes it.
 *   May be called twice.
 * @param options.onReleased - Told that the disk is full and the reserve is given up.
 * @throws What `work` throws; HistoryError `HISTORY_UNAVAILABLE` says to make room where there is no reserve.
 */
export async function withReserve<Result>(
  path: string,
  { work, onReleased = () => {} }: { work: () => Promise<Result>; onReleased?: () => void },
): Promise<Result> {
  const file = canonicalPath(path)
  try {
    return await work()
  } catch (error) {
    if (!(await isDiskFull(error, file))) throw error
    if (!(await release(file))) throw withoutReserve(file, error)
    onReleased()
    await emptyLog(file)
  }
  try {
    return await work()
  } finally {
    await keepReserve(file)
  }
}

/** SQLite has several codes for it, most of which have other causes too. */
async function isDiskFull(error: unknown, file: string): Promise<boolean> {
  const thrown = error instanceof HistoryError ? error.cause : error
  const code = (thrown as { code?: unknown } | undefined)?.code
  if (code === 'SQLITE_FULL' || code === 'ENOSPC' || code === 'EDQUOT') return true
  if (typeof code !== 'string' || !/^SQLITE_(IOERR|CANTOPEN|READONLY)/.test(code)) return false
  return (await roomBeside(file).catch(() => reserveBytes)) < chunkBytes
}

async function release(file: string): Promise<boolean> {
  if ((await sizeOf(reserveOf(file))) === 0) return false
  await rm(reserveOf(file))
  return true
}

/** As far as there is room: what stays in the log is the work's to meet. */
async function emptyLog(file: string): Promise<void> {
  const database = await openSqlite(file)
  try {
    database.pragma('wal_checkpoint(TRUNCATE)')
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'SQLITE_FULL') throw error
  } finally {
    database.close()
  }
}

function withoutReserve(file: string, cause: unknown): HistoryError {
  return new HistoryError(
    'HISTORY_UNAVAILABLE',
    `${file} is on a full disk, and has no reserve (${reserveOf(file)}) to begin to delete with: make a few MB of room there, then try again`,
    { cause },
  )
}

function reserveOf(file: string): string {
  return `${file}-reserve`
}

async function roomBeside(file: string): Promise<number> {
  const { bavail, bsize } = await statfs(dirname(file))
  return bavail * bsize
}

/** 0 where there is no such file. */
async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0
    throw error
  }
}

/** Bytes that no file system can store in less room. */
async function write(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'w', 0o600)
  try {
    for (let left = bytes; left > 0; left -= chunkBytes) {
      await file.write(randomFillSync(Buffer.allocUnsafe(Math.min(left, chunkBytes))))
    }
    await file.sync()
  } finally {
    await file.close()
  }
}

function isSystemError(error: unknown): boolean {
  return typeof (error as NodeJS.ErrnoException).syscall === 'string'
}
