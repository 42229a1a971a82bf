import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CloudEvent, silentLogger } from '../../events/index.ts'
import { openSqlite, type SqliteDatabase } from '../../history/index.ts'
import type { HandlerContext } from '../definition.ts'
import {
  idsUpTo,
  orderPlaced,
  ordersConsumer,
  ordersTables,
  placeOrder,
  type RebuildPlace,
  rebuildPlace,
} from './rebuild.fixture.ts'
import { rebuildConsumer } from './rebuild.ts'

test('the new tables have what the handlers make of the history now, and the marks stay', async (t) => {
  const place = await rebuildPlace(t)
  await place.record(idsUpTo(5_000))
  await place.consume(ordersConsumer(1), 4_900, [4_901, 4_903])
  const marks = await place.query('SELECT * FROM backstory_consumers')
  const phases = new Set<string>()
  const rebuilt = await rebuildConsumer(ordersConsumer(2), {
    ...optionsOf(place),
    onProgress: ({ phase }) => phases.add(phase),
  })
  assert.deepEqual(
    { ...rebuilt, lockedMs: 0, tookMs: 0 },
    {
      consumer: 'shipping',
      exchange: 'orders',
      cursor: 4_900,
      applied: 4_902,
      parked: 0,
      discarded: 0,
      tables: ['orders', 'totals'],
      left: [],
      dropped: [],
      lockedMs: 0,
      tookMs: 0,
    },
  )
  assert.deepEqual([...phases], ['building', 'swapping'])
  assert.deepEqual(await place.query('SELECT count(*) AS n, min(version) AS v FROM orders'), [
    { n: 4_902, v: 2 },
  ])
  assert.deepEqual(await place.query('SELECT sum(orders) AS n, min(version) AS v FROM totals'), [
    { n: 4_902, v: 2 },
  ])
  assert.deepEqual(await place.query('SELECT * FROM backstory_consumers'), marks)
  assert.deepEqual(await place.leftovers(), [])
  // It goes on where it was: the two that it had live do not come again.
  await place.consume(ordersConsumer(2), 5_000)
  assert.equal(await place.level(), true)
  assert.deepEqual(await place.query('SELECT count(*) AS n FROM orders'), [{ n: 5_000 }])
})

test('a running consumer goes on with the new tables, by the statements that it prepared before', async (t) => {
  const place = await rebuildPlace(t)
  await place.record(idsUpTo(200))
  const definition = preparedOrders(1)
  await place.consume(definition, 100)
  const running = await place.open(definition)
  t.after(() => running.close())
  await rebuildConsumer(ordersConsumer(2), optionsOf(place))
  await running.applier.live([orderPlaced(101), orderPlaced(102)], () => {})
  assert.deepEqual(await place.query('SELECT version, count(*) AS n FROM orders GROUP BY version'), [
    { version: 1, n: 2 },
    { version: 2, n: 100 },
  ])
  assert.equal(running.applier.state.cursor, 100)
})

test('events that were discarded stay discarded, and those that were edited are applied as edited', async (t) => {
  const place = await rebuildPlace(t)
  await place.record(idsUpTo(50))
  await place.consume(failingOrders([7, 17, 30]), 50)
  // 17 and all later ones of its subject wait behind 7, as 40 and 50 do behind 30.
  assert.deepEqual(await parkedIds(place), ['7', '17', '27', '30', '37', '40', '47', '50'])
  await place.exec(`
    UPDATE backstory_parked SET state = 'discarded' WHERE id = '30';
    UPDATE backstory_parked SET edited_body = CAST('{"id":700}' AS BLOB), edited_properties = properties WHERE id = '7'`)
  const bodies: unknown[] = []
  const rebuilt = await rebuildConsumer(
    ordersConsumer(2, {
      on: {
        '*': (event, { tx }) => {
          bodies.push((event.data as { id: number }).id)
          placeOrder(tx, event, 2)
        },
      },
    }),
    optionsOf(place),
  )
  assert.deepEqual([rebuilt.applied, rebuilt.parked, rebuilt.discarded], [49, 0, 1])
  assert.deepEqual(bodies, [...idsUpTo(6), 700, ...idsUpTo(29, 8), ...idsUpTo(50, 31)])
  assert.deepEqual(await place.query("SELECT id FROM orders WHERE id IN ('7', '30')"), [{ id: '7' }])
  assert.deepEqual(await place.query('SELECT id, state FROM backstory_parked ORDER BY id'), [
    { id: '30', state: 'discarded' },
    { id: '7', state: 'mended' },
  ])
  // Again: what was mended is mended again, though it is parked no more.
  bodies.length = 0
  await rebuildConsumer(
    ordersConsumer(3, { on: { '*': (event) => void bodies.push((event.data as { id: number }).id) } }),
    optionsOf(place),
  )
  assert.ok(bodies.includes(700) && !bodies.includes(7) && !bodies.includes(30))
  assert.equal(await place.level(), true)
})

