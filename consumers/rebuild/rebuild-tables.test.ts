/** What the swap of a rebuild does with tables of every kind, and with what else is in the store. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SqliteDatabase } from '../../history/index.ts'
import type { ConsumerDefinition } from '../definition.ts'
import { idsUpTo, orderPlaced, ordersConsumer, type RebuildPlace, rebuildPlace } from './rebuild.fixture.ts'
import { rebuildConsumer } from './rebuild.ts'

test('tables of every kind come out as a consumer that starts anew would have made them', async (t) => {
  const place = await rebuildPlace(t)
  await place.record(idsUpTo(300))
  const anew = await rebuildPlace(t)
  await anew.record(idsUpTo(300))
  await anew.consume(everyKind('new'), 300)
  await place.consume(everyKind('old'), 300)
  assert.notDeepEqual(await dump(place), await dump(anew))
  const { tables, left, dropped } = await rebuildConsumer(everyKind('new'), optionsOf(place))
  assert.deepEqual(await dump(place), await dump(anew))
  assert.deepEqual([left, dropped], [[], []])
  assert.deepEqual(tables, ['Parcel "list"', 'flags', 'log', 'models', 'orders', 'orders_text', 'parcels'])
  assert.deepEqual(await place.query('PRAGMA integrity_check'), [{ integrity_check: 'ok' }])
  assert.deepEqual(await place.query('PRAGMA foreign_key_check'), [])
  // And they go on as those would: numbers, triggers, search.
  for (const one of [place, anew]) {
    await one.record(idsUpTo(310, 301))
    await one.consume(everyKind('new'), 310)
  }
  assert.deepEqual(await dump(place), await dump(anew))
})

test('a running consumer goes on in tables of every kind', async (t) => {
  const place = await rebuildPlace(t)
  await place.record(idsUpTo(310))
  const running = await place.open(everyKind('new'))
  t.after(() => running.close())
  await running.applier.replay(await place.page(0, 300))
  const before = await dump(place)
  await rebuildConsumer(everyKind('new'), optionsOf(place))
  assert.deepEqual(await dump(place), before)
  await running.applier.replay(await place.page(300, 310))
  const anew = await rebuildPlace(t)
  await anew.record(idsUpTo(310))
  await anew.consume(everyKind('new'), 310)
  assert.deepEqual(await dump(place), await dump(anew))
})

test('what the definition does not make is left alone, and told; so is what goes with the old tables', async (t) => {
  const place = await rebuildPlace(t)
  await place.record(idsUpTo(20))
  await place.consume(ordersConsumer(1), 20)
  await place.exec(`
    CREATE TABLE notes (id TEXT, text TEXT);
    INSERT INTO notes VALUES ('1', 'mine');
    CREATE VIEW first_orders AS SELECT id FROM orders ORDER BY rowid LIMIT 3;
    CREATE INDEX orders_version ON orders (version);
    CREATE TRIGGER orders_noted AFTER INSERT ON orders BEGIN INSERT INTO notes VALUES (new.id, ''); END;
    CREATE TRIGGER notes_checked AFTER INSERT ON notes BEGIN SELECT count(*) FROM orders; END`)
  const { tables, left, dropped } = await rebuildConsumer(ordersConsumer(2), optionsOf(place))
  assert.deepEqual(tables, ['orders', 'totals'])
  assert.deepEqual(left, ['first_orders', 'notes'])
  assert.deepEqual(dropped, ['orders_noted', 'orders_version'])
  assert.deepEqual(await place.query('SELECT * FROM notes'), [{ id: '1', text: 'mine' }])
  assert.deepEqual(await place.query('SELECT * FROM first_orders'), [{ id: '1' }, { id: '2' }, { id: '3' }])
  await place.exec("INSERT INTO notes VALUES ('2', 'mine')")
})

test('rows elsewhere that refer to rows which the new tables do not have keep the old ones', async (t) => {
  const place = await rebuildPlace(t)
  await place.record(idsUpTo(20))
  await place.consume(ordersConsumer(1), 20)
  await place.exec(`
    CREATE TABLE notes (source TEXT, id TEXT, FOREIGN KEY (source, id) REFERENCES Orders ON DELETE CASCADE);
    INSERT INTO notes VALUES ('/sales', '7')`)
  // A row that is there again is no harm, nor does dropping its table delete what refers to it.
  await rebuildConsumer(ordersConsumer(2), optionsOf(place))
  assert.deepEqual(await place.query('SELECT id FROM notes'), [{ id: '7' }])
  const without7 = ordersConsumer(3, {
    on: {
      '*': ({ source, id, subject }, { tx }) => {
        if (id !== '7') tx.prepare('INSERT INTO orders VALUES (?, ?, ?, 3)').run(source, id, subject)
      },
    },
  })
  await assert.rejects(rebuildConsumer(without7, optionsOf(place)), {
    code: 'CONSUMER_REBUILD_CONFLICT',
    message: /Rows of notes .* refer to rows/,
  })
  assert.deepEqual(await versions(place), [{ version: 2 }])
})

test('a name that something else in the store has keeps the old tables', async (t) => {
  const place = await rebuildPlace(t)
  await place.record(idsUpTo(20))
  await place.consume(ordersConsumer(1), 20)
  await place.exec('CREATE TABLE notes (id TEXT); CREATE INDEX orders_by_version ON notes (id)')
  const definition = ordersConsumer(2)
  const named: ConsumerDefinition = {
    ...definition,
    prepare(database: SqliteDatabase) {
      definition.prepare!(database)
      database.exec('CREATE INDEX IF NOT EXISTS orders_by_version ON orders (version)')
      return database
    },
  }
  await assert.rejects(rebuildConsumer(named, optionsOf(place)), {
    code: 'CONSUMER_REBUILD_CONFLICT',
    message: /index orders_by_version already exists/,
  })
  assert.deepEqual(await versions(place), [{ version: 1 }])
  assert.deepEqual(await place.leftovers(), [])
})

test('beside another consumer in the file, only tables that are named are replaced', async (t) => {
  const place = await rebuildPlace(t)
  await place.record(idsUpTo(20))
  await place.consume(ordersConsumer(1), 20)
  const definition = parcels(2)
  await place.consume(parcels(1), 20)
  const rebuild = (tables?: string[]) =>
    rebuildConsumer(definition, { ...optionsOf(place), ...(tables && { tables }) })
  await assert.rejects(rebuild(), {
    code: 'CONSUMER_REBUILD_CONFLICT',
    message: /also holds shipping.*It makes parcels/,
  })
  await assert.rejects(rebuild(['packets']), { code: 'CONSUMER_REBUILD_CONFLICT', message: /makes parcels/ })
  assert.deepEqual((await rebuild(['parcels'])).left, ['orders', 'totals'])
  assert.deepEqual(await place.query('SELECT DISTINCT version FROM parcels'), [{ version: 2 }])
  assert.deepEqual(await versions(place), [{ version: 1 }])
  assert.deepEqual([await place.level('shipping'), await place.level('parcels')], [true, true])
})

test('other columns, or another table, under a consumer that runs are refused; one that stands still takes them', async (t) => {
  const place = await rebuildPlace(t)
  await place.record(idsUpTo(20))
  await place.consume(ordersConsumer(1), 20)
  const running = await place.open(ordersConsumer(1))
  const rebuild = (sql: string) => {
    const definition = ordersConsumer(2)
    const changed: ConsumerDefinition = {
      ...definition,
      prepare(database: SqliteDatabase) {
        definition.prepare!(database)
        database.exec(sql)
        return database
      },
    }
    return rebuildConsumer(changed, optionsOf(place))
  }
  const addColumn = "ALTER TABLE orders ADD COLUMN state TEXT DEFAULT 'placed'"
  const addTable = 'CREATE TABLE IF NOT EXISTS more (id TEXT); PRAGMA user_version = 3'
  await assert.rejects(rebuild(addTable), { code: 'CONSUMER_REBUILD_CONFLICT', message: /in more than/ })
  // Its handler does not know of the column, which is harmless until the swap.
  await running.applier.live([orderPlaced(21)], () => {})
  await place.record([21])
  await running.close()
  await rebuild(addTable)
  assert.deepEqual(await place.query('PRAGMA user_version'), [{ user_version: 3 }])
  const again = await place.open(ordersConsumer(1))
  await assert.rejects(rebuild(addColumn), { code: 'CONSUMER_REBUILD_CONFLICT', message: /in orders than/ })
  await again.close()
  assert.deepEqual(await versions(place), [{ version: 2 }])
})

function optionsOf({ store, history }: RebuildPlace) {
  return { store, history }
}

function versions(place: RebuildPlace): Promise<unknown[]> {
  return place.query('SELECT DISTINCT version FROM orders')
}

/** All that is in a store and is not ours: the statements, and the rows. */
async function dump(place: RebuildPlace): Promise<unknown> {
  const schema = await place.query<{ type: string; name: string; sql: string }>(
    `SELECT type, name, sql FROM sqlite_schema
     WHERE name NOT LIKE 'backstory%' AND name <> 'sqlite_sequence' AND tbl_name NOT LIKE 'backstory%' ORDER BY type, name`,
  )
  const rows: Record<string, string[]> = {}
  for (const { type, name } of schema) {
    // What FTS5 keeps inside depends on how the events came in batches: it is searched instead.
    if ((type !== 'table' && type !== 'view') || name.startsWith('orders_text_')) continue
    const found = await place.query(`SELECT * FROM "${name.replaceAll('"', '""')}"`)
    rows[name] = found.map((row) => JSON.stringify(row)).sort()
  }
  const numbers = await place.query(
    "SELECT * FROM sqlite_sequence WHERE name NOT LIKE 'backstory%' ORDER BY name",
  )
  const found = await place.query("SELECT rowid, * FROM orders_text WHERE orders_text MATCH 'car AND 7'")
  return { schema, rows, numbers, found }
}

