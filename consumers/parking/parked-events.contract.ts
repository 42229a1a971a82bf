/** What every store promises of parked events to whoever looks after them. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type CloudEvent, silentLogger } from '../../events/index.ts'
import { Applier } from '../applier.ts'
import { defineConsumer, type HandlerContext, type StoreDatabase } from '../definition.ts'
import { HandlerTable } from '../handler-table.ts'
import { openStore } from '../open-store.ts'
import { type ConsumerStore, initialState } from '../store.ts'
import { parkedError } from './fingerprint.ts'
import { openParkedEvents } from './open-parked-events.ts'
import {
  consumer,
  type Effects,
  exchange,
  failedEvent,
  type ParkedPlace,
  parkedPlace,
  waitingEvent,
} from './parked.fixture.ts'
import { redriveParked } from './redrive-parked.ts'

export interface ParkedUnderTest {
  /** The address of a new store. */
  newStore(t: TestContext): Promise<string>
  /** Makes a table that handlers write the ids of events to. */
  prepare(database: StoreDatabase): Effects | Promise<Effects>
  /** These ids, in order. */
  effects(store: string): Promise<string[]>
}

interface Place extends ParkedPlace {
  effects(): Promise<string[]>
  /** Has a store in hand, as a running consumer has, until the test ends. */
  hold(store: string, consumer?: string): Promise<ConsumerStore<unknown>>
}

class SoldOut extends Error {}

/** Handlers that fail for these ids. */
function shipping(
  { prepare }: ParkedUnderTest,
  {
    failing = [],
    react = () => {},
  }: {
    failing?: readonly string[]
    react?: (id: string) => unknown
  } = {},
) {
  return defineConsumer({
    name: consumer,
    exchange,
    prepare,
    on: {
      '*': {
        apply: async ({ id, subject, data }: CloudEvent, { tx }: HandlerContext<Effects>) => {
          if (failing.includes(id)) throw new Error(`no paint for ${id}`)
          await tx.run(id, subject ?? null, JSON.stringify(data))
        },
        react: ({ id }) => react(id),
      },
    },
    retry: { attempts: 1 },
  })
}

const numbersOf = (events: readonly { number: number }[]) => events.map(({ number }) => number)

