/** What the storage actions of SQL promise on any database. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { silentLogger } from '../../../events/index.ts'
import { type Action, ActionFailure, type Outcome, type PlannedWrite } from '../../action.ts'
import { actionConformance } from '../../conformance/index.ts'
import { JsonEvent } from '../../json-event.ts'
import type { ReplayEvent } from '../../replay-event.ts'
import type { PluginTarget } from '../../source.ts'
import { createSqlAction } from './sql.ts'

export type ColumnKind =
  | 'text'
  | 'integer'
  | 'number'
  | 'decimal'
  | 'boolean'
  | 'timestamp'
  | 'date'
  | 'json'
  | 'bytes'

export interface TableShape {
  /** `text` has at most 100 characters. */
  readonly columns: Readonly<Record<string, ColumnKind>>
  readonly key?: readonly string[]
  readonly unique?: string
  readonly notNull?: string
  /** A column of numbers that are above 0. */
  readonly positive?: string
  /** A column whose values are keys, `id`, of another table. */
  readonly references?: { readonly column: string; readonly table: string }
}

/** A database of a test's own. */
export interface SqlPlace {
  readonly address: string
  makeTable(name: string, shape: TableShape): Promise<void>
  /** Its rows by their first column, each value as the text of `ColumnKind`: JSON as the server has it. */
  read(name: string, shape: TableShape): Promise<Record<string, string | null>[]>
  run(write: { statement: string; parameters: readonly unknown[] }): Promise<void>
  /** What the codes of failures are here; undefined where there is no such failure. */
  readonly codes: {
    /** Of the primary key, and of another unique column. */
    readonly duplicateKey: string
    readonly duplicate: string
    readonly noTable: string
    readonly noColumn: string
    readonly isNull: string
    readonly check: string
    readonly wrongType: string | undefined
    readonly tooLong: string | undefined
  }
  /** Instead of the package. */
  readonly drivers?: Parameters<typeof createSqlAction>[1]
}

const orders: TableShape = { columns: { id: 'text', total: 'integer', note: 'text' }, key: ['id'] }
const ordersColumns = { id: '$.id', total: '$.total' }

