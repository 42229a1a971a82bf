/**
 * The tables that a consumer's PostgreSQL store has of ours: those of a SQLite store, with the same names,
 * and the leases. They are made in the first schema of the connection's search path.
 *
 * Texts from outside are written as history/postgres/postgres-text.ts has it, and long ones are looked up by a hash.
 */
import type { PostgresClient } from '../../history/index.ts'

/** Makes the tables where they are missing; several processes may do so at once. */
export async function makeTables(client: PostgresClient): Promise<void> {
  const { rows } = await client.query<{ made: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_attribute
       WHERE attrelid = to_regclass('backstory_consumers') AND attname = 'latest_to') AS made`,
  )
  // Even "IF NOT EXISTS" asks for the right to make tables, which a consumer's user need not have.
  if (rows[0]!.made) return
  // Two that make a table at once collide, "IF NOT EXISTS" or not.
  await client.query(`BEGIN; SELECT pg_advisory_xact_lock(${tablesLock}); ${tables} COMMIT`)
}

/** Any number that is no other's. */
const tablesLock = 7_240_915_101

const tables = `
CREATE TABLE IF NOT EXISTS backstory_consumers (
  name text PRIMARY KEY,
  exchange text NOT NULL,
  -- One more each time that an instance takes the store in hand, or another hand sets the marks.
  generation bigint NOT NULL DEFAULT 1,
  phase text NOT NULL DEFAULT 'stopped',
  cursor bigint NOT NULL DEFAULT 0,
  replayed bigint NOT NULL DEFAULT 0,
  live bigint NOT NULL DEFAULT 0,
  duplicates bigint NOT NULL DEFAULT 0,
  unidentified bigint NOT NULL DEFAULT 0,
  repairs bigint NOT NULL DEFAULT 0,
  checksum text NOT NULL DEFAULT repeat('0', 32),
  react_after bigint,
  updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- key: see identityKey().
CREATE TABLE IF NOT EXISTS backstory_inbox (
  consumer text NOT NULL,
  key uuid NOT NULL,
  id text NOT NULL,
  source text NOT NULL,
  passed_at bigint,
  PRIMARY KEY (consumer, key)
);
CREATE INDEX IF NOT EXISTS backstory_inbox_passed ON backstory_inbox (consumer, passed_at);

-- A bit for each position that the cursor has passed; see applied-blocks.ts.
CREATE TABLE IF NOT EXISTS backstory_applied (
  consumer text NOT NULL,
  block bigint NOT NULL,
  bits bytea NOT NULL,
  PRIMARY KEY (consumer, block)
);

-- Events that were being tried when the process died, perhaps of them.
CREATE TABLE IF NOT EXISTS backstory_tries (
  consumer text NOT NULL,
  part text NOT NULL,
  key uuid NOT NULL,
  tries integer NOT NULL,
  PRIMARY KEY (consumer, part, key)
);

CREATE TABLE IF NOT EXISTS backstory_parked (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  consumer text NOT NULL,
  part text NOT NULL,
  -- parked, or discarded; or mended: it took effect as it was edited.
  state text NOT NULL DEFAULT 'parked',
  reason text NOT NULL,
  source text NOT NULL,
  id text NOT NULL,
  type text NOT NULL,
  subject text,
  position bigint,
  error_group text,
  error_name text,
  error_code text,
  error_message text,
  error_stack text,
  attempts integer NOT NULL,
  retries integer NOT NULL DEFAULT 0,
  parked_at bigint NOT NULL,
  due_at bigint,
  exchange text NOT NULL,
  routing_key text NOT NULL,
  properties text NOT NULL,
  body bytea NOT NULL,
  edited_properties text,
  edited_body bytea,
  version integer NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS backstory_parked_subject
  ON backstory_parked (consumer, state, part, hashtextextended(subject, 0), number);
CREATE INDEX IF NOT EXISTS backstory_parked_identity
  ON backstory_parked (consumer, hashtextextended(id, 0));
CREATE INDEX IF NOT EXISTS backstory_parked_due ON backstory_parked (consumer, part, due_at)
  WHERE state = 'parked' AND due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS backstory_parked_group ON backstory_parked (consumer, error_group, number)
  WHERE state = 'parked';

-- What was done to parked events, when and why. The mark is common to what was marked together.
CREATE TABLE IF NOT EXISTS backstory_parked_actions (
  consumer text NOT NULL,
  number bigint NOT NULL,
  at bigint NOT NULL,
  action text NOT NULL,
  reason text,
  mark text
);
-- Rises in the order in which things were done: whoever does any has the consumer's row locked.
ALTER TABLE backstory_consumers ADD COLUMN IF NOT EXISTS pruned bigint NOT NULL DEFAULT 0;
ALTER TABLE backstory_consumers ADD COLUMN IF NOT EXISTS erased bigint NOT NULL DEFAULT 0;
ALTER TABLE backstory_consumers ADD COLUMN IF NOT EXISTS erasure bigint NOT NULL DEFAULT 0;
ALTER TABLE backstory_consumers ADD COLUMN IF NOT EXISTS superseded bigint NOT NULL DEFAULT 0;
ALTER TABLE backstory_consumers ADD COLUMN IF NOT EXISTS latest_to bigint NOT NULL DEFAULT 0;
ALTER TABLE backstory_parked_actions
  ADD COLUMN IF NOT EXISTS place bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;
CREATE INDEX IF NOT EXISTS backstory_parked_actions_mark ON backstory_parked_actions (mark)
  WHERE mark IS NOT NULL;
CREATE INDEX IF NOT EXISTS backstory_parked_actions_event ON backstory_parked_actions (consumer, number);

CREATE TABLE IF NOT EXISTS backstory_reactions (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  consumer text NOT NULL,
  source text NOT NULL,
  id text NOT NULL,
  type text NOT NULL,
  subject text,
  position bigint,
  exchange text NOT NULL,
  routing_key text NOT NULL,
  properties text NOT NULL,
  body bytea NOT NULL
);
CREATE INDEX IF NOT EXISTS backstory_reactions_order ON backstory_reactions (consumer, number);

-- Which instance of a consumer works, and on which connection; see postgres-lease.ts.
CREATE TABLE IF NOT EXISTS backstory_leases (
  consumer text PRIMARY KEY,
  owner uuid,
  lease_until timestamptz NOT NULL DEFAULT now(),
  worker integer,
  worker_start timestamptz
) WITH (fillfactor = 50);
`
