import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { CloudEvent } from '../../events/index.ts'
import { openSqlite, type SqliteDatabase } from '../../history/index.ts'
import { defineConsumer, type HandlerContext } from '../definition.ts'
import { parkedError } from '../parking/fingerprint.ts'
import { openParkedEvents } from '../parking/open-parked-events.ts'
import {
  consumer,
  type Effects,
  effectsIn,
  exchange,
  failedEvent,
  type ParkedPlace,
  parkedPlace,
  prepareEffects,
  waitingEvent,
} from '../parking/parked.fixture.ts'
import { redriveParked } from '../parking/redrive-parked.ts'
import { openSqliteStore } from './sqlite-store.ts'

class SoldOut extends Error {}

/** Handlers that fail for these ids. */
function shipping({
  failing = [],
  react = () => {},
}: {
  failing?: readonly string[]
  react?: (id: string) => unknown
} = {}) {
  return defineConsumer({
    name: consumer,
    exchange,
    prepare: (database: SqliteDatabase) => prepareEffects(database),
    on: {
      '*': {
        apply: ({ id, subject, data }: CloudEvent, { tx }: HandlerContext<Effects>) => {
          if (failing.includes(id)) throw new Error(`no paint for ${id}`)
          tx.run(id, subject ?? null, JSON.stringify(data))
        },
        react: ({ id }) => react(id),
      },
    },
    retry: { attempts: 1 },
  })
}

async function effects(t: TestContext, { path }: ParkedPlace): Promise<string[]> {
  const database = await openSqlite(path, { readonly: true })
  t.after(() => database.close())
  return effectsIn(database)
}

const numbersOf = (events: readonly { number: number }[]) => events.map(({ number }) => number)

test('parked events are listed in pages, by group, subject, part and state', async (t) => {
  const { events, park } = await parkedPlace(t)
  const other = { error: new SoldOut('no wheels') }
  await park(failedEvent('1', { subject: 's' }), waitingEvent('2', 's'), failedEvent('3', other))
  await park(failedEvent('4', { subject: 's', part: 'react' }), failedEvent('5', { subject: 't' }))
  assert.deepEqual(numbersOf(await events.list()), [1, 2, 3, 4, 5])
  assert.deepEqual(numbersOf(await events.list({ after: 2, limit: 2 })), [3, 4])
  assert.deepEqual(numbersOf(await events.list({ subject: 's' })), [1, 2, 4])
  assert.deepEqual(numbersOf(await events.list({ subject: 's', part: 'react' })), [4])
  const { group } = parkedError(other.error)
  assert.deepEqual(numbersOf(await events.list({ group })), [3])
  assert.deepEqual(await events.list({ state: 'discarded' }), [])
  const [first] = await events.list({ limit: 1 })
  assert.equal(first!.error!.message, 'out of paint')
  assert.equal(first!.error!.stack, undefined)
  await assert.rejects(events.list({ limit: 0 }), TypeError)
  await assert.rejects(events.list({ limit: 1_001 }), TypeError)
})

test('groups tell how many events, of how many subjects, and how many wait behind them', async (t) => {
  const { events, park } = await parkedPlace(t)
  const sold = (number: number) => new SoldOut(`${number} cars sold`)
  const [first, second, third] = [sold(1), sold(22), sold(333)].map((error) =>
    Object.assign(error, { stack: 's' }),
  )
  await park(
    failedEvent('1', { subject: 's', error: first }),
    failedEvent('2', { subject: 't', error: second }),
  )
  await park(waitingEvent('3', 's'), waitingEvent('4', 's'), failedEvent('5'))
  await park(failedEvent('6', { subject: 's', part: 'react', error: third, parkedAt: 5_000 }))
  const groups = (await events.groups()).map(({ name, part, ...rest }) => [
    ...[name, part, rest.events, rest.subjects, rest.waiting, rest.message],
  ])
  assert.deepEqual(groups[0], ['SoldOut', 'apply', 2, 2, 2, '22 cars sold'])
  assert.deepEqual(groups.slice(1).sort(), [
    ['Error', 'apply', 1, 0, 0, 'out of paint'],
    ['SoldOut', 'react', 1, 1, 0, '333 cars sold'],
  ])
})

