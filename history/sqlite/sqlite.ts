/**
 * SQLite files: opened the one way in which what was committed is on the disk.
 *
 * The only importer of better-sqlite3, loaded when a file is opened, so that a program that only
 * publishes needs no native module.
 */
import { existsSync, statSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type Database from 'better-sqlite3'
import { HistoryError } from '../errors.ts'

/** An open database of better-sqlite3. An interface, so that a declaration which has it needs no other name. */
export interface SqliteDatabase extends Database.Database {}

/**
 * Opens a SQLite file, in WAL mode where it is ours, every commit synced.
 *
 * @param options.readonly - Opens what is there, for reading. Default false: makes file and folder.
 * @param options.isOurs - False for a file of others: it has to be there, and keeps its journal mode. Default true.
 * @throws HistoryError `HISTORY_NOT_FOUND` no file to read; `HISTORY_CORRUPT` no SQLite file, or a
 *   damaged one; `HISTORY_UNAVAILABLE` the file system refuses; `HISTORY_DRIVER_MISSING`.
 */
export async function openSqlite(
  path: string,
  { readonly = false, isOurs = true }: { readonly?: boolean; isOurs?: boolean } = {},
): Promise<SqliteDatabase> {
  const Driver = await loadDriver()
  const isMade = isOurs && !readonly
  if (readonly && !existsSync(path)) {
    throw new HistoryError(
      'HISTORY_NOT_FOUND',
      `${path} does not exist (yet); start its recorder or name another file`,
    )
  }
  try {
    if (isMade) await mkdir(dirname(path), { recursive: true })
    const database = new Driver(path, { readonly, fileMustExist: !isMade, timeout: busyTimeoutMs })
    try {
      database.pragma('synchronous = FULL')
      checkLength(database, path)
      if (isMade) {
        database.pragma('journal_mode = WAL')
        database.pragma(`wal_autocheckpoint = ${checkpointPages}`)
      }
      return database
    } catch (error) {
      database.close()
      throw error
    }
  } catch (error) {
    throw sqliteError(error, path)
  }
}

const busyTimeoutMs = 5_000
/**
 * 16 MiB of write-ahead log, four times SQLite's default: a page that many commits change is written into the
 * file a quarter as often, and with fewer syncs.
 */
const checkpointPages = 4_000

/**
 * Takes a lock on a file that ends with the process, however that ends: an open transaction on an empty
 * database, which the operating system's own file locks hold.
 *
 * @returns undefined where another process, or another part of this one, holds it.
 */
export async function lockFile(path: string): Promise<{ release(): void } | undefined> {
  const Driver = await loadDriver()
  try {
    await mkdir(dirname(path), { recursive: true })
    const database = new Driver(path, { timeout: 0 })
    try {
      // Nothing is ever written there; a journal file would need room on a disk that may be full.
      database.pragma('journal_mode = MEMORY')
      database.exec('BEGIN EXCLUSIVE')
      return { release: () => database.close() }
    } catch (error) {
      database.close()
      throw error
    }
  } catch (error) {
    if (String((error as { code?: unknown }).code).startsWith('SQLITE_BUSY')) return undefined
    throw sqliteError(error, path)
  }
}

/** The HistoryError for what better-sqlite3 threw; errors of other kinds come back as they are. */
export function sqliteError(error: unknown, path: string): unknown {
  const { code } = error as { code?: unknown }
  if (error instanceof HistoryError || typeof code !== 'string') return error
  if (code.startsWith('SQLITE_CORRUPT')) return damaged(path, { cause: error })
  if (code === 'SQLITE_NOTADB')
    return new HistoryError('HISTORY_CORRUPT', `${path} is no SQLite file; name another`, { cause: error })
  const isSystemError = code.startsWith('SQLITE_') || /^E[A-Z]+$/.test(code)
  if (!isSystemError) return error
  return new HistoryError(
    'HISTORY_UNAVAILABLE',
    `${path} cannot be used now (${(error as Error).message}): make room, or look at its rights and at who else has it open`,
    {
      cause: error,
    },
  )
}

/** Loads the driver and its native module. @throws HistoryError `HISTORY_DRIVER_MISSING`; what its loader throws. */
export async function loadSqlite(): Promise<void> {
  const Driver = await loadDriver()
  new Driver(':memory:').close()
}

async function loadDriver(): Promise<typeof Database> {
  try {
    return (await import('better-sqlite3')).default
  } catch (cause) {
    throw new HistoryError(
      'HISTORY_DRIVER_MISSING',
      'SQLite needs the package better-sqlite3: npm install better-sqlite3 (npm 12: allow its install script)',
      { cause },
    )
  }
}

/**
 * SQLite notices a file that lacks part of a page only when it reads that; this looks at once. What a commit that was
 * killed has left is rolled back by the first read, and the lock of its transaction keeps other commits away. While a
 * write-ahead log is there the file may rightly be short.
 *
 * It does not open the file by itself: closing that would drop every lock that the process has on it.
 */
function checkLength(database: SqliteDatabase, path: string): void {
  const isWhole = database.transaction(() => {
    const pages = database.pragma('page_count', { simple: true }) as number
    const pageBytes = database.pragma('page_size', { simple: true }) as number
    const log = statSync(`${path}-wal`, { throwIfNoEntry: false })
    return (log !== undefined && log.size > 0) || statSync(path).size >= pages * pageBytes
  })()
  if (!isWhole) throw damaged(path)
}

function damaged(path: string, options?: ErrorOptions): HistoryError {
  const message = `${path} was cut off or is damaged; restore it or name another`
  return new HistoryError('HISTORY_CORRUPT', message, options)
}