test('what fails now is parked with what follows of its subject, and what no longer fails is not', async (t) => {
  const place = await rebuildPlace(t)
  await place.record(idsUpTo(50))
  await place.consume(failingOrders([3, 4]), 50)
  await place.exec(
    `INSERT INTO backstory_parked_actions (consumer, number, at, action, reason)
     SELECT consumer, number, 5, 'retry', 'try it' FROM backstory_parked WHERE id = '4'`,
  )
  const running = await place.open(failingOrders([3, 4]))
  t.after(() => running.close())
  const { parked, applied } = await rebuildConsumer(failingOrders([4, 5]), optionsOf(place))
  assert.deepEqual([parked, applied], [10, 40])
  assert.deepEqual(await parkedIds(place), ['4', '5', '14', '15', '24', '25', '34', '35', '44', '45'])
  assert.deepEqual(
    await place.query(`SELECT reason, count(*) AS n FROM backstory_parked GROUP BY reason ORDER BY reason`),
    [
      { reason: 'behind', n: 8 },
      { reason: 'failed', n: 2 },
    ],
  )
  // What was done to an event stays with it under its new number.
  assert.deepEqual(
    await place.query(`SELECT action, parked.id FROM backstory_parked_actions AS action
      LEFT JOIN backstory_parked AS parked USING (number) WHERE action.reason IN ('try it') ORDER BY at`),
    [{ action: 'retry', id: '4' }],
  )
  assert.deepEqual(
    await place.query(`SELECT count(*) AS n FROM backstory_parked_actions WHERE reason = 'rebuilt'`),
    [{ n: 5 }],
  )
  // The running consumer believes other subjects to be held: it has to begin again.
  await assert.rejects(
    running.applier.live([orderPlaced(51)], () => {}),
    { code: 'CONSUMER_SUPERSEDED' },
  )
})

test('an edited event that fails now is parked as it was published and as it was edited', async (t) => {
  const place = await rebuildPlace(t)
  await place.record(idsUpTo(10))
  await place.consume(failingOrders([7]), 10)
  await place.exec(
    `UPDATE backstory_parked SET edited_body = CAST('{"id":700}' AS BLOB), edited_properties = properties`,
  )
  const select =
    'SELECT reason, properties, body, edited_properties, edited_body, parked_at FROM backstory_parked'
  const parked = await place.query(select)
  assert.equal((await rebuildConsumer(failingOrders([7]), optionsOf(place))).parked, 1)
  assert.deepEqual(await place.query(select), parked)
})

test('an event that failed for what came after it is tried again at the end', async (t) => {
  const place = await rebuildPlace(t)
  await place.record(idsUpTo(20))
  await place.consume(ordersConsumer(1), 20)
  const { parked } = await rebuildConsumer(
    ordersConsumer(2, {
      on: {
        '*': (event, { tx }) => {
          const isThere = tx.prepare("SELECT 1 FROM orders WHERE id = '9'").get() !== undefined
          if (event.id === '2' && !isThere) throw new Error('9 is not there')
          placeOrder(tx, event, 2)
        },
      },
    }),
    optionsOf(place),
  )
  assert.equal(parked, 0)
  assert.deepEqual(await place.query('SELECT count(*) AS n FROM orders'), [{ n: 20 }])
  assert.deepEqual(await place.query("SELECT id FROM orders WHERE subject = 'EC-2' ORDER BY rowid"), [
    { id: '2' },
    { id: '12' },
  ])
})