export function parkedEventsContract(name: string, under: ParkedUnderTest): void {
  const promise = (title: string, run: (place: Place) => Promise<void>) =>
    test(`${name}: ${title}`, async (t) => {
      const place = await parkedPlace(t, await under.newStore(t))
      await run({
        ...place,
        effects: () => under.effects(place.store),
        async hold(store, named = consumer) {
          const held = await openStore<unknown, StoreDatabase>(store, { consumer: named, exchange })
          t.after(() => held.close())
          await held.acquire(new AbortController().signal)
          return held
        },
      })
    })

  promise(
    'parked events are listed in pages, by group, subject, part and state',
    async ({ events, park }) => {
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
    },
  )

  promise(
    'groups tell how many events, of how many subjects, and how many wait behind them',
    async ({ events, park }) => {
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
    },
  )

  promise(
    'one event is shown with its message, what it waits behind, and what was done to it',
    async ({ events, park }) => {
      await park(failedEvent('1', { subject: 's' }), waitingEvent('2', 's'), waitingEvent('3', 's'))
      const [first, third] = [await events.get(1), await events.get(3)]
      assert.deepEqual([first!.behind, first!.waiting, third!.behind, third!.waiting], [undefined, 2, 1, 0])
      assert.equal(first!.message.body.toString(), '{"id":"1"}')
      assert.match(first!.error!.stack!, /out of paint/)
      assert.equal(await events.get(4), undefined)
    },
  )

  promise(
    'what runs again is what was marked, what waits behind it follows in order, and the rest stays',
    async ({ store, events, park, effects }) => {
      await park(
        failedEvent('1', { subject: 's' }),
        failedEvent('2', { subject: 't' }),
        waitingEvent('3', 's'),
      )
      await park(waitingEvent('4', 't'), waitingEvent('5', 's'))
      const mark = await events.retry({ number: 1 }, { reason: 'paint came' })
      assert.deepEqual([mark.events, numbersOf(mark.first), mark.waiting], [1, [1], 2])
      const progress = await redriveParked(shipping(under), { store })
      assert.deepEqual(progress, { applied: 3, reacted: 3, failed: 0 })
      assert.deepEqual(await effects(), ['1', '3', '5'])
      assert.deepEqual(numbersOf(await events.list()), [2, 4])
      assert.deepEqual(await events.outcome(mark.id!), {
        ...{ applied: 1, failed: 0, pending: 0, discarded: 0, followed: 2, following: 0, waiting: 0 },
      })
    },
  )

  promise(
    'one that fails again keeps what waits behind it, and says so',
    async ({ store, events, park, effects }) => {
      await park(failedEvent('1', { subject: 's' }), waitingEvent('2', 's'), waitingEvent('3', 's'))
      await park(failedEvent('4', { subject: 't' }), waitingEvent('5', 's'))
      const mark = await events.retry({ all: true })
      assert.deepEqual([mark.events, mark.waiting], [2, 3])
      const progress = await redriveParked(shipping(under, { failing: ['2'] }), { store })
      assert.deepEqual(progress, { applied: 2, reacted: 2, failed: 1 })
      assert.deepEqual(await effects(), ['1', '4'])
      const { behind, waiting, retries, attempts, reason, error } = (await events.get(2))!
      assert.deepEqual([behind, waiting, retries, attempts, reason], [undefined, 2, 1, 1, 'failed'])
      assert.equal(error!.message, 'no paint for 2')
      const { followed: _followed, ...outcome } = await events.outcome(mark.id!)
      assert.deepEqual(outcome, { applied: 2, failed: 0, pending: 0, discarded: 0, following: 0, waiting: 0 })
      const again = await events.retry({ subject: 's' })
      await redriveParked(shipping(under, { failing: ['2'] }), { store })
      const failed = await events.outcome(again.id!)
      assert.deepEqual([failed.applied, failed.failed, failed.waiting], [0, 1, 2])
    },
  )

  promise(
    'an event that waits behind another is not marked, and the one to retry is told',
    async ({ events, park }) => {
      await park(failedEvent('1', { subject: 's' }), waitingEvent('2', 's'), waitingEvent('3', 's'))
      const mark = await events.retry({ number: 3 })
      assert.deepEqual([mark.events, mark.behind], [0, 1])
      assert.deepEqual(
        [(await events.retry({ number: 9 })).events, (await events.retry({ number: 9 })).behind],
        [0, undefined],
      )
    },
  )

  promise('a dry run tells what would be done and writes nothing', async ({ events, park }) => {
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

  promise(
    'a discarded event is kept with its bytes, what waits behind it goes on, and it can be restored',
    async ({ store, events, park, effects }) => {
      await park(failedEvent('1', { subject: 's' }), waitingEvent('2', 's'), waitingEvent('3', 's'))
      await events.discard({ number: 1 }, { reason: 'a test order' })
      await redriveParked(shipping(under), { store })
      assert.deepEqual(await effects(), ['2', '3'])
      const { state, original, actions } = (await events.get(1))!
      assert.deepEqual([state, original.body.toString()], ['discarded', '{"id":"1"}'])
      assert.deepEqual(
        actions.map(({ action, reason }) => [action, reason]),
        [['discard', 'a test order']],
      )
      assert.equal((await events.discard({ number: 1 })).events, 0)
      assert.equal((await events.restore({ number: 1 })).events, 1)
      await events.retry({ number: 1 })
      await redriveParked(shipping(under), { store })
      assert.deepEqual(await effects(), ['2', '3', '1'])
    },
  )

  promise(
    'one that waited when it was discarded can be restored and retried too',
    async ({ store, events, park, effects }) => {
      await park(failedEvent('1', { subject: 's' }), waitingEvent('2', 's'))
      await events.discard({ subject: 's' })
      assert.deepEqual(await events.list(), [])
      await events.restore({ number: 2 })
      assert.equal((await events.retry({ all: true })).events, 1)
      await redriveParked(shipping(under), { store })
      assert.deepEqual(await effects(), ['2'])
    },
  )

  promise(
    'an edited event is tried as it was edited, and the original is kept',
    async ({ store, events, park }) => {
      await park(failedEvent('1', { subject: 's' }))
      const edit = await events.edit(
        1,
        { data: { id: 'mended' }, headers: { by: 'ops' } },
        { reason: 'typo' },
      )
      assert.equal(edit!.edited, true)
      const seen: unknown[] = []
      const definition = defineConsumer({
        name: consumer,
        exchange,
        on: {
          '*': ({ id, source, data, message }) =>
            seen.push([id, source, data, message.properties.headers!.by]),
        },
      })
      await events.retry({ number: 1 })
      await redriveParked(definition, { store })
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
    },
  )

  promise('an edit that is none, or changes whose event it is, is a mistake', async ({ events, park }) => {
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

  promise(
    'what is discarded or edited while it is being tried is not applied as it was read',
    async ({ store, events, park, hold }) => {
      await park(
        failedEvent('1', { subject: 's' }),
        failedEvent('2', { subject: 't' }),
        waitingEvent('3', 's'),
      )
      const held = await hold(store)
      await events.retry({ all: true })
      let isFirst = true
      const transaction = held.transaction.bind(held)
      // Between what is due was read and the transaction that tries it, another hand comes.
      held.transaction = async (work) => {
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
        ...{ consumer, store: held, handlers: new HandlerTable({ on } as never), carefulMax: 0 },
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
    },
  )

  promise('a schedule is for then', async ({ store, events, park, effects }) => {
    await park(failedEvent('1'), failedEvent('2'))
    await events.retry({ number: 1 }, { at: new Date(Date.now() + 3_600_000) })
    await events.retry({ number: 2 }, { at: new Date(Date.now() - 1) })
    await redriveParked(shipping(under), { store })
    assert.deepEqual(await effects(), ['2'])
  })

  promise(
    'a parked reaction runs again, and is not applied again',
    async ({ store, events, park, effects }) => {
      await park(failedEvent('1', { subject: 's', part: 'react' }), waitingEvent('2', 's', { part: 'react' }))
      await park(failedEvent('3', { subject: 's' }))
      await events.retry({ all: true, part: 'react' })
      const reacted: string[] = []
      const progress = await redriveParked(shipping(under, { react: (id) => reacted.push(id) }), { store })
      assert.deepEqual([progress, reacted], [{ applied: 0, reacted: 2, failed: 0 }, ['1', '2']])
      assert.deepEqual(await effects(), [])
      assert.deepEqual(numbersOf(await events.list()), [3])
    },
  )

  promise(
    'marks wait for a transaction that is open in this very process, without holding it up',
    async ({ store, events, park, hold }) => {
      await park(failedEvent('1'))
      const held = await hold(store)
      const state = await held.state()
      let marked: Promise<unknown> | undefined
      await held.transaction(async (unit) => {
        await unit.save(state)
        marked = events.retry({ all: true })
        await new Promise((resolve) => setTimeout(resolve, 50))
      })
      assert.equal(((await marked) as { events: number }).events, 1)
    },
  )

  promise(
    'what was restored is seen by whoever has the store in hand',
    async ({ store, events, park, hold }) => {
      await park(failedEvent('1', { subject: 's' }))
      await events.discard({ number: 1 })
      const held = await hold(store)
      const subjects = () => held.transaction((unit) => unit.parking.held('apply', ['s']))
      assert.equal((await subjects()).size, 0)
      await events.restore({ number: 1 })
      await events.retry({ number: 1 })
      const { parked } = await held.transaction((unit) => unit.parking.counts())
      const due = await held.transaction((unit) => unit.parking.due('apply', { now: Date.now(), limit: 10 }))
      assert.deepEqual([parked, numbersOf(due)], [1, [1]])
    },
  )

  promise('a subject may hold any character, and be long', async ({ events, park }) => {
    for (const [index, subject] of ['é\0 😀', '\u0001', 'long '.repeat(10_000)].entries()) {
      await park(failedEvent(String(index), { subject }), waitingEvent(`${index} next`, subject))
      const [first, next, ...others] = await events.list({ subject })
      assert.deepEqual([first!.subject, others.length], [subject, 0])
      assert.deepEqual(
        [(await events.get(next!.number))!.behind, (await events.retry({ subject })).waiting],
        [first!.number, 1],
      )
    }
  })

  promise(
    'one of several consumers has to be named, and one that runs tries by itself',
    async ({ store, events, hold }) => {
      const foreign = { code: 'CONSUMER_STORE_FOREIGN' }
      await assert.rejects(openParkedEvents({ store, consumer: 'billing' }), foreign)
      const billing = await hold(store, 'billing')
      await billing.transaction((unit) => unit.save(initialState))
      await assert.rejects(openParkedEvents({ store }), /billing, shipping; name one of them/)
      const named = await openParkedEvents({ store, consumer })
      assert.equal(named.consumer, consumer)
      await named.close()
      await assert.rejects(named.list(), { code: 'CONSUMER_CLOSED' })
      const running = redriveParked({ ...shipping(under), name: 'billing' }, { store })
      await assert.rejects(running, { code: 'CONSUMER_LOCKED' })
      assert.deepEqual(await events.list(), [])
    },
  )
}