function parcels(version: number): ConsumerDefinition {
  const definition = ordersConsumer(version, {
    name: 'parcels',
    on: { '*': ({ id }, { tx }) => tx.prepare('INSERT INTO parcels VALUES (?, ?)').run(id, version) },
  })
  return {
    ...definition,
    prepare(database: SqliteDatabase) {
      database.exec('CREATE TABLE IF NOT EXISTS parcels (id TEXT PRIMARY KEY, version INTEGER)')
      return database
    },
  }
}

function everyKind(text: string): ConsumerDefinition {
  const definition = ordersConsumer(0, {
    on: {
      '*': ({ id, subject }, { tx }) => {
        const number = Number(id)
        tx.prepare('INSERT OR IGNORE INTO models (name) VALUES (?)').run(subject)
        tx.prepare('INSERT INTO orders (model, price, text) VALUES (?, ?, ?)').run(subject, number, text)
        // The highest numbers are gone again, and not used again.
        tx.prepare('INSERT INTO parcels (id) VALUES (?)').run(number)
        if (number % 10 === 0)
          tx.prepare('DELETE FROM parcels WHERE number > (SELECT count(*) FROM parcels) / 2').run()
        tx.prepare('INSERT INTO log VALUES (?, ?)').run(text, Buffer.from([number % 256]))
        tx.prepare('INSERT OR REPLACE INTO flags VALUES (?, ?)').run(`${number % 7}`, text)
        tx.prepare('INSERT INTO orders_text (rowid, body) VALUES (?, ?)').run(
          number,
          `car ${number % 13} ${text}`,
        )
      },
    },
  })
  return {
    ...definition,
    prepare(database: SqliteDatabase) {
      database.exec(everyKindOfTable)
      return database
    },
  }
}

