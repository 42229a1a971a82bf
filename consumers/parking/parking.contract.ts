/** What every store promises of parked events, reactions and tries; part of store.contract.ts. */
import assert from 'node:assert/strict'
import { MessageEvent, toMessage } from '../../events/index.ts'
import type { ConsumerStore, StoreTransaction } from '../store.ts'
import type { NewParked, ParkedEvent, Part } from './parking.ts'

type Promises = (title: string, run: (under: unknown, store: ConsumerStore<unknown>) => Promise<void>) => void
type Unit = StoreTransaction<unknown>

const error = { name: 'SoldOut', code: 'E7', message: 'é\0 17 cars', stack: 'at x', group: 'g1' }

function eventOf(id: string, subject?: string): MessageEvent {
  const message = toMessage(
    { type: 'order.placed', id, subject, data: { id }, headers: { h: 'é' } },
    { exchange: 'orders', source: '/sales' },
  )
  return new MessageEvent({ id, source: '/sales', type: 'order.placed', subject }, message)
}

function failedOne(id: string, subject?: string, more: Partial<NewParked> = {}): NewParked {
  const event = eventOf(id, subject)
  const base = { part: 'apply', reason: 'failed', event, position: undefined, error } as const
  return { ...base, attempts: 3, parkedAt: 100, dueAt: undefined, ...more }
}

function behind(id: string, subject: string, more: Partial<NewParked> = {}): NewParked {
  return failedOne(id, subject, { reason: 'behind', error: undefined, attempts: 0, ...more })
}

