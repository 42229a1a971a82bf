/**
 * The tables of a history file, and the check that a file is one.
 *
 * `events`: one row a position. `properties` has, headers included, what the columns beside it do not say
 * (packed-properties.ts); the columns are what readers select by. `exchange` is null where it is the
 * history's own. `body` is text where it is UTF-8, which loses nothing and is read twice as fast, else bytes.
 * `checkpoints`: the running checksum at the end of each batch, so that the checksum up to any position
 * costs one batch. `spent_sequences`: the numbers of duplicates that came under another number than the
 * recorded event has, so that they are not taken for holes; `position` is the head when they came.
 * `history`: one row. `consumers`: how far each has come, as it last told. `pruned`: ranges of positions that
 * retention has removed, none beside another, with the sum of what they add to the checksum. `erasures`: whose
 * events were emptied, by whom and why, `finished` when no trace is left; the rows themselves say so in `properties`. `notes`: what a
 * writer must know again, by name.
 */
import { HistoryError } from '../errors.ts'
import { type SqliteDatabase, sqliteError } from './sqlite.ts'

/** "BkSt": says in the file's header that it is a history. */
const applicationId = 0x426b5374
const version = 2

/** Added by version 2: what `select` finds events by. */
const selectIndexes = `
CREATE INDEX events_subject ON events (subject, position) WHERE subject IS NOT NULL;
CREATE INDEX events_type ON events (type, position);
`

/** Added by version 2. */
const notes = `
CREATE TABLE notes (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`

/** Added by version 2: what is told and remembered of what is removed; see the header. */
const removalTables = `
CREATE TABLE consumers (
  name TEXT PRIMARY KEY,
  cursor INTEGER NOT NULL,
  told_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE pruned (
  first INTEGER PRIMARY KEY,
  last INTEGER NOT NULL,
  checksum TEXT NOT NULL,
  unidentified INTEGER NOT NULL,
  reason TEXT NOT NULL,
  pruned_at INTEGER NOT NULL
) STRICT;
CREATE TABLE erasures (
  number INTEGER PRIMARY KEY,
  subject TEXT NOT NULL,
  reason TEXT NOT NULL,
  erased_by TEXT NOT NULL,
  erased_at INTEGER NOT NULL,
  events INTEGER NOT NULL,
  last_position INTEGER NOT NULL,
  finished INTEGER NOT NULL
) STRICT;
`

const tables = `
CREATE TABLE history (
  exchange TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  duplicates INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE events (
  position INTEGER PRIMARY KEY,
  source TEXT NOT NULL,
  id TEXT NOT NULL,
  type TEXT NOT NULL,
  subject TEXT,
  content_type TEXT,
  recorded_at INTEGER NOT NULL,
  unidentified INTEGER NOT NULL,
  exchange TEXT,
  routing_key TEXT NOT NULL,
  properties TEXT NOT NULL,
  body ANY NOT NULL
) STRICT;
CREATE UNIQUE INDEX events_identity ON events (id, source);
CREATE INDEX events_unidentified ON events (position) WHERE unidentified = 1;
${selectIndexes}
CREATE TABLE checkpoints (
  position INTEGER PRIMARY KEY,
  checksum TEXT NOT NULL,
  unidentified INTEGER NOT NULL
) STRICT;
CREATE TABLE spent_sequences (
  number INTEGER PRIMARY KEY,
  position INTEGER NOT NULL,
  source TEXT NOT NULL,
  epoch TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  UNIQUE (source, epoch, sequence)
) STRICT;
CREATE TABLE fences (
  id TEXT PRIMARY KEY,
  position INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
${notes}
${removalTables}
`

/** True where the file is a history, of whatever exchange and version. */
export function isHistory(database: SqliteDatabase): boolean {
  return database.pragma('application_id', { simple: true }) === applicationId
}

/**
 * Makes the tables in an empty file, and what an older version's file lacks.
 *
 * @throws HistoryError as `checkSchema` does.
 */
export function createSchema(
  database: SqliteDatabase,
  { path, exchange }: { path: string; exchange: string },
): void {
  try {
    const isEmpty = database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined
    if (isEmpty) {
      // Pages that are freed can be given back, which has to be decided before there are any.
      database.pragma('auto_vacuum = INCREMENTAL')
      database.exec('VACUUM')
      database.transaction(() => {
        database.exec(tables)
        database.prepare('INSERT INTO history (exchange, created_at) VALUES (?, ?)').run(exchange, Date.now())
        database.pragma(`application_id = ${applicationId}`)
        database.pragma(`user_version = ${version}`)
      })()
    } else if (isHistory(database)) migrate(database)
  } catch (error) {
    throw sqliteError(error, path)
  }
  checkSchema(database, { path, exchange })
}

/** Brings an older file to this version: what each step adds, readers of either version can do without. */
function migrate(database: SqliteDatabase): void {
  const found = database.pragma('user_version', { simple: true }) as number
  if (found >= version) return
  database.transaction(() => {
    for (const step of migrations.slice(found - 1)) database.exec(step)
    database.pragma(`user_version = ${version}`)
  })()
}

/** From version 1 on, one step a version. */
const migrations = [`${selectIndexes}${notes}${removalTables}`]

/** The value of a note; undefined where there is none, as in a file of version 1. */
export function readNote(database: SqliteDatabase, name: string): string | undefined {
  const hasNotes = database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'notes'").get() !== undefined
  if (!hasNotes) return undefined
  return database.prepare('SELECT value FROM notes WHERE name = ?').pluck().get(name) as string | undefined
}

/**
 * @param options.exchange - Where given, the history must be this exchange's.
 * @throws HistoryError `HISTORY_FOREIGN` no history, or another exchange's; `HISTORY_TOO_NEW` written by
 *   a later version; `HISTORY_NOT_FOUND` made, but still without tables.
 */
export function checkSchema(
  database: SqliteDatabase,
  { path, exchange }: { path: string; exchange?: string | undefined },
): string {
  try {
    return check(database, { path, exchange })
  } catch (error) {
    throw sqliteError(error, path)
  }
}

function check(
  database: SqliteDatabase,
  { path, exchange }: { path: string; exchange?: string | undefined },
): string {
  if (!isHistory(database)) {
    const isEmpty = database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined
    throw isEmpty
      ? new HistoryError(
          'HISTORY_NOT_FOUND',
          `${path} is empty (yet); start its recorder or name another file`,
        )
      : new HistoryError(
          'HISTORY_FOREIGN',
          `${path} is a database of something else, no history; name another file`,
        )
  }
  const found = database.pragma('user_version', { simple: true }) as number
  if (found > version) {
    throw new HistoryError(
      'HISTORY_TOO_NEW',
      `${path} has schema version ${found}, this backstory reads up to ${version}; install a newer one`,
    )
  }
  const row = database.prepare('SELECT exchange FROM history').get() as { exchange: string }
  if (exchange !== undefined && row.exchange !== exchange) {
    throw new HistoryError(
      'HISTORY_FOREIGN',
      `${path} is the history of exchange ${row.exchange}, not of ${exchange}; name another file`,
    )
  }
  return row.exchange
}