test('an event that is discarded while the new tables are built has no effect in them', async (t) => {
  const place = await rebuildPlace(t)
  await place.record(idsUpTo(5_000))
  await place.consume(failingOrders([30]), 5_000)
  const database = await openSqlite(place.store)
  t.after(() => database.close())
  const warnings: string[] = []
  const { discarded, parked } = await rebuildConsumer(ordersConsumer(2), {
    ...optionsOf(place),
    logger: { ...silentLogger, warn: (name) => warnings.push(name) },
    onProgress({ position }) {
      if (position === 4_000) database.exec("UPDATE backstory_parked SET state = 'discarded' WHERE id = '30'")
    },
  })
  assert.deepEqual([discarded, parked, warnings], [1, 0, ['consumer.rebuild-restarted']])
  assert.deepEqual(await place.query("SELECT id FROM orders WHERE id = '30'"), [])
  assert.equal(await place.level(), true)
})

test('no reaction runs or is left to run, and every event is one of the past', async (t) => {
  const place = await rebuildPlace(t)
  await place.record(idsUpTo(20))
  await place.consume(ordersConsumer(1), 10, [12, 14])
  const replayed: unknown[] = []
  await rebuildConsumer(
    ordersConsumer(2, {
      on: {
        '*': {
          apply: (_event: CloudEvent, { replayed: isReplayed, position }: HandlerContext<unknown>) =>
            void replayed.push([isReplayed, position]),
          react: () => assert.fail('a reaction'),
        },
      },
    }),
    optionsOf(place),
  )
  assert.deepEqual(
    replayed,
    [...idsUpTo(10), 12, 14].map((position) => [true, position]),
  )
  assert.deepEqual(await place.query('SELECT * FROM backstory_reactions'), [])
})

test('a second rebuild of the consumer is refused while one runs', async (t) => {
  const place = await rebuildPlace(t)
  await place.record(idsUpTo(20))
  await place.consume(ordersConsumer(1), 20)
  let second: Promise<unknown> | undefined
  const rebuild = ordersConsumer(2, {
    on: {
      '*': async (event, { tx }) => {
        placeOrder(tx, event, 2)
        second ??= rebuildConsumer(ordersConsumer(3), optionsOf(place))
        await assert.rejects(second, { code: 'CONSUMER_REBUILD_RUNNING' })
      },
    },
  })
  assert.equal((await rebuildConsumer(rebuild, optionsOf(place))).parked, 0)
  assert.deepEqual(await place.query('SELECT DISTINCT version FROM orders'), [{ version: 2 }])
})

test('a rebuild that is cancelled, at whatever step, leaves the old tables and no files', async (t) => {
  const place = await rebuildPlace(t)
  await place.record(idsUpTo(5_000))
  await place.consume(ordersConsumer(1), 5_000)
  for (const at of ['building', 'swapping', 'start'] as const) {
    const stop = new AbortController()
    if (at === 'start') stop.abort(new Error('told to stop'))
    await assert.rejects(
      rebuildConsumer(ordersConsumer(2), {
        ...optionsOf(place),
        signal: stop.signal,
        onProgress({ phase }) {
          if (phase === at) stop.abort(new Error('told to stop'))
        },
      }),
      /told to stop/,
      at,
    )
    assert.deepEqual(await place.query('SELECT version, count(*) AS n FROM orders'), [
      { version: 1, n: 5_000 },
    ])
    assert.deepEqual(await place.leftovers(), [])
  }
})