export function parkingPromises(promise: Promises): void {
  const in_ = <Result>(store: ConsumerStore<unknown>, work: (unit: Unit) => Promise<Result>) =>
    store.transaction(work)
  const park = (store: ConsumerStore<unknown>, ...events: NewParked[]) =>
    in_(store, (unit) => unit.parking.park(events))
  const due = (store: ConsumerStore<unknown>, { now = 1_000, limit = 100, part = 'apply' as Part } = {}) =>
    in_(store, (unit) => unit.parking.due(part, { now, limit }))
  const idsOf = (events: readonly ParkedEvent[]) => events.map(({ id }) => id).join(' ')
  const counts = (store: ConsumerStore<unknown>) => in_(store, (unit) => unit.parking.counts())
  const held = async (store: ConsumerStore<unknown>, part: Part, subjects: string[]) => [
    ...(await in_(store, (unit) => unit.parking.held(part, subjects))),
  ]
  const mark = { reason: 'failed', error, attempts: 4, retries: 1, dueAt: undefined } as const

  promise('a parked event comes back as it was parked', async (_under, store) => {
    const parked = failedOne('1', 'EC-1', { position: 7, dueAt: 500 })
    await park(store, parked)
    const [back, ...others] = await due(store)
    assert.equal(others.length, 0)
    const { event, parkedAt, attempts } = parked
    assert.deepEqual(back, {
      ...{ number: back!.number, part: 'apply', reason: 'failed', source: '/sales', id: '1' },
      ...{ type: 'order.placed', subject: 'EC-1', position: 7, error, attempts, retries: 0, parkedAt },
      ...{ dueAt: 500, edited: false, version: 0, message: event.message },
    })
  })

  promise('what is parked in a transaction that fails was never parked', async (_under, store) => {
    const work = in_(store, async (unit) => {
      await unit.parking.park([failedOne('1', 's', { dueAt: 1 })])
      throw new Error('mistake')
    })
    await assert.rejects(work, /mistake/)
    assert.deepEqual(await due(store), [])
    assert.deepEqual(await counts(store), { parked: 0, reactions: 0, discarded: 0 })
    assert.deepEqual(await held(store, 'apply', ['s']), [])
  })

  promise('a subject is held by what is parked of it, in that part only', async (_under, store) => {
    await park(store, failedOne('1', 's'), failedOne('2', 't', { part: 'react' }), failedOne('3'))
    assert.deepEqual(await held(store, 'apply', ['s', 't', 'u', 's']), ['s'])
    assert.deepEqual(await held(store, 'react', ['s', 't', 'u']), ['t'])
    assert.deepEqual(await counts(store), { parked: 2, reactions: 1, discarded: 0 })
  })

  promise('what is parked of a part is told by its identity', async (_under, store) => {
    await park(store, failedOne('1', 's'), behind('2', 's'), failedOne('3', 's', { part: 'react' }))
    const wanted = ['3', '2', '4', '1'].map((id) => ({ source: '/sales', id }))
    const missing = (part: Part) =>
      in_(store, (unit) => unit.parking.missing(part, [...wanted, { source: '/web', id: '1' }]))
    assert.deepEqual(await missing('apply'), [false, true, false, true, false])
    assert.deepEqual(await missing('react'), [true, false, false, false, false])
    assert.deepEqual(await in_(store, (unit) => unit.parking.missing('apply', [])), [])
  })

  promise(
    'due is what its time has come for, with what waits behind it, in the order of parking',
    async (_under, store) => {
      await park(
        store,
        ...[failedOne('1', 's', { dueAt: 900 }), failedOne('2', 't'), behind('3', 's'), behind('4', 't')],
        ...[failedOne('5', undefined, { dueAt: 1_001 }), behind('6', 's'), failedOne('7', 'u', { dueAt: 1 })],
        failedOne('8', 's', { part: 'react', dueAt: 1 }),
      )
      assert.equal(idsOf(await due(store)), '1 3 6 7')
      assert.equal(idsOf(await due(store, { now: 1_001 })), '1 3 5 6 7')
      assert.equal(idsOf(await due(store, { part: 'react' })), '8')
      assert.equal(idsOf(await due(store, { now: 0 })), '')
    },
  )

  promise('however much waits, no more than asked for is due at once', async (_under, store) => {
    await park(store, failedOne('0', 's', { dueAt: 1 }), failedOne('x', 't', { dueAt: 2 }))
    await park(store, ...Array.from({ length: 50 }, (_, index) => behind(String(index + 1), 's')))
    const first = await due(store, { limit: 10 })
    assert.equal(first.length, 10)
    // Of a subject its first ones, without a gap.
    const ids = first.filter(({ subject }) => subject === 's').map(({ id }) => Number(id))
    assert.deepEqual(
      ids,
      ids.map((_id, index) => index),
    )
  })

  promise('nothing comes before one of its subject that has failed and is not due', async (_under, store) => {
    await park(store, failedOne('1', 's', { dueAt: 1 }), behind('2', 's'), failedOne('3', 's'))
    await park(store, behind('4', 's'))
    assert.equal(idsOf(await due(store)), '1 2')
  })

  promise('what took effect is gone, and what is first behind it becomes due', async (_under, store) => {
    await park(store, failedOne('1', 's', { dueAt: 1 }), behind('2', 's'), behind('3', 's'), behind('4', 't'))
    const [head] = await due(store)
    assert.equal(await in_(store, (unit) => unit.parking.resolve([head!], 2_000)), 1)
    assert.equal(idsOf(await due(store, { now: 1_999 })), '')
    assert.equal(idsOf(await due(store, { now: 2_000 })), '2 3')
    assert.deepEqual(await counts(store), { parked: 3, reactions: 0, discarded: 0 })
    await in_(store, async (unit) => unit.parking.resolve(await unit.parking.due('apply', later), 3_000))
    assert.deepEqual(await held(store, 'apply', ['s', 't']), ['t'])
  })

  promise('one that was resolved already is not resolved again', async (_under, store) => {
    await park(store, failedOne('1', 's', { dueAt: 1 }))
    const [head] = await due(store)
    const resolve = () => in_(store, (unit) => unit.parking.resolve([head!], 2_000))
    assert.deepEqual([await resolve(), await resolve()], [1, 0])
  })

  promise(
    'one that fails again keeps its place, and what is behind it goes on waiting',
    async (_under, store) => {
      await park(store, failedOne('1', 's', { dueAt: 1 }), behind('2', 's'))
      const [head, next] = await due(store)
      const other = { ...error, message: 'again', group: 'g2', code: undefined }
      await in_(store, (unit) => unit.parking.failed(head!, { ...mark, error: other, dueAt: 5_000 }))
      assert.deepEqual(await due(store), [])
      const [again, waiting] = await due(store, { now: 5_000 })
      assert.deepEqual(again, { ...head, error: other, attempts: 4, retries: 1, dueAt: 5_000 })
      assert.deepEqual(waiting, next)
    },
  )

  promise('what was changed since it was read is neither resolved nor failed', async (_under, store) => {
    await park(store, failedOne('1', 's', { dueAt: 1 }))
    const [head] = await due(store)
    const old = { ...head!, version: head!.version - 1 }
    await in_(store, (unit) => unit.parking.failed(old, mark))
    assert.equal(await in_(store, (unit) => unit.parking.resolve([old], 2_000)), 0)
    assert.deepEqual(await due(store), [head])
  })

  promise('parked events have numbers that rise and are never used again', async (_under, store) => {
    await park(store, failedOne('1', 's', { dueAt: 1 }), failedOne('2', 't', { dueAt: 1 }))
    const first = await due(store)
    await in_(store, (unit) => unit.parking.resolve(first, 2))
    await park(store, failedOne('3', 's', { dueAt: 1 }))
    const [third] = await due(store)
    assert.ok(first[0]!.number < first[1]!.number && first[1]!.number < third!.number)
  })

  promise('reactions come in order, as they were, until they are removed', async (_under, store) => {
    const [one, two, three] = [eventOf('1', 's'), eventOf('2'), eventOf('3', 's')]
    await in_(store, async ({ reactions }) => {
      await reactions.add([
        { event: one!, position: undefined },
        { event: two!, position: 9 },
      ])
      await reactions.add([{ event: three!, position: undefined }])
    })
    const first = await in_(store, ({ reactions }) => reactions.first(2))
    assert.deepEqual(
      first.map(({ number: _number, ...rest }) => rest),
      [
        { ...identityOf(one!), position: undefined, message: one!.message },
        { ...identityOf(two!), position: 9, message: two!.message },
      ],
    )
    await in_(store, ({ reactions }) => reactions.remove(first.map(({ number }) => number)))
    const rest = await in_(store, ({ reactions }) => reactions.first(100))
    assert.deepEqual(
      rest.map(({ id }) => id),
      ['3'],
    )
    assert.ok(rest[0]!.number > first[1]!.number)
  })

  promise('tries are counted by event and part, until they are forgotten', async (_under, store) => {
    const [a, b] = [
      { source: '/a', id: '1' },
      { source: '/b', id: '1' },
    ]
    const count = (part: Part, identity: typeof a) => in_(store, (unit) => unit.countTry(part, identity))
    assert.deepEqual([await count('apply', a), await count('apply', a), await count('apply', a)], [0, 1, 2])
    assert.deepEqual([await count('react', a), await count('apply', b)], [0, 0])
    await in_(store, (unit) => unit.forgetTries('apply', a))
    assert.deepEqual([await count('apply', a), await count('react', a), await count('apply', b)], [0, 1, 1])
  })
}

const later = { now: 10_000, limit: 100 }

function identityOf({ id, source, type, subject }: MessageEvent) {
  return { id, source, type, subject }
}