export function sqlStorageContract(name: string, openPlace: (t: TestContext) => Promise<SqlPlace>): void {
  const check = (title: string, body: (t: TestContext) => Promise<void>) => test(`${name}: ${title}`, body)

  check('an upsert adds a row, or changes the one of its key, and leaves other columns alone', async (t) => {
    const place = await withTable(t, openPlace, 'orders', orders)
    await place.run(planned(place, { columns: { id: '$.id', note: '$.note' } }, { id: 'a', note: 'kept' }))
    const action = await opened(t, place, { columns: ordersColumns })
    await allDone(action, [
      { id: 'a', total: 1 },
      { id: 'b', total: 2 },
      { id: 'a', total: 3 },
    ])
    assert.deepEqual(await place.read('orders', orders), [
      { id: 'a', total: '3', note: 'kept' },
      { id: 'b', total: '2', note: null },
    ])
    await allDone(action, [{ id: 'b', total: 2 }])
  })

  check('a batch is done in order, key by key, and again it leaves the same', async (t) => {
    const place = await withTable(t, openPlace, 'orders', orders)
    const action = await opened(t, place, { columns: ordersColumns })
    const events = Array.from({ length: 500 }, (_, at) => ({ id: `k${at % 23}`, total: at }))
    const last = new Map(events.map(({ id, total }) => [id, String(total)]))
    for (const _ of [1, 2]) {
      await allDone(action, events)
      const rows = await place.read('orders', orders)
      assert.deepEqual(new Map(rows.map(({ id, total }) => [id!, total])), new Map([...last].sort()))
    }
  })

  check('what is deleted is gone, and to delete it again is no failure', async (t) => {
    const place = await withTable(t, openPlace, 'orders', orders)
    await allDone(
      await opened(t, place, { columns: ordersColumns }),
      ['a', 'b', 'c', 'd'].map((id) => ({ id, total: 1 })),
    )
    const action = await opened(t, place, { mode: 'delete', columns: ordersColumns })
    for (const _ of [1, 2]) await allDone(action, [{ id: 'c' }, { id: 'a' }, { id: 'never' }])
    assert.deepEqual(idsOf(await place.read('orders', orders)), ['b', 'd'])
  })

  check(
    'an insert of a key that is there is refused; with the same values, and a key, it is skipped',
    async (t) => {
      const place = await withTable(t, openPlace, 'orders', orders)
      const action = await opened(t, place, { mode: 'insert', columns: ordersColumns, key: [] })
      await allDone(action, [
        { id: 'a', total: 1 },
        { id: 'b', total: 2 },
      ])
      const [again] = await act(action, [{ id: 'a', total: 1 }])
      assertRefused(again, place.codes.duplicateKey)
      const keyed = await opened(t, place, { mode: 'insert', columns: ordersColumns })
      const outcomes = await actOn(keyed, [
        { id: 'c', total: 3 },
        { id: 'a', total: 1 },
        { id: 'b', total: 7 },
        { id: 'd', total: 1 },
      ])
      assert.deepEqual(outcomes.slice(0, 2), ['done', 'skipped'])
      assertRefused(outcomes[2], place.codes.duplicateKey)
      assert.equal(outcomes.length, 3)
      assert.equal((await place.read('orders', orders)).find(({ id }) => id === 'b')!.total, '2')
    },
  )

  check(
    'of a batch with failures in its middle what comes before is done, and nothing behind is tried',
    async (t) => {
      const shape = { ...orders, positive: 'total' }
      const place = await withTable(t, openPlace, 'orders', shape)
      const action = await opened(t, place, { columns: ordersColumns })
      const events = Array.from({ length: 300 }, (_, at) => ({
        id: String(1_000 + at),
        total: [0, 57, 58, 200, 299].includes(at) ? -1 : 1,
      }))
      const refused: number[] = []
      for (let at = 0; at < events.length; ) {
        const outcomes = await act(action, events.slice(at))
        const stored = idsOf(await place.read('orders', shape))
        const done = outcomes.filter((outcome) => outcome === 'done').length
        const settled = events.slice(0, at + done).filter(({ total }) => total > 0)
        assert.deepEqual(
          stored,
          settled.map(({ id }) => id),
        )
        at += outcomes.length
        if (done === outcomes.length) continue
        assert.equal(done, outcomes.length - 1)
        assertRefused(outcomes.at(-1), place.codes.check)
        refused.push(at - 1)
      }
      assert.deepEqual(refused, [0, 57, 58, 200, 299])
    },
  )

  check('each type arrives as it was, and null as NULL', async (t) => {
    const kinds = [
      'text',
      'integer',
      'number',
      'decimal',
      'boolean',
      'timestamp',
      'date',
      'json',
      'bytes',
    ] as const
    const columns = Object.fromEntries(kinds.map((kind) => [`a_${kind}`, kind]))
    const shape: TableShape = { columns: { id: 'integer', ...columns }, key: ['id'] }
    const place = await withTable(t, openPlace, 'things', shape)
    const mapped = Object.fromEntries(kinds.map((kind) => [`a_${kind}`, { path: `$.${kind}`, type: kind }]))
    const action = await opened(t, place, {
      table: 'things',
      columns: { id: '$.id', ...mapped },
    })
    const things = {
      text: `O'Brien "said" \\ 日本 🚗 %s ? $1 @p0`,
      integer: '9007199254740993',
      number: 0.1,
      decimal: '12345678901234.5678',
      boolean: true,
      timestamp: '2026-01-02T03:04:05.678901+02:00',
      date: '2026-02-28',
      json: { a: [1, { 'b"': null }], c: 'é' },
      bytes: Buffer.from([0, 39, 255, 92]).toString('base64'),
    }
    await allDone(action, [{ id: 1, ...things }, { id: 2 }])
    const [first, second] = await place.read('things', shape)
    const { a_json: json, ...rest } = first!
    assert.deepEqual(rest, {
      id: '1',
      a_text: things.text,
      a_integer: '9007199254740993',
      a_number: '0.1',
      a_decimal: '12345678901234.5678',
      a_boolean: 'true',
      a_timestamp: '2026-01-02T01:04:05.678901Z',
      a_date: '2026-02-28',
      a_bytes: '0027ff5c',
    })
    assert.deepEqual(JSON.parse(json!), things.json)
    assert.deepEqual(new Set(Object.values(second!)), new Set(['2', null]))
    await allDone(action, [{ id: 1 }])
    assert.deepEqual((await place.read('things', shape))[0]!.a_text, null)
  })

  check('a row without columns of its own choice is the event', async (t) => {
    const shape: TableShape = {
      columns: { id: 'text', source: 'text', type: 'text', subject: 'text', time: 'timestamp', data: 'json' },
      key: ['source', 'id'],
    }
    const place = await withTable(t, openPlace, 'events', shape)
    const action = await opened(t, place, { table: 'events', key: undefined })
    const event = {
      specversion: '1.0',
      id: '1',
      source: '/s',
      type: 't',
      subject: 'k',
      time: '2026-01-02T03:04:05Z',
      data: { a: 1 },
    }
    await allDone(action, [event, { ...event, source: '/other' }, { ...event, data: { a: 2 } }])
    const rows = await place.read('events', shape)
    assert.deepEqual(rows.map(({ source, data }) => [source, JSON.parse(data!)]).sort(), [
      ['/other', { a: 1 }],
      ['/s', { a: 2 }],
    ])
    assert.throws(() => action.prepare(eventOf({ source: '/s' })), { code: 'REPLAY_EVENT_REFUSED' })
  })

  check(
    'a table of nothing but its key, and a key of several columns, are written and deleted',
    async (t) => {
      const shape: TableShape = { columns: { shop: 'text', number: 'integer' }, key: ['shop', 'number'] }
      const place = await withTable(t, openPlace, 'seen', shape)
      const options = {
        table: 'seen',
        columns: { shop: '$.shop', number: '$.number' },
        key: ['shop', 'number'],
      }
      const action = await opened(t, place, options)
      const seen = [1, 2, 1, 3].map((number) => ({ shop: 'a', number }))
      await allDone(action, [...seen, { shop: 'b', number: 1 }])
      await allDone(await opened(t, place, { ...options, mode: 'delete' }), [{ shop: 'a', number: 1 }])
      const rows = (await place.read('seen', shape)).map(({ shop, number }) => `${shop}${number}`)
      assert.deepEqual(rows.sort(), ['a2', 'a3', 'b1'])
    },
  )

  check('a row that another unique column has already is refused, and that row stays', async (t) => {
    const shape: TableShape = { columns: { id: 'text', email: 'text' }, key: ['id'], unique: 'email' }
    const place = await withTable(t, openPlace, 'people', shape)
    const action = await opened(t, place, { table: 'people', columns: { id: '$.id', email: '$.email' } })
    await allDone(action, [{ id: '1', email: 'x' }])
    const outcomes = await actOn(action, [
      { id: '2', email: 'y' },
      { id: '2', email: 'z' },
      { id: '3', email: 'x' },
    ])
    assert.deepEqual(outcomes.slice(0, 2), ['done', 'done'])
    assertRefused(outcomes[2], place.codes.duplicate)
    assert.deepEqual(await place.read('people', shape), [
      { id: '1', email: 'x' },
      { id: '2', email: 'z' },
    ])
  })

  check('what does not fit the table is that event’s failure, with the database’s code', async (t) => {
    const shape = { ...orders, notNull: 'total', positive: 'total' }
    const place = await withTable(t, openPlace, 'orders', shape)
    const { noTable, noColumn, isNull, check: checkCode, wrongType, tooLong } = place.codes
    const columns = { ...ordersColumns, note: '$.note' }
    const cases: [options: object, event: object, code: string | undefined][] = [
      [{ table: 'nowhere' }, { id: 'a', total: 1 }, noTable],
      [{ columns: { ...columns, wrong: 1 } }, { id: 'a', total: 1 }, noColumn],
      [{ columns }, { id: 'a' }, isNull],
      [{ columns }, { id: 'a', total: -1 }, checkCode],
      [{ columns }, { id: 'a', total: 'many' }, wrongType],
      [{ columns }, { id: 'a', total: 1, note: 'x'.repeat(101) }, tooLong],
    ]
    for (const [options, event, code] of cases) {
      if (code === undefined) continue
      const action = await opened(t, place, { columns, ...options })
      const [outcome, ...more] = await act(action, [event, { id: 'b', total: 1 }])
      assertRefused(outcome, code)
      assert.deepEqual(more, [])
    }
    assert.deepEqual(await place.read('orders', shape), [])
  })

  check('a key that is null is refused before anything is sent', async (t) => {
    const place = await openPlace(t)
    for (const mode of ['upsert', 'delete']) {
      const action = create(place, { mode, columns: ordersColumns })
      assert.throws(() => action.prepare(eventOf({ total: 1 })), { code: 'REPLAY_EVENT_REFUSED' })
    }
  })

  check('no value and no name of a table or column can end a statement', async (t) => {
    const attacks = [
      `'; DROP TABLE orders; --`,
      `"; DROP TABLE orders; --`,
      '`; --',
      ']; --',
      '\\',
      '?',
      '$1',
      '@p0',
    ]
    const place = await withTable(t, openPlace, 'orders', orders)
    const action = await opened(t, place, { columns: { id: '$.id', note: '$.note' } })
    await allDone(
      action,
      attacks.map((note, at) => ({ id: String(at), note })),
    )
    assert.deepEqual(
      (await place.read('orders', orders)).map(({ note }) => note),
      attacks,
    )
    const columns = Object.fromEntries(attacks.map((column) => [`${column} x`, 'text' as const]))
    const shape: TableShape = { columns: { 'i"d`]': 'text', ...columns }, key: ['i"d`]'] }
    const table = `o"r'd\`e]r;s -- x`
    await place.makeTable(table, shape)
    const odd = await opened(t, place, {
      table: `"${table.replaceAll('"', '""')}"`,
      key: 'i"d`]',
      columns: {
        'i"d`]': '$.id',
        ...Object.fromEntries(Object.keys(columns).map((column) => [column, '$.note'])),
      },
    })
    await allDone(odd, [{ id: '1', note: 'x' }])
    const [row] = await place.read(table, shape)
    assert.deepEqual(new Set(Object.values(row!)), new Set(['1', 'x']))
    const gone = await opened(t, place, {
      table: `"${table.replaceAll('"', '""')}"`,
      key: 'i"d`]',
      mode: 'delete',
      columns: { 'i"d`]': '$.id' },
    })
    await allDone(gone, [{ id: `1' OR '1'='1` }])
    assert.equal((await place.read(table, shape)).length, 1)
    await allDone(gone, [{ id: '1' }])
    assert.deepEqual(await place.read(table, shape), [])
  })

  check('what is described is what is sent, as JSON can say it', async (t) => {
    const place = await withTable(t, openPlace, 'orders', orders)
    const long = { columns: { id: '$.id', total: { value: 'AP8=', type: 'bytes' } } }
    const { parameters } = planned(place, long, { id: 9007199254740991, total: 1 })
    assert.deepEqual(JSON.parse(JSON.stringify(parameters)).map(String), ['9007199254740991', 'AP8='])
    await place.run(planned(place, { columns: ordersColumns }, { id: 'a', total: 1 }))
    await place.run(planned(place, { columns: ordersColumns }, { id: 'a', total: 2 }))
    assert.deepEqual(await place.read('orders', orders), [{ id: 'a', total: '2', note: null }])
    await place.run(planned(place, { columns: ordersColumns, mode: 'delete' }, { id: 'a' }))
    await place.run(planned(place, { columns: ordersColumns, mode: 'insert' }, { id: 'b', total: 3 }))
    assert.deepEqual(await place.read('orders', orders), [{ id: 'b', total: '3', note: null }])
  })

  check('rows of more values than a statement takes are written', async (t) => {
    const names = Array.from({ length: 150 }, (_, at) => `c${at}`)
    const columns = Object.fromEntries(names.map((column) => [column, 'integer' as const]))
    const shape: TableShape = { columns: { id: 'integer', ...columns }, key: ['id'] }
    const place = await withTable(t, openPlace, 'wide', shape)
    const action = await opened(t, place, {
      table: 'wide',
      columns: { id: '$.id', ...Object.fromEntries(names.map((column) => [column, '$.n'])) },
    })
    await allDone(
      action,
      Array.from({ length: 500 }, (_, id) => ({ id: 1_000 + id, n: id })),
    )
    const rows = await place.read('wide', shape)
    assert.equal(rows.length, 500)
    for (const [at, { id, ...values }] of rows.entries()) {
      assert.equal(id, String(1_000 + at))
      assert.deepEqual(new Set(Object.values(values)), new Set([String(at)]))
    }
  })

  actionConformance(name, async (t) => {
    const place = await withTable(t, openPlace, 'orders', { ...orders, positive: 'total' })
    const away = place.address.includes('://') ? new URL(place.address) : undefined
    if (away !== undefined) away.port = '1'
    return {
      create: () => create(place, { columns: ordersColumns }),
      events: ['a', 'b', 'c'].map((id) => ({ id, subject: id, total: 1 })),
      refused: { id: 'd', subject: 'd', total: -1 },
      effects: async () => await place.read('orders', orders),
      secrets: [away?.password ?? ''].filter((secret) => secret !== ''),
      createAway: () =>
        create({ address: away?.href ?? `${place.address}.missing` }, { columns: ordersColumns }),
    }
  })

  check('several write at once, in the way of each other, and all is done', async (t) => {
    const place = await withTable(t, openPlace, 'orders', orders)
    const ids = Array.from({ length: 40 }, (_, at) => `k${10 + at}`)
    const actions = await Promise.all(
      [1, 2].map(async () => await opened(t, place, { columns: ordersColumns })),
    )
    const batches = Array.from({ length: 4 }, (_, at) => (at % 2 === 0 ? ids : ids.toReversed()))
    await Promise.all(
      batches.map(async (batch, at) => {
        await allDone(
          actions[at % 2]!,
          batch.map((id) => ({ id, total: at })),
        )
      }),
    )
    assert.deepEqual(idsOf(await place.read('orders', orders)), ids)
  })
}