test('failures of one kind are one group, whatever numbers their messages hold, and other kinds are others', () => {
  const order = (error: Error) => parkedError(error).group
  const at = (number: number) => new Error(`order ${number}\n    at ${number} o'clock`)
  assert.equal(new Set([1, 22, 333].map((number) => order(at(number)))).size, 1)
  const codes = ['E1', 'E2'].map((code) => order(Object.assign(at(1), { code })))
  const kinds = [at(1), new SoldOut('order 1'), new RangeError('order 1')].map(order)
  assert.equal(new Set([...codes, ...kinds]).size, 5)
})

test('whatever a handler throws is kept', () => {
  for (const thrown of [undefined, null, 17, 'text', Symbol('s'), Object.create(null), { toString: 1 }]) {
    assert.equal(typeof parkedError(thrown).message, 'string')
    assert.match(parkedError(thrown).group, /^[0-9a-f]{12}$/)
  }
  assert.equal(
    parkedError(Object.assign(new Error('x'), { message: { no: 'text' } })).message,
    "{ no: 'text' }",
  )
})

test('one event is shown with its message, what it waits behind, and what was done to it', async (t) => {
  const { events, park } = await parkedPlace(t)
  await park(failedEvent('1', { subject: 's' }), waitingEvent('2', 's'), waitingEvent('3', 's'))
  const [first, third] = [await events.get(1), await events.get(3)]
  assert.deepEqual([first!.behind, first!.waiting, third!.behind, third!.waiting], [undefined, 2, 1, 0])
  assert.equal(first!.message.body.toString(), '{"id":"1"}')
  assert.match(first!.error!.stack!, /out of paint/)
  assert.equal(await events.get(4), undefined)
})

test('what runs again is what was marked, what waits behind it follows in order, and the rest stays', async (t) => {
  const place = await parkedPlace(t)
  const { path, events, park } = place
  await park(failedEvent('1', { subject: 's' }), failedEvent('2', { subject: 't' }), waitingEvent('3', 's'))
  await park(waitingEvent('4', 't'), waitingEvent('5', 's'))
  const mark = await events.retry({ number: 1 }, { reason: 'paint came' })
  assert.deepEqual([mark.events, numbersOf(mark.first), mark.waiting], [1, [1], 2])
  const progress = await redriveParked(shipping(), { store: path })
  assert.deepEqual(progress, { applied: 3, reacted: 3, failed: 0 })
  assert.deepEqual(await effects(t, place), ['1', '3', '5'])
  assert.deepEqual(numbersOf(await events.list()), [2, 4])
  assert.deepEqual(await events.outcome(mark.id!), {
    ...{ applied: 1, failed: 0, pending: 0, discarded: 0, followed: 2, following: 0, waiting: 0 },
  })
})

test('one that fails again keeps what waits behind it, and says so', async (t) => {
  const place = await parkedPlace(t)
  const { path, events, park } = place
  await park(failedEvent('1', { subject: 's' }), waitingEvent('2', 's'), waitingEvent('3', 's'))
  await park(failedEvent('4', { subject: 't' }), waitingEvent('5', 's'))
  const mark = await events.retry({ all: true })
  assert.deepEqual([mark.events, mark.waiting], [2, 3])
  const progress = await redriveParked(shipping({ failing: ['2'] }), { store: path })
  assert.deepEqual(progress, { applied: 2, reacted: 2, failed: 1 })
  assert.deepEqual(await effects(t, place), ['1', '4'])
  const { behind, waiting, retries, attempts, reason, error } = (await events.get(2))!
  assert.deepEqual([behind, waiting, retries, attempts, reason], [undefined, 2, 1, 1, 'failed'])
  assert.equal(error!.message, 'no paint for 2')
  const { followed: _followed, ...outcome } = await events.outcome(mark.id!)
  assert.deepEqual(outcome, { applied: 2, failed: 0, pending: 0, discarded: 0, following: 0, waiting: 0 })
  const again = await events.retry({ subject: 's' })
  await redriveParked(shipping({ failing: ['2'] }), { store: path })
  const failed = await events.outcome(again.id!)
  assert.deepEqual([failed.applied, failed.failed, failed.waiting], [0, 1, 2])
})

test('an event that waits behind another is not marked, and the one to retry is told', async (t) => {
  const { events, park } = await parkedPlace(t)
  await park(failedEvent('1', { subject: 's' }), waitingEvent('2', 's'), waitingEvent('3', 's'))
  const mark = await events.retry({ number: 3 })
  assert.deepEqual([mark.events, mark.behind], [0, 1])
  assert.deepEqual(
    [(await events.retry({ number: 9 })).events, (await events.retry({ number: 9 })).behind],
    [0, undefined],
  )
})

