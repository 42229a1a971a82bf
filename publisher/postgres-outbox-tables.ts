/**
 * The tables of an outbox in PostgreSQL, and the trigger that numbers its rows.
 *
 * The trigger is deferred: it runs when the transaction commits, and holds the counter's row from there to
 * the end of the commit, not from the moment when the event is added.
 */
import type { PostgresOutboxPool } from './postgres-outbox-pool.ts'

const statements = [
  `CREATE TABLE IF NOT EXISTS backstory_outbox_counter (
    exchange text PRIMARY KEY,
    source text NOT NULL,
    epoch text NOT NULL,
    sequence bigint NOT NULL
  )`,
  `CREATE TABLE IF NOT EXISTS backstory_outbox (
    entry bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    exchange text NOT NULL,
    -- Null until the commit.
    sequence bigint,
    id text NOT NULL,
    routing_key text NOT NULL,
    properties text NOT NULL,
    body bytea NOT NULL
  ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)`,
  `CREATE UNIQUE INDEX IF NOT EXISTS backstory_outbox_order
    ON backstory_outbox (exchange, sequence) WHERE sequence IS NOT NULL`,
  `CREATE OR REPLACE FUNCTION backstory_outbox_number() RETURNS trigger LANGUAGE plpgsql
  SET search_path FROM CURRENT AS $$
  DECLARE
    next bigint;
  BEGIN
    UPDATE backstory_outbox_counter AS counter SET sequence = counter.sequence + 1
      WHERE counter.exchange = NEW.exchange RETURNING counter.sequence INTO STRICT next;
    UPDATE backstory_outbox SET sequence = next WHERE entry = NEW.entry;
    PERFORM pg_notify('backstory_outbox', NEW.exchange);
    RETURN NULL;
  END $$`,
  'DROP TRIGGER IF EXISTS backstory_outbox_number ON backstory_outbox',
  `CREATE CONSTRAINT TRIGGER backstory_outbox_number AFTER INSERT ON backstory_outbox
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION backstory_outbox_number()`,
]

/** Makes what is missing, in one transaction, one process at a time. */
export async function makeTables(database: PostgresOutboxPool): Promise<void> {
  const client = await database.connect()
  try {
    await client.query('BEGIN')
    await client.query("SELECT pg_advisory_xact_lock(hashtextextended('backstory_outbox', 0))")
    for (const statement of statements) await client.query(statement)
    await client.query('COMMIT')
    client.release()
  } catch (error) {
    // With its connection the transaction ends.
    client.release(true)
    throw error
  }
}
