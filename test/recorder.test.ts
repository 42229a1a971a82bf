import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { type TestContext, test } from 'node:test'
import { fenceMessage, newFenceId } from '../broker/index.ts'
import {
  connectBroker,
  deadQueueOf,
  historyQueueOf,
  openHistory,
  openPublisher,
  type RecorderStatus,
  type StoredEvent,
  startRecorder,
} from '../index.ts'
import { newExchange, type TestExchange } from './fixtures/exchange.ts'
import { plainChannel, plainPublish, queueState } from './fixtures/plain.ts'
import { startProgram } from './fixtures/program.ts'
import { startProxy } from './fixtures/proxy.ts'
import { until } from './fixtures/until.ts'

const source = '/sales'

function optionsOf({ url, exchange, history }: TestExchange) {
  return { broker: url, exchange, history }
}

function idsFrom(first: number, last: number): string[] {
  return Array.from({ length: last - first + 1 }, (_, index) => String(first + index))
}

async function publish(place: TestExchange, ids: readonly string[], body?: Buffer): Promise<void> {
  await using publisher = openPublisher({ broker: place.url, exchange: place.exchange, source })
  await Promise.all(ids.map((id) => publisher.publish({ type: 'order.placed', id, data: body })))
}

/** All that is recorded; fails where the positions have a hole. */
async function recorded({ history }: TestExchange): Promise<StoredEvent[]> {
  const reader = openHistory({ history })
  try {
    const events = await reader.read({ after: 0, limit: 100_000 })
    assert.deepEqual(
      events.map(({ position }) => position),
      events.map((_event, index) => index + 1),
    )
    return events
  } finally {
    await reader.close()
  }
}

const idsOf = (events: readonly StoredEvent[]) => events.map(({ id }) => id)
const bodiesOf = (events: readonly StoredEvent[]) => events.map(({ message }) => message.body.toString())

test('events are recorded in batches, in the order of their publisher, positions without a hole', async (t) => {
  const place = await newExchange(t)
  await using publisher = openPublisher({ broker: place.url, exchange: place.exchange, source })
  const ids = idsFrom(1, 1_250)
  await Promise.all(ids.map((id) => publisher.publish({ type: 'order.placed', id })))
  await using recorder = startRecorder({ ...optionsOf(place), batchMax: 100 })
  await until('all are recorded', () => recorder.status.head === 1_250)
  const { batches } = recorder.status
  assert.ok(batches >= 13 && batches <= 60, `${batches} batches`)
  assert.deepEqual(idsOf(await recorded(place)), ids)
  // One alone does not wait for a batch to fill.
  await publisher.publish({ type: 'order.placed', id: 'alone' })
  await until('it is recorded', () => recorder.status.head === 1_251)
  assert.equal(recorder.status.batches, batches + 1)
})

test('a fence is kept with the head at its place among the events', async (t) => {
  const place = await newExchange(t)
  const fences = [newFenceId(), newFenceId(), newFenceId()] as const
  const sender = connectBroker({ url: place.url })
  t.after(() => sender.close())
  const channel = await sender.openChannel({ confirm: true })
  const send = async (id: string) => {
    channel.publish(fenceMessage(historyQueueOf(place.exchange), id))
    await channel.raw.waitForConfirms()
  }
  // The publisher declares the queue.
  await publish(place, idsFrom(1, 10))
  await send(fences[0])
  await publish(place, idsFrom(11, 13))
  await send(fences[1])
  await send(fences[2])
  await publish(place, idsFrom(14, 20))
  await using recorder = startRecorder(optionsOf(place))
  await until('all are recorded', () => recorder.status.head === 20)
  const reader = openHistory({ history: place.history })
  t.after(() => reader.close())
  assert.deepEqual(await Promise.all(fences.map((id) => reader.fence(id))), [10, 13, 13])
  assert.equal(await reader.fence(newFenceId()), undefined)
})