test('a dry run tells what would be done and writes nothing', async (t) => {
  const { events, park } = await parkedPlace(t)
  await park(...Array.from({ length: 30 }, (_, index) => failedEvent(String(index + 1))))
  for (const what of ['retry', 'discard'] as const) {
    const mark = await events[what]({ all: true }, { dryRun: true, reason: 'no' })
    assert.deepEqual([mark.id, mark.events, mark.first.length], [undefined, 30, 10])
  }
  const edited = await events.edit(1, { data: 7 }, { dryRun: true })
  assert.equal(edited!.message.body.toString(), '7')
  const { actions, edited: isEdited, dueAt, state } = (await events.get(1))!
  assert.deepEqual([actions, isEdited, dueAt, state], [[], false, undefined, 'parked'])
})

test('a discarded event is kept with its bytes, what waits behind it goes on, and it can be restored', async (t) => {
  const place = await parkedPlace(t)
  const { path, events, park } = place
  await park(failedEvent('1', { subject: 's' }), waitingEvent('2', 's'), waitingEvent('3', 's'))
  await events.discard({ number: 1 }, { reason: 'a test order' })
  await redriveParked(shipping(), { store: path })
  assert.deepEqual(await effects(t, place), ['2', '3'])
  const { state, original, actions } = (await events.get(1))!
  assert.deepEqual([state, original.body.toString()], ['discarded', '{"id":"1"}'])
  assert.deepEqual(
    actions.map(({ action, reason }) => [action, reason]),
    [['discard', 'a test order']],
  )
  assert.equal((await events.discard({ number: 1 })).events, 0)
  assert.equal((await events.restore({ number: 1 })).events, 1)
  await events.retry({ number: 1 })
  await redriveParked(shipping(), { store: path })
  assert.deepEqual(await effects(t, place), ['2', '3', '1'])
})

test('one that waited when it was discarded can be restored and retried too', async (t) => {
  const place = await parkedPlace(t)
  const { path, events, park } = place
  await park(failedEvent('1', { subject: 's' }), waitingEvent('2', 's'))
  await events.discard({ subject: 's' })
  assert.deepEqual(await events.list(), [])
  await events.restore({ number: 2 })
  assert.equal((await events.retry({ all: true })).events, 1)
  await redriveParked(shipping(), { store: path })
  assert.deepEqual(await effects(t, place), ['2'])
})

test('an edited event is tried as it was edited, and the original is kept', async (t) => {
  const { path, events, park } = await parkedPlace(t)
  await park(failedEvent('1', { subject: 's' }))
  const edit = await events.edit(1, { data: { id: 'mended' }, headers: { by: 'ops' } }, { reason: 'typo' })
  assert.equal(edit!.edited, true)
  const seen: unknown[] = []
  const definition = defineConsumer({
    name: consumer,
    exchange,
    on: {
      '*': ({ id, source, data, message }) => seen.push([id, source, data, message.properties.headers!.by]),
    },
  })
  await events.retry({ number: 1 })
  await redriveParked(definition, { store: path })
  assert.deepEqual(seen, [['1', '/sales', { id: 'mended' }, 'ops']])
  const { state, original, actions } = (await events.get(1))!
  assert.deepEqual(
    [state, original.body.toString(), original.properties.headers!.by],
    ['mended', '{"id":"1"}', undefined],
  )
  assert.deepEqual(
    actions.map(({ action }) => action),
    ['edit', 'retry', 'applied as edited'],
  )
})

test('an edit that is none, or changes whose event it is, is a mistake', async (t) => {
  const { events, park } = await parkedPlace(t)
  await park(failedEvent('1'))
  for (const change of [
    {},
    { data: 1, body: Buffer.from('1') },
    { headers: { 'ce-id': 'other' } },
    { data: () => {} },
  ])
    await assert.rejects(events.edit(1, change), TypeError)
  await assert.rejects(events.retry({ all: true }, { reason: 'x'.repeat(1_001) }), TypeError)
  await assert.rejects(events.retry({} as never), TypeError)
  await assert.rejects(events.retry({ number: '1' } as never), TypeError)
  await assert.rejects(events.retry({ all: true }, { at: new Date('never') }), TypeError)
  assert.equal(await events.edit(7, { data: 1 }), undefined)
})