/** The action, not opened. */
export function create(
  place: Pick<SqlPlace, 'address' | 'drivers'> & { readonly settings?: Readonly<Record<string, string>> },
  options: Record<string, unknown>,
): Action<readonly unknown[]> {
  const target: PluginTarget = {
    address: place.address,
    options: { table: 'orders', key: 'id', ...options },
    context: {
      runId: 'test',
      cwd: '/',
      logger: silentLogger,
      setting: (name) => place.settings?.[name],
      brokers: async () => [],
      history: async () => 'history.db',
      stdin: process.stdin,
      output: { async write() {} },
    },
  }
  return createSqlAction(target, place.drivers) as Action<readonly unknown[]>
}

export async function opened(
  t: TestContext,
  place: Pick<SqlPlace, 'address' | 'drivers'>,
  options: Record<string, unknown>,
): Promise<Action<readonly unknown[]>> {
  const action = create(place, options)
  t.after(() => action.close())
  await action.open({ state: undefined })
  return action
}

/** What one call tells. */
export async function act(
  action: Action<readonly unknown[]>,
  events: readonly object[],
): Promise<readonly Outcome[]> {
  const signal = new AbortController().signal
  return (await action.act(
    events.map((event) => action.prepare(eventOf(event))),
    { signal },
  ))!
}