test('what is published again is dropped and counted, over a restart too', async (t) => {
  const place = await newExchange(t)
  const first = startRecorder(optionsOf(place))
  await publish(place, idsFrom(1, 10))
  await publish(place, ['3', '4'])
  await until('all came', () => first.status.head === 10 && first.status.duplicates === 2)
  await first.close()
  await publish(place, idsFrom(1, 11))
  await using second = startRecorder(optionsOf(place))
  await until('all came', () => second.status.head === 11 && second.status.duplicates === 10)
  assert.deepEqual(idsOf(await recorded(place)), idsFrom(1, 11))
  assert.equal(second.status.recorded, 1)
})

test('a history has one recorder: the next is refused, a standby takes over when the first is killed', async (t) => {
  const place = await newExchange(t)
  const first = startProgram<RecorderStatus>(t, 'recorder', optionsOf(place))
  await first.until('recording', ({ state }) => state === 'recording')
  await using refused = startRecorder(optionsOf(place))
  await assert.rejects(refused.stopped, { code: 'HISTORY_LOCKED', message: /has another recorder/ })
  await assert.rejects(refused.started(), { code: 'HISTORY_LOCKED' })
  await using standby = startRecorder({ ...optionsOf(place), standby: true })
  await publish(place, idsFrom(1, 10))
  await first.until('recorded', ({ head }) => head === 10)
  assert.equal(standby.status.state, 'standby')
  await first.kill()
  await publish(place, idsFrom(11, 20))
  await until('the standby records', () => standby.status.state === 'recording' && standby.status.head === 20)
  assert.deepEqual(idsOf(await recorded(place)), idsFrom(1, 20))
})

test('a standby that is closed while it stands by ends', async (t) => {
  const place = await newExchange(t)
  await using first = startRecorder(optionsOf(place))
  await first.started()
  const standby = startRecorder({ ...optionsOf(place), standby: true })
  await until('it stands by', () => standby.status.state === 'standby')
  await standby.close()
  await standby.stopped
  assert.equal(standby.status.state, 'stopped')
})

/** Which nobody can tell from the next that are the same: they are there twice. */
const allTheSame = 'without ids and all the same'

/** Messages of several kinds, each kind in a batch of its own or all mixed: identity, bodies, copies. */
const killedBatches: Record<string, readonly { messageId?: string; body: string }[]> = {
  'with ids': idsFrom(1, 20).map((id) => ({ messageId: id, body: `body ${id}` })),
  'without ids': idsFrom(1, 20).map((id) => ({ body: `body ${id}` })),
  [allTheSame]: idsFrom(1, 20).map(() => ({ body: 'same' })),
  'with and without ids': idsFrom(1, 20).map((id) =>
    Number(id) % 3 === 0 ? { messageId: id, body: id } : { body: Number(id) % 2 === 0 ? 'same' : id },
  ),
  'whose publisher uses its ids again for other bodies': idsFrom(1, 20).map((id) => ({
    messageId: String(Number(id) % 5),
    body: `body ${id}`,
  })),
  'without ids, among others with ids used again': idsFrom(1, 20).map((id) =>
    Number(id) % 2 === 0 ? { messageId: 'again', body: `body ${id}` } : { body: 'same' },
  ),
}

for (const [kind, messages] of Object.entries(killedBatches)) {
  test(`a recorder killed between its commit and its acknowledgement: messages ${kind} are recorded ${kind === allTheSame ? 'twice, rather than not at all' : 'once'}`, async (t) => {
    const place = await newExchange(t)
    const channel = await plainChannel(t, place.url)
    const bodies = messages.map(({ body }) => body)
    const killed = await startMuted(t, place)
    for (const { messageId, body } of messages) {
      await plainPublish(channel, place.exchange, { messageId, body: Buffer.from(body) })
    }
    await killed.until('committed', ({ head }) => head === messages.length)
    await killed.kill()
    assert.deepEqual(bodiesOf(await recorded(place)), bodies)
    await using next = startRecorder(optionsOf(place))
    await until('all came again', () => next.status.duplicates + next.status.recorded === messages.length)
    await plainPublish(channel, place.exchange, { body: Buffer.from('last') })
    const again = kind === allTheSame ? bodies : []
    await until('one more', () => next.status.head > messages.length + again.length)
    assert.deepEqual(bodiesOf(await recorded(place)), [...bodies, ...again, 'last'])
  })
}

