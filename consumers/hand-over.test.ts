import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ConsumerError } from './errors.ts'
import type { Tampering } from './simulation/consumer.fixture.ts'
import { assertEverySchedule } from './simulation/every-schedule.fixture.ts'
import { type Conditions, schedules } from './simulation/schedule.fixture.ts'
import { simulate } from './simulation/simulate.fixture.ts'
import { World, type WorldOptions } from './simulation/world.fixture.ts'
import { initialState } from './store.ts'

const scheduleCount = 800

test(`in ${scheduleCount} schedules of crashes, losses and delays, each event takes effect once and in order`, async () => {
  await assertEverySchedule({ seed: 20_261_121, count: scheduleCount })
})

test('a schedule takes the same course each time', async () => {
  for (const schedule of fc.sample(schedules(), { seed: 1, numRuns: 50 })) {
    assert.deepEqual(await simulate(schedule), await simulate(schedule))
  }
})

const calm: Conditions = {
  settleMs: 40,
  bindMsMax: 10,
  routeMsMax: 3,
  replayBatch: 5,
  liveBatch: 4,
  prefetch: 8,
  auditMs: 20,
  inboxKeepMs: 3_600_000,
  recorderBatch: 8,
  recorderMsMax: 2,
  callMsMax: 0,
  handlerFailurePercent: 0,
  hasAnonymous: false,
}

function oneConsumer(conditions: Partial<Conditions> = {}, options: WorldOptions = {}) {
  const world = new World({ ...calm, ...conditions }, { consumers: 1, ...options })
  return { world, consumer: world.consumers[0]! }
}

/** Lets everything come to rest, and throws what was broken. */
async function settle(world: World): Promise<void> {
  await world.settle()
  const { violation } = world.outcome()
  if (violation !== undefined) throw violation
}

test('a consumer that dies at any of its calls, from its start to long after going live, misses nothing and repeats nothing', async () => {
  for (let afterCalls = 0; afterCalls < 250; afterCalls++) {
    const { world, consumer } = oneConsumer()
    await world.run({ do: 'publish', afterMs: 0, publisher: 0, count: 12, everyMs: 12 })
    consumer.start()
    await world.run({ do: 'kill', afterMs: 0, consumer: 0, afterCalls, downMs: 10 })
    await world.timeline.run({ forMs: 3_000 })
    await settle(world)
    assert.equal(consumer.lives, 2)
    assert.equal(consumer.database.effects.length, 12)
  }
})

test('a connection that breaks at any call costs no event and repeats none', async () => {
  for (let afterCalls = 0; afterCalls < 250; afterCalls++) {
    const { world, consumer } = oneConsumer()
    await world.run({ do: 'publish', afterMs: 0, publisher: 0, count: 12, everyMs: 12 })
    consumer.start()
    await world.run({ do: 'cut', afterMs: 0, consumer: 0, afterCalls, downMs: 10 })
    await world.timeline.run({ forMs: 3_000 })
    await settle(world)
    assert.equal(consumer.database.effects.length, 12)
  }
})

test('events that land between any two reads of the history are neither missed nor repeated', async () => {
  let landing = 0
  const { world, consumer } = oneConsumer(
    { routeMsMax: 0, recorderMsMax: 0, callMsMax: 2 },
    {
      tampering: {
        history(reader) {
          const landingFirst = <Args extends unknown[], Result>(read: (...args: Args) => Promise<Result>) => {
            return async (...args: Args) => {
              landing += 1
              if (landing <= 60) world.publishers[landing % 2]!.publish({ count: 1, everyMs: 0 })
              return await read(...args)
            }
          }
          return {
            ...reader,
            fence: landingFirst(reader.fence),
            bounds: landingFirst(reader.bounds),
            read: landingFirst(reader.read),
            identities: landingFirst(reader.identities),
            positionsOf: landingFirst(reader.positionsOf),
          }
        },
      },
    },
  )
  consumer.start()
  await world.timeline.run({ forMs: 2_000 })
  await settle(world)
  assert.equal(consumer.database.effects.length, 60)
})

test('the history decides the order, whatever the clocks of the publishers say', async () => {
  const { world, consumer } = oneConsumer()
  await world.run({ do: 'publish', afterMs: 0, publisher: 0, count: 10, everyMs: 1 })
  await world.timeline.run({ forMs: 100 })
  const times = world.history.events.map(({ time }) => time!)
  assert.ok(times.at(-1)! < times[0]!)
  consumer.start()
  await settle(world)
  assert.deepEqual(
    consumer.database.effects.map(({ position }) => position),
    world.history.events.map(({ position }) => position),
  )
})