/** In as many calls as it takes, up to the first failure. */
export async function actOn(
  action: Action<readonly unknown[]>,
  events: readonly object[],
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = []
  while (outcomes.length < events.length && !(outcomes.at(-1) instanceof ActionFailure)) {
    const told = await act(action, events.slice(outcomes.length))
    assert.ok(told.length > 0)
    outcomes.push(...told)
  }
  return outcomes
}

export async function allDone(action: Action<readonly unknown[]>, events: readonly object[]): Promise<void> {
  const outcomes = await actOn(action, events)
  assert.deepEqual(
    outcomes,
    events.map(() => 'done'),
  )
}

export function eventOf(event: object): ReplayEvent {
  return new JsonEvent(JSON.stringify(event), 1, { placeOf: String, tokenOf: String })
}

function assertRefused(outcome: Outcome | undefined, code: string): void {
  assert.ok(outcome instanceof ActionFailure, `${outcome}`)
  assert.deepEqual([outcome.kind, outcome.code], ['refused', code], outcome.message)
}

function planned(
  place: SqlPlace,
  options: Record<string, unknown>,
  event: object,
): Extract<PlannedWrite, { kind: 'sql' }> {
  const action = create(place, options)
  const write = action.describe(action.prepare(eventOf(event)))
  assert.ok(write.kind === 'sql')
  return write
}

async function withTable(
  t: TestContext,
  openPlace: (t: TestContext) => Promise<SqlPlace>,
  name: string,
  shape: TableShape,
): Promise<SqlPlace> {
  const place = await openPlace(t)
  await place.makeTable(name, shape)
  return place
}

function idsOf(rows: readonly Record<string, string | null>[]): (string | null)[] {
  return rows.map(({ id }) => id!)
}