/** What a batch has, and what comes behind it. */
const followed: Record<string, readonly { messageId?: string; body: string }[]> = {
  'that are the same by turns': idsFrom(1, 40).map((n) => ({ body: Number(n) % 2 === 0 ? 'a' : 'b' })),
  'that are the same, among others with ids': idsFrom(1, 40).map((n) =>
    Number(n) % 2 === 0 ? { messageId: n, body: n } : { body: 'same' },
  ),
}

for (const [kind, messages] of Object.entries(followed)) {
  test(`a recorder killed after its acknowledgement, before it knew: messages without ids ${kind} are not taken for the batch before them`, async (t) => {
    const place = await newExchange(t)
    const channel = await plainChannel(t, place.url)
    const proxy = await startProxy(t, place.url)
    // The second half is handed out once the acknowledgement of the first has come.
    const options = {
      ...optionsOf(place),
      broker: proxy.url,
      prefetch: 20,
      batchMax: 100,
      batchWaitMs: 1_500,
    }
    const killed = startProgram<RecorderStatus>(t, 'recorder', options)
    await killed.until('recording', ({ state }) => state === 'recording')
    const publish = async (part: typeof messages) => {
      for (const { messageId, body } of part)
        await plainPublish(channel, place.exchange, { messageId, body: Buffer.from(body) })
    }
    await publish(messages.slice(0, 20))
    await killed.until('held', ({ held }) => held === 20)
    proxy.deafen()
    await publish(messages.slice(20))
    await until('all were handed out', async () => {
      const { messageCount } = await queueState(channel, historyQueueOf(place.exchange))
      return messageCount === 0
    })
    await killed.kill()
    await using next = startRecorder(optionsOf(place))
    await until('all are recorded', () => next.status.head >= messages.length)
    assert.deepEqual(
      bodiesOf(await recorded(place)),
      messages.map(({ body }) => body),
    )
  })
}

/** A recorder process of which the broker hears nothing once it consumes. */
async function startMuted(t: TestContext, place: TestExchange) {
  const proxy = await startProxy(t, place.url)
  // One batch: what waits for it comes together.
  const options = { ...optionsOf(place), broker: proxy.url, batchWaitMs: 500 }
  const recorder = startProgram<RecorderStatus>(t, 'recorder', options)
  await recorder.until('recording', ({ state }) => state === 'recording')
  proxy.mute()
  return recorder
}

test('messages without identity are not doubled by a connection that is cut again and again', async (t) => {
  const place = await newExchange(t)
  const proxy = await startProxy(t, place.url)
  await using recorder = startRecorder({
    ...optionsOf(place),
    broker: proxy.url,
    prefetch: 50,
    batchMax: 20,
    batchWaitMs: 60_000,
  })
  await recorder.started()
  const channel = await plainChannel(t, place.url)
  // By sevens, in batches of twenty: none could be followed by its like.
  const bodies = idsFrom(1, 600).map((n) => `body ${Number(n) % 7}`)
  for (const [index, body] of bodies.entries()) {
    channel.publish(place.exchange, '', Buffer.from(body), { persistent: true })
    if (index % 150 === 100) {
      await channel.waitForConfirms()
      proxy.cut()
      const { reconnects } = recorder.status
      await until('it is back', () => recorder.status.reconnects > reconnects)
    }
  }
  await channel.waitForConfirms()
  await until('all are recorded', () => recorder.status.head >= bodies.length)
  assert.deepEqual(bodiesOf(await recorded(place)), bodies)
})

test('what waits for its batch when the connection is cut is not written, since it comes again', async (t) => {
  const place = await newExchange(t)
  const proxy = await startProxy(t, place.url)
  const options = { ...optionsOf(place), broker: proxy.url, batchMax: 3, batchWaitMs: 60_000 }
  await using recorder = startRecorder(options)
  await recorder.started()
  const channel = await plainChannel(t, place.url)
  const publish = async (body: string) =>
    await plainPublish(channel, place.exchange, { body: Buffer.from(body) })
  await publish('one')
  await until('it waits', () => recorder.status.held === 1)
  proxy.cut()
  await until('it is back', () => recorder.status.reconnects > 0)
  for (const body of ['two', 'three']) await publish(body)
  await until('the batch is recorded', () => recorder.status.recorded >= 3)
  assert.deepEqual(bodiesOf(await recorded(place)), ['one', 'two', 'three'])
})