test('the same id of two sources is two events, replayed and live', async () => {
  for (const isLive of [false, true]) {
    const { world, consumer } = oneConsumer()
    if (isLive) consumer.start()
    await world.run({ do: 'publish', afterMs: 200, publisher: 0, count: 6, everyMs: 5 })
    await settle(world)
    const identities = consumer.database.effects.map(({ source, id }) => `${source}${id}`)
    assert.deepEqual(identities.toSorted(), ['a1', 'a2', 'a3', 'b1', 'b2', 'b3'])
    assert.equal(consumer.database.state.live > 0, isLive)
  }
})

test('a duplicate is recognised however much has come after it', async () => {
  const { world, consumer } = oneConsumer({ replayBatch: 500, recorderBatch: 500, inboxKeepMs: 0 })
  const event = (number: number) => ({ source: 'old', number, id: String(number) })
  const entries = Array.from({ length: 12_000 }, (_, index) => ({
    packet: { event: event(index + 1) },
    arrivedAt: 0,
  }))
  world.history.append(entries, 0)
  consumer.start()
  await settle(world)
  const channel = world.exchange.openChannel('late')
  for (const number of [1, 6_000, 12_000]) {
    world.exchange.publish(channel, entries[number - 1]!.packet.event, {
      consumers: ['consumer 0'],
      onArrived() {},
    })
  }
  await world.run({ do: 'publish', afterMs: 500, publisher: 0, count: 1, everyMs: 0 })
  await settle(world)
  assert.equal(consumer.database.effects.length, 12_001)
  assert.equal(consumer.database.state.duplicates, 3)
})

test('what was replayed lately is recognised while the history is away, and the consumer goes on', async () => {
  const duplicated = await publishAgainWhileAway({})
  assert.equal(duplicated.consumer.database.effects.length, 6)
  await settle(duplicated.world)
  const forgetful = await publishAgainWhileAway({
    store: (store) => ({
      ...store,
      transaction: (work) =>
        store.transaction((unit) =>
          work({
            ...unit,
            async add(identities, passedAt) {
              if (passedAt === undefined) await unit.add(identities)
            },
          }),
        ),
    }),
  })
  assert.equal(forgetful.world.outcome().violation?.invariant, 'I3 exactly once')
})

/** Five events are replayed; while the history is away they come again, and a sixth after them. */
async function publishAgainWhileAway(tampering: Tampering) {
  const { world, consumer } = oneConsumer({}, { tampering })
  await world.run({ do: 'publish', afterMs: 0, publisher: 1, count: 5, everyMs: 0 })
  await world.timeline.run({ forMs: 100 })
  consumer.start()
  await world.run({ do: 'hide history', afterMs: 500, ms: 1_000 })
  assert.equal(consumer.database.state.replayed, 5)
  const channel = world.exchange.openChannel('again')
  for (const { data } of world.history.events) {
    world.exchange.publish(channel, data, { consumers: [consumer.name], onArrived() {} })
  }
  await world.run({ do: 'publish', afterMs: 100, publisher: 1, count: 1, everyMs: 0 })
  await world.timeline.run({ forMs: 500 })
  return { world, consumer }
}

test('events that no handler wants move the cursor, replayed and live', async () => {
  const { world, consumer } = oneConsumer({}, { handles: 'another type' })
  await world.run({ do: 'publish', afterMs: 0, publisher: 0, count: 7, everyMs: 0 })
  await world.timeline.run({ forMs: 50 })
  consumer.start()
  await world.run({ do: 'publish', afterMs: 300, publisher: 0, count: 7, everyMs: 1 })
  await world.timeline.run({ forMs: 300 })
  const { cursor, replayed, live } = consumer.database.state
  assert.deepEqual({ cursor, replayed, live }, { cursor: 14, replayed: 7, live: 7 })
  assert.equal(consumer.database.effects.length, 0)
})

