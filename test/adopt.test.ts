/**
 * Adoption on a real broker: a queue or a stream that has kept messages, taken into a history while others go
 * on publishing.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { historyQueueOf, startAdoption, startRecorder } from '../index.ts'
import { placeFor } from './fixtures/backstory.ts'
import {
  adopt,
  backedUp,
  bodiesOf,
  numbers,
  publishIds,
  recorded,
  recorderOptions,
} from './fixtures/backup.ts'
import { plainChannel, plainPublish, queueState } from './fixtures/plain.ts'
import { testPostgres } from './fixtures/postgres.ts'
import { until } from './fixtures/until.ts'

const stream = { 'x-queue-type': 'stream' }
const quorum = { 'x-queue-type': 'quorum' }

for (const [what, given] of [
  ['a classic queue', {}],
  ['a quorum queue with one active consumer', { ...quorum, 'x-single-active-consumer': true }],
  [
    'a queue with a length limit, an age limit and priorities',
    { 'x-max-length': 5, 'x-message-ttl': 600_000, 'x-max-priority': 3 },
  ],
] as const) {
  test(`${what} is adopted in its order, byte for byte, and emptied`, async (t) => {
    const place = await backedUp(t, given)
    const { channel, exchange, backup } = place
    const odd = { headers: { n: 1, bytes: Buffer.from([0, 255]) }, type: 't', correlationId: 'c' }
    await plainPublish(channel, exchange, { body: Buffer.from('same') })
    await plainPublish(channel, exchange, { body: Buffer.from('same') })
    await plainPublish(channel, exchange, {
      body: Buffer.from([255, 0]),
      routingKey: 'k',
      messageId: '3',
      ...odd,
    })
    const status = await adopt(place)
    const { taken, recorded: count, duplicates, left, state } = status
    assert.deepEqual(
      { taken, count, duplicates, left, state },
      { taken: 3, count: 3, duplicates: 0, left: 0, state: 'done' },
    )
    const events = await recorded(place)
    assert.deepEqual(bodiesOf(events.slice(0, 2)), ['same', 'same'])
    const { message } = events[2]!
    assert.deepEqual([message.body, message.routingKey], [Buffer.from([255, 0]), 'k'])
    assert.deepEqual(message.properties.headers, odd.headers)
    assert.equal((await queueState(channel, backup)).messageCount, 0)
  })
}

test('with a publisher at work all along, each event is in the history once, in order, after the recorder', async (t) => {
  const place = await backedUp(t)
  await publishIds(place, 1, 1_000)
  let next = 1_001
  let isPublishing = true
  const publishing = (async () => {
    while (isPublishing) {
      await publishIds(place, next, next + 49)
      next += 50
    }
  })()
  const { state, taken } = await adopt(place, { batchMax: 50, prefetch: 100 })
  assert.equal(state, 'done')
  assert.ok(taken >= 1_000)
  // Behind its fence both queues have the same: the backup is of no use any more.
  await place.channel.deleteQueue(place.backup)
  await using recorder = startRecorder(recorderOptions(place))
  await recorder.started()
  isPublishing = false
  await publishing
  await until('all are recorded', () => recorder.status.head === next - 1)
  assert.deepEqual(bodiesOf(await recorded(place)), numbers(1, next - 1))
})

test('a queue that has a consumer is refused, and what it has stays there', async (t) => {
  const place = await backedUp(t, quorum)
  await publishIds(place, 1, 3)
  const other = await plainChannel(t, place.url)
  await other.consume(place.backup, () => {})
  await assert.rejects(adopt(place), {
    code: 'BROKER_QUEUE_BUSY',
    message: /has a consumer, .* stop it first/,
  })
  await other.close()
  assert.equal((await adopt(place)).recorded, 3)
})

test('what cannot be adopted is said: no such queue, a stream as a queue, a queue as a stream', async (t) => {
  const place = await backedUp(t, stream)
  await publishIds(place, 1, 3)
  for (const from of [{ queue: 'no.such.queue' }, { stream: 'no.such.queue' }])
    await assert.rejects(adopt(place, { from }), {
      code: 'BROKER_QUEUE_LOST',
      message: 'There is no queue no.such.queue; name another',
    })
  const queue = await backedUp(t)
  await publishIds(queue, 1, 3)
  await assert.rejects(adopt(queue, { from: { stream: queue.backup } }), {
    code: 'BROKER_TOPOLOGY_MISMATCH',
    message: `${queue.backup} is no stream: adopt it as a queue`,
  })
  assert.equal((await queueState(queue.channel, queue.backup)).messageCount, 3)
  const asQueue = startAdoption({ ...recorderOptions(place), from: { queue: place.backup }, settleMs: 0 })
  await until('it is looked at', () => asQueue.status.state !== 'connecting')
  await publishIds(place, 4, 5)
  await assert.rejects(asQueue.ended, {
    code: 'BROKER_TOPOLOGY_MISMATCH',
    message: /is a stream: adopt it as one/,
  })
  assert.equal(asQueue.status.taken, 0)
})

test('a running recorder is told of', async (t) => {
  const place = await backedUp(t)
  await publishIds(place, 1, 3)
  const recorder = startRecorder(recorderOptions(place))
  await recorder.started()
  await assert.rejects(adopt(place), { code: 'HISTORY_LOCKED' })
  await recorder.close()
  assert.equal((await adopt(place)).state, 'done')
})

test('followed, a queue is taken from as it fills, and no history queue is bound', async (t) => {
  const place = await backedUp(t)
  await publishIds(place, 1, 3)
  await using adoption = startAdoption({
    ...recorderOptions(place),
    from: { queue: place.backup },
    follow: true,
  })
  await until('three', () => adoption.status.recorded === 3)
  await publishIds(place, 4, 6)
  await until('six', () => adoption.status.recorded === 6)
  await adoption.close()
  await assert.rejects(place.channel.checkQueue(historyQueueOf(place.exchange)), { code: 404 })
})

test('a stream is adopted from its first offset, goes on where it was, and is left as it is', async (t) => {
  const place = await backedUp(t, stream)
  const from = { stream: place.backup }
  const headers = { a: 1, bytes: Buffer.from([255]) }
  await plainPublish(place.channel, place.exchange, { body: Buffer.from('same'), headers })
  await plainPublish(place.channel, place.exchange, { body: Buffer.from('same') })
  await publishIds(place, 3, 500)
  const first = await adopt(place, { from, batchMax: 70 })
  assert.deepEqual([first.recorded, first.truncated, first.left, first.state], [500, 0, 0, 'done'])
  const [one, two] = await recorded(place)
  assert.deepEqual(one!.message.properties.headers, headers)
  assert.equal(two!.message.properties.headers, undefined)
  await publishIds(place, 501, 501)
  const second = await adopt(place, { from })
  assert.deepEqual([second.taken, second.recorded], [1, 1])
  assert.deepEqual(bodiesOf(await recorded(place)), ['same', 'same', ...numbers(3, 501)])
  await using recorder = startRecorder(recorderOptions(place))
  await publishIds(place, 502, 510)
  await until('the recorder goes on', () => recorder.status.head === 510)
  assert.equal(recorder.status.duplicates, 1, 'that of what came once its queue was bound')
})

test('into a history in PostgreSQL a queue is adopted too, and its recorder goes on from there', async (t) => {
  const place = await backedUp(t, quorum)
  const inPostgres = { ...place, history: await testPostgres(t) }
  await plainPublish(place.channel, place.exchange, { body: Buffer.from('1') })
  await publishIds(place, 2, 700)
  assert.equal((await adopt(inPostgres)).recorded, 700)
  await using recorder = startRecorder(recorderOptions(inPostgres))
  await publishIds(place, 701, 710)
  await until('recorded', () => recorder.status.head === 710)
  assert.deepEqual(bodiesOf(await recorded(inPostgres)), numbers(1, 710))
})

test('backstory adopt tells what it took and what to do next, and backstory record goes on from there', async (t) => {
  const place = await backedUp(t)
  await publishIds(place, 1, 20)
  const { run, start } = placeFor(t, place.url)
  const { exchange, backup, history } = place
  const wrong = await run(`adopt --exchange ${exchange} --history ${history}`)
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /either --from-queue or --from-stream/)
  const adopted = await run(`adopt --exchange ${exchange} --from-queue ${backup} --history ${history} --json`)
  assert.equal(adopted.code, 0, adopted.stderr)
  const { isDone, recorded: count, head } = JSON.parse(adopted.stdout)
  assert.deepEqual({ isDone, count, head }, { isDone: true, count: 20, head: 20 })
  assert.match(adopted.stderr, /Adopted 20 messages of .*: 20 recorded; .* ends at position 20/)
  assert.match(adopted.stderr, /start `backstory record/)
  const recording = start(`record ${exchange} --history ${history}`)
  await recording.says(/from position 21 on/)
})