test('two identical messages without identity are two events', async (t) => {
  const place = await newExchange(t)
  await using recorder = startRecorder(optionsOf(place))
  await recorder.started()
  const channel = await plainChannel(t, place.url)
  for (let n = 0; n < 2; n++) await plainPublish(channel, place.exchange, { body: Buffer.from('same') })
  await until('both are recorded', () => recorder.status.head === 2)
  const [one, two] = await recorded(place)
  assert.notEqual(one!.id, two!.id)
  assert.equal(one!.unidentified, true)
})

/** In KiB; room for the empty history, not for what the test publishes. */
const fileSizeMax = 400
const bodyBytes = 10_000

for (const ending of [
  'goes on by itself when there is room again',
  'acknowledges nothing meanwhile',
] as const) {
  test(`a recorder whose disk is full holds what it has, says so, and ${ending}`, async (t) => {
    const place = await newExchange(t)
    // As a full disk does, a limit on the size of files refuses the write; its signal is ignored.
    const limited = startProgram<RecorderStatus>(t, 'recorder', optionsOf(place), {
      shell: `trap '' XFSZ; ulimit -S -f ${fileSizeMax}`,
    })
    await limited.until('recording', ({ state }) => state === 'recording')
    const ids = idsFrom(1, 120)
    await publish(place, ids, Buffer.alloc(bodyBytes, 'x'))
    const holding = await limited.until('holding', ({ state }) => state === 'holding')
    assert.match(holding.lastError ?? '', /cannot be used now/)
    assert.ok(holding.head < 120)
    if (ending.startsWith('goes on')) {
      execFileSync('prlimit', [`--pid=${limited.pid}`, '--fsize=unlimited'])
      await limited.until('recorded all', ({ head, state }) => head === 120 && state === 'recording')
    } else {
      await limited.kill()
      await using next = startRecorder(optionsOf(place))
      await until('recorded all', () => next.status.head === 120)
    }
    assert.deepEqual(idsOf(await recorded(place)), ids)
  })
}

test('what RabbitMQ puts aside while it records is told, and a dead-letter queue that is deleted is made again', async (t) => {
  const place = await newExchange(t)
  const channel = await plainChannel(t, place.url)
  const dead = deadQueueOf(historyQueueOf(place.exchange))
  await using recorder = startRecorder({ ...optionsOf(place), lookMs: 50 })
  await recorder.started()
  assert.equal(recorder.status.deadLetters, 0)
  await plainPublish(channel, '', { routingKey: dead })
  await until('it is seen', () => recorder.status.deadLetters === 1)
  await channel.deleteQueue(dead)
  await until('the next one is there', async () => {
    const { deadLetters, state } = recorder.status
    return deadLetters === 0 && state === 'recording'
  })
  await publish(place, idsFrom(1, 5))
  await until('it records', () => recorder.status.head === 5)
  assert.equal((await channel.checkQueue(dead)).messageCount, 0)
})

test('it tells how much waits in its queue', async (t) => {
  const place = await newExchange(t)
  const first = startRecorder(optionsOf(place))
  await first.started()
  await first.close()
  await publish(place, idsFrom(1, 300))
  await using recorder = startRecorder({ ...optionsOf(place), prefetch: 10, lookMs: 50 })
  await recorder.started()
  assert.equal(recorder.status.backlog, 290)
  await until('nothing waits', () => recorder.status.head === 300 && recorder.status.backlog === 0)
})

test('close finishes the batch in hand, and is the same a second time', async (t) => {
  const place = await newExchange(t)
  const first = startRecorder(optionsOf(place))
  await first.started()
  await publish(place, idsFrom(1, 500))
  await Promise.all([first.close(), first.close()])
  await first.stopped
  assert.equal((await recorded(place)).length, first.status.head)
  await using second = startRecorder(optionsOf(place))
  await until('all are recorded', () => second.status.head === 500)
  // What the first had acknowledged or given back came once.
  assert.equal(second.status.duplicates, 0)
})