test('a consumer has not caught up before its fence is recorded and its queue is drained', async () => {
  const { world, consumer } = oneConsumer({ routeMsMax: 0 })
  await world.run({ do: 'pause recorder', afterMs: 0, ms: 500 })
  await world.run({ do: 'publish', afterMs: 0, publisher: 0, count: 5, everyMs: 0 })
  consumer.start()
  await world.run({ do: 'publish', afterMs: 200, publisher: 0, count: 5, everyMs: 0 })
  await world.timeline.run({ forMs: 299 })
  assert.equal(consumer.isCaughtUp, false)
  assert.equal(consumer.sessions.length, 0)
  await world.timeline.run({ forMs: 200 })
  assert.equal(consumer.isCaughtUp, true)
  assert.equal(consumer.database.state.cursor, 10)
  await settle(world)
})

test('what is removed from the history below the cursor does not disturb a consumer', async () => {
  const { world, consumer } = oneConsumer()
  consumer.start()
  await world.run({ do: 'publish', afterMs: 0, publisher: 0, count: 10, everyMs: 0 })
  await settle(world)
  await world.run({ do: 'kill', afterMs: 0, consumer: 0, afterCalls: 0, downMs: 100 })
  world.history.first = 9
  await world.run({ do: 'publish', afterMs: 50, publisher: 0, count: 5, everyMs: 5 })
  await settle(world)
  assert.equal(consumer.database.effects.length, 15)
})

test('a consumer whose next events were removed refuses, and names both positions', async () => {
  const { world, consumer } = oneConsumer()
  await world.run({ do: 'publish', afterMs: 0, publisher: 0, count: 10, everyMs: 0 })
  await world.timeline.run({ forMs: 100 })
  world.history.first = 6
  consumer.start()
  await world.settle()
  assert.ok(consumer.failure instanceof ConsumerError)
  assert.equal(consumer.failure.code, 'CONSUMER_HISTORY_TRUNCATED')
  assert.match(consumer.failure.message, /position 0\b.* begins at 6\b/)
  assert.equal(consumer.database.effects.length, 0)
})

test('a cursor above the head is refused, and nothing is sent again', async () => {
  const { world, consumer } = oneConsumer()
  await world.run({ do: 'publish', afterMs: 0, publisher: 0, count: 10, everyMs: 0 })
  await world.timeline.run({ forMs: 100 })
  consumer.database.state = { ...initialState, cursor: 12, replayed: 12 }
  consumer.start()
  await world.timeline.run({ forMs: 1_000 })
  assert.ok(consumer.failure instanceof ConsumerError)
  assert.equal(consumer.failure.code, 'CONSUMER_AHEAD')
  assert.match(consumer.failure.message, /position 12\b.* ends at 10\b/)
  assert.equal(consumer.database.effects.length, 0)
})

test('inbox and pages are as large as the lag of the audit, not as the history', async () => {
  const largest = async (count: number) => {
    let waiting = 0
    let asked = 0
    const { world, consumer } = oneConsumer(
      {},
      {
        tampering: {
          history: (reader) => ({
            ...reader,
            async positionsOf(identities) {
              waiting = Math.max(waiting, consumer.database.waiting)
              asked = Math.max(asked, identities.length)
              return await reader.positionsOf(identities)
            },
            async read(page) {
              assert.ok(page.limit !== undefined && page.limit <= calm.replayBatch)
              return await reader.read(page)
            },
          }),
        },
      },
    )
    consumer.start()
    await world.run({ do: 'publish', afterMs: 200, publisher: 0, count, everyMs: 2 })
    await settle(world)
    assert.equal(consumer.database.state.live, count)
    assert.ok(asked <= calm.liveBatch)
    return waiting
  }
  const few = await largest(300)
  const many = await largest(3_000)
  assert.ok(few > 1 && many <= few * 2, `${few} of 300, ${many} of 3,000`)
})

test('the inbox forgets what the cursor has passed, even where no connection lasts a minute', async () => {
  const { world, consumer } = oneConsumer({ inboxKeepMs: 1_000, auditMs: 100 })
  consumer.start()
  await world.run({ do: 'publish', afterMs: 200, publisher: 0, count: 600, everyMs: 1_000 })
  for (let cuts = 0; cuts < 20; cuts++) {
    await world.run({ do: 'cut', afterMs: 30_000, consumer: 0, afterCalls: 0, downMs: 10 })
  }
  assert.ok(consumer.database.state.cursor > 590)
  assert.ok(consumer.database.inbox.size < 100, `${consumer.database.inbox.size} entries`)
})