const everyKindOfTable = `
  CREATE TABLE IF NOT EXISTS models (name TEXT PRIMARY KEY, orders INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS orders (
    number INTEGER PRIMARY KEY, model TEXT NOT NULL REFERENCES models, price INTEGER CHECK (price > 0), text TEXT,
    gross INTEGER GENERATED ALWAYS AS (price * 119) STORED, label TEXT AS (model || ' ' || text));
  CREATE UNIQUE INDEX IF NOT EXISTS orders_gross ON orders (gross);
  CREATE INDEX IF NOT EXISTS orders_label ON orders (lower(label)) WHERE price > 100;
  CREATE TRIGGER IF NOT EXISTS orders_counted AFTER INSERT ON orders
    BEGIN UPDATE models SET orders = orders + 1 WHERE name = new.model; END;
  CREATE TABLE IF NOT EXISTS parcels (number INTEGER PRIMARY KEY AUTOINCREMENT, id INTEGER);
  CREATE TABLE IF NOT EXISTS log (text, bytes);
  CREATE TABLE IF NOT EXISTS flags (name, value, PRIMARY KEY (name));
  CREATE VIEW IF NOT EXISTS "Parcel ""list""" AS SELECT number AS a, id AS b FROM parcels WHERE id > 5;
  CREATE TRIGGER IF NOT EXISTS parcel_listed INSTEAD OF INSERT ON "Parcel ""list"""
    BEGIN INSERT INTO parcels (id) VALUES (new.b); END;
  CREATE VIRTUAL TABLE IF NOT EXISTS orders_text USING fts5 (body)`