test('what was applied live and is not recorded is waited for, then told; the old tables stay', async (t) => {
  const place = await rebuildPlace(t)
  await place.record(idsUpTo(20))
  await place.consume(ordersConsumer(1), 20, [21, 22])
  const phases: string[] = []
  await assert.rejects(rebuildConsumer(ordersConsumer(2), { ...optionsOf(place), levelWaitMs: 0 }), {
    code: 'CONSUMER_REBUILD_UNEQUAL',
    message: /2 events .* not in the history, first 21 of \/sales: start the recorder/,
  })
  assert.deepEqual(await place.query('SELECT DISTINCT version FROM orders'), [{ version: 1 }])
  await rebuildConsumer(ordersConsumer(2), {
    ...optionsOf(place),
    onProgress({ phase }) {
      if (phase === 'waiting' && !phases.includes(phase)) void place.record([21, 22])
      phases.push(phase)
    },
  })
  assert.ok(phases.includes('waiting'))
  assert.deepEqual(await place.query('SELECT version, count(*) AS n FROM orders'), [{ version: 2, n: 22 }])
})

test('another history than the consumer has applied is refused, the old tables whole', async (t) => {
  const [place, other] = [await rebuildPlace(t), await rebuildPlace(t)]
  await place.record(idsUpTo(20))
  await place.consume(ordersConsumer(1), 20)
  const rebuild = () => rebuildConsumer(ordersConsumer(2), { store: place.store, history: other.history })
  await other.record(idsUpTo(10))
  await assert.rejects(rebuild, { code: 'CONSUMER_AHEAD' })
  await other.record(idsUpTo(130, 101))
  await assert.rejects(rebuild, { code: 'CONSUMER_REBUILD_UNEQUAL', message: /Name the right history/ })
  assert.deepEqual(await place.query('SELECT DISTINCT version FROM orders'), [{ version: 1 }])
  await assert.rejects(rebuildConsumer(ordersConsumer(2, { name: 'billing' }), optionsOf(place)), {
    code: 'CONSUMER_STORE_FOREIGN',
    message: /does not hold consumer billing/,
  })
})

test('a handler that fails where nothing is to be parked leaves the old tables', async (t) => {
  const place = await rebuildPlace(t)
  await place.record(idsUpTo(20))
  await place.consume(ordersConsumer(1), 20)
  await assert.rejects(rebuildConsumer(failingOrders([5], { parking: false }), optionsOf(place)), {
    code: 'CONSUMER_HANDLER_FAILED',
  })
  assert.deepEqual(await place.query('SELECT version, count(*) AS n FROM orders'), [{ version: 1, n: 20 }])
  assert.deepEqual(await place.leftovers(), [])
})

/** As `ordersConsumer`, with statements that are prepared once. */
function preparedOrders(version: number) {
  const statements = new WeakMap<object, (event: CloudEvent) => void>()
  const definition = ordersConsumer(version, { on: { '*': (event, { tx }) => statements.get(tx)!(event) } })
  return {
    ...definition,
    prepare(database: SqliteDatabase) {
      database.exec(ordersTables)
      const order = database.prepare('INSERT INTO orders VALUES (?, ?, ?, ?)')
      const total = database.prepare('UPDATE totals SET orders = orders + 1 WHERE subject = ?')
      const first = database.prepare('INSERT INTO totals VALUES (?, 1, ?)')
      statements.set(database, ({ source, id, subject }) => {
        order.run(source, id, subject, version)
        if (total.run(subject).changes === 0) first.run(subject, version)
      })
      return database
    },
  }
}

/** Version 1, whose handler fails at these ids. */
function failingOrders(ids: readonly number[], { parking }: { parking?: false } = {}) {
  return ordersConsumer(1, {
    on: {
      '*': (event, { tx }) => {
        if (ids.includes(Number(event.id))) throw new Error(`${event.id} fails`)
        placeOrder(tx, event, 1)
      },
    },
    ...(parking !== undefined && { parking }),
  })
}

async function parkedIds(place: RebuildPlace): Promise<string[]> {
  const rows = await place.query<{ id: string }>('SELECT id FROM backstory_parked ORDER BY number')
  return rows.map(({ id }) => id)
}

function optionsOf({ store, history }: RebuildPlace) {
  return { store, history }
}
