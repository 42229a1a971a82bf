/**
 * The tables that a consumer's SQLite store has of ours. A file may hold several consumers, so each row
 * says whose it is.
 */
import type { SqliteDatabase } from '../../history/index.ts'

/** Makes the tables where they are missing, and columns that an older version did not have. */
export function makeTables(database: SqliteDatabase): void {
  database.exec(tables)
  const columns = database.prepare(`SELECT name FROM pragma_table_info('backstory_consumers')`).pluck().all()
  for (const column of addedColumns) {
    if (!columns.includes(column))
      database.exec(`ALTER TABLE backstory_consumers ADD COLUMN ${column} INTEGER NOT NULL DEFAULT 0`)
  }
}

const addedColumns = ['pruned', 'erased', 'erasure', 'superseded', 'latest_to']

const tables = `
CREATE TABLE IF NOT EXISTS backstory_consumers (
  name TEXT PRIMARY KEY,
  exchange TEXT NOT NULL,
  -- One more each time that another hand than the running consumer sets the marks.
  generation INTEGER NOT NULL,
  phase TEXT NOT NULL,
  cursor INTEGER NOT NULL,
  replayed INTEGER NOT NULL,
  live INTEGER NOT NULL,
  duplicates INTEGER NOT NULL,
  unidentified INTEGER NOT NULL,
  repairs INTEGER NOT NULL,
  checksum TEXT NOT NULL,
  react_after INTEGER,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS backstory_inbox (
  consumer TEXT NOT NULL,
  id TEXT NOT NULL,
  source TEXT NOT NULL,
  passed_at INTEGER,
  PRIMARY KEY (consumer, id, source)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS backstory_inbox_passed ON backstory_inbox (passed_at) WHERE passed_at IS NOT NULL;

-- A bit for each position that the cursor has passed; see applied-blocks.ts.
CREATE TABLE IF NOT EXISTS backstory_applied (
  consumer TEXT NOT NULL,
  block INTEGER NOT NULL,
  bits BLOB NOT NULL,
  PRIMARY KEY (consumer, block)
) STRICT, WITHOUT ROWID;

-- Events that were being tried when the process died, perhaps of them.
CREATE TABLE IF NOT EXISTS backstory_tries (
  consumer TEXT NOT NULL,
  part TEXT NOT NULL,
  id TEXT NOT NULL,
  source TEXT NOT NULL,
  tries INTEGER NOT NULL,
  PRIMARY KEY (consumer, part, id, source)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS backstory_parked (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  consumer TEXT NOT NULL,
  part TEXT NOT NULL,
  -- parked, or discarded; or mended: it took effect as it was edited.
  state TEXT NOT NULL DEFAULT 'parked',
  reason TEXT NOT NULL,
  source TEXT NOT NULL,
  id TEXT NOT NULL,
  type TEXT NOT NULL,
  subject TEXT,
  position INTEGER,
  error_group TEXT,
  error_name TEXT,
  error_code TEXT,
  error_message TEXT,
  error_stack TEXT,
  attempts INTEGER NOT NULL,
  retries INTEGER NOT NULL DEFAULT 0,
  parked_at INTEGER NOT NULL,
  due_at INTEGER,
  exchange TEXT NOT NULL,
  routing_key TEXT NOT NULL,
  properties TEXT NOT NULL,
  body BLOB NOT NULL,
  edited_properties TEXT,
  edited_body BLOB,
  version INTEGER NOT NULL DEFAULT 0
) STRICT;
-- The reason is in it so that counting what waits reads no rows.
CREATE INDEX IF NOT EXISTS backstory_parked_subject
  ON backstory_parked (consumer, state, part, subject, number, reason);
CREATE INDEX IF NOT EXISTS backstory_parked_identity ON backstory_parked (consumer, id);
CREATE INDEX IF NOT EXISTS backstory_parked_due ON backstory_parked (consumer, part, due_at)
  WHERE state = 'parked' AND due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS backstory_parked_group ON backstory_parked (consumer, error_group, number)
  WHERE state = 'parked';

-- What was done to parked events, when and why. The mark is common to what was marked together.
CREATE TABLE IF NOT EXISTS backstory_parked_actions (
  consumer TEXT NOT NULL,
  number INTEGER NOT NULL,
  at INTEGER NOT NULL,
  action TEXT NOT NULL,
  reason TEXT,
  mark TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS backstory_parked_actions_mark ON backstory_parked_actions (mark)
  WHERE mark IS NOT NULL;
CREATE INDEX IF NOT EXISTS backstory_parked_actions_event ON backstory_parked_actions (consumer, number);

CREATE TABLE IF NOT EXISTS backstory_reactions (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  consumer TEXT NOT NULL,
  source TEXT NOT NULL,
  id TEXT NOT NULL,
  type TEXT NOT NULL,
  subject TEXT,
  position INTEGER,
  exchange TEXT NOT NULL,
  routing_key TEXT NOT NULL,
  properties TEXT NOT NULL,
  body BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS backstory_reactions_order ON backstory_reactions (consumer, number);
`