test('what is discarded or edited while it is being tried is not applied as it was read', async (t) => {
  const place = await parkedPlace(t)
  const { path, events, park } = place
  await park(failedEvent('1', { subject: 's' }), failedEvent('2', { subject: 't' }), waitingEvent('3', 's'))
  const store = await openSqliteStore({ path, consumer, exchange })
  const { Applier } = await import('../applier.ts')
  const { HandlerTable } = await import('../handler-table.ts')
  const { silentLogger } = await import('../../events/index.ts')
  t.after(() => store.close())
  await events.retry({ all: true })
  let isFirst = true
  const transaction = store.transaction.bind(store)
  // Between what is due was read and the transaction that tries it, another hand comes.
  store.transaction = async (work) => {
    const result = await transaction(work)
    if (isFirst && Array.isArray(result) && result.length > 0) {
      isFirst = false
      await events.discard({ number: 1 })
      await events.edit(2, { data: 'edited' })
    }
    return result
  }
  const seen: unknown[] = []
  const on = { '*': ({ id, data }: { id: string; data: unknown }) => void seen.push([id, data]) }
  const applier = await Applier.open({
    ...{ consumer, store, handlers: new HandlerTable<SqliteDatabase>({ on } as never), carefulMax: 0 },
    parking: { holdSubject: true, crashesMax: 3, retryAfterMs: [] },
    ...{ rememberMs: 0, clock: { now: Date.now, sleep: async () => {} }, logger: silentLogger },
    signal: new AbortController().signal,
  })
  assert.deepEqual(await applier.redrive(), { failing: new Set(), applied: 2, failed: 0 })
  // The first run was rolled back; what it handed to the handlers had no effect.
  assert.deepEqual(seen.slice(-2), [
    ['2', 'edited'],
    ['3', { id: '3' }],
  ])
  assert.deepEqual(numbersOf(await events.list({ state: 'discarded' })), [1])
  assert.equal((await events.get(1))!.state, 'discarded')
})

test('a schedule is for then', async (t) => {
  const place = await parkedPlace(t)
  const { path, events, park } = place
  await park(failedEvent('1'), failedEvent('2'))
  await events.retry({ number: 1 }, { at: new Date(Date.now() + 3_600_000) })
  await events.retry({ number: 2 }, { at: new Date(Date.now() - 1) })
  await redriveParked(shipping(), { store: path })
  assert.deepEqual(await effects(t, place), ['2'])
})

test('a parked reaction runs again, and is not applied again', async (t) => {
  const place = await parkedPlace(t)
  const { path, events, park } = place
  await park(failedEvent('1', { subject: 's', part: 'react' }), waitingEvent('2', 's', { part: 'react' }))
  await park(failedEvent('3', { subject: 's' }))
  await events.retry({ all: true, part: 'react' })
  const reacted: string[] = []
  const progress = await redriveParked(shipping({ react: (id) => reacted.push(id) }), { store: path })
  assert.deepEqual([progress, reacted], [{ applied: 0, reacted: 2, failed: 0 }, ['1', '2']])
  assert.deepEqual(await effects(t, place), [])
  assert.deepEqual(numbersOf(await events.list()), [3])
})

test('a store that is missing, is none, or holds several consumers is told by name', async (t) => {
  const { path } = await parkedPlace(t)
  await assert.rejects(openParkedEvents({ store: `${path}.none` }), { code: 'CONSUMER_STORE_UNAVAILABLE' })
  await assert.rejects(openParkedEvents({ store: path, consumer: 'billing' }), {
    code: 'CONSUMER_STORE_FOREIGN',
  })
  const billing = await openSqliteStore({ path, consumer: 'billing', exchange })
  await billing.transaction(async (unit) => unit.save(await billing.state()))
  await assert.rejects(openParkedEvents({ store: path }), /billing, shipping; name one of them/)
  const events = await openParkedEvents({ store: path, consumer })
  assert.equal(events.consumer, consumer)
  await events.close()
  await assert.rejects(events.list(), { code: 'CONSUMER_CLOSED' })
  await assert.rejects(redriveParked({ ...shipping(), name: 'billing' }, { store: path }), {
    code: 'CONSUMER_LOCKED',
  })
  await billing.close()
})

test('marks wait for a transaction that is open in this very process, without holding it up', async (t) => {
  const { path, events, park } = await parkedPlace(t)
  await park(failedEvent('1'))
  const store = await openSqliteStore({ path, consumer, exchange })
  t.after(() => store.close())
  let marked: Promise<unknown> | undefined
  await store.transaction(async (unit) => {
    await unit.save(await store.state())
    marked = events.retry({ all: true })
    await new Promise((resolve) => setTimeout(resolve, 50))
  })
  assert.equal(((await marked) as { events: number }).events, 1)
})
