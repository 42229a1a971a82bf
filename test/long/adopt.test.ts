/** Adoptions that are killed again and again, and what queues and streams had dropped before. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AdoptionStatus, startRecorder } from '../../index.ts'
import {
  adopt,
  backedUp,
  bodiesOf,
  numbers,
  publishIds,
  recorded,
  recorderOptions,
} from '../fixtures/backup.ts'
import { plainChannel, queueState } from '../fixtures/plain.ts'
import { startProgram } from '../fixtures/program.ts'
import { until } from '../fixtures/until.ts'

const stream = { 'x-queue-type': 'stream' }

for (const [what, given] of [
  ['a classic queue', {}],
  ['a quorum queue', { 'x-queue-type': 'quorum' }],
  ['a stream', stream],
] as const) {
  test(`${what} is adopted once, in order, by adoptions that are killed, those without an id too`, async (t) => {
    const place = await backedUp(t, given)
    const { channel, exchange, backup } = place
    const total = 12_000
    for (let n = 1; n <= total; n++) {
      // Most of those without an id are the same.
      const id = n % 3 === 0 ? {} : { messageId: String(n), appId: '/foreign' }
      channel.publish(exchange, '', Buffer.from(n % 3 === 0 ? 'same' : String(n)), id)
    }
    await channel.waitForConfirms()
    const from = what === 'a stream' ? { stream: backup } : { queue: backup }
    const options = { ...recorderOptions(place), from, batchMax: 50, prefetch: 300, settleMs: 0 }
    let kills = 0
    const heads: number[] = []
    for (let done = 0; done < total; kills++) {
      const program = startProgram<AdoptionStatus>(t, 'adoption', options)
      const enough = 1_500 + 171 * kills
      const { head } = await program.until(
        'a part is taken',
        ({ taken, state }) => taken > enough || state === 'done',
      )
      done = program.report!.state === 'done' ? total : head
      await program.kill()
      heads.push(program.report!.head)
    }
    assert.ok(kills >= 4, `${kills} kills`)
    const expected = numbers(1, total).map((n) => (Number(n) % 3 === 0 ? 'same' : n))
    const bodies = bodiesOf(await recorded(place))
    const first = bodies.findIndex((body, index) => body !== expected[index])
    const around = bodies.slice(Math.max(0, first - 3), first + 60).join(' ')
    assert.equal(first, -1, `differs at ${first}; killed at ${heads.join(', ')}: ${around}`)
    assert.equal(bodies.length, total)
  })
}

test('with publishers at work, kills, and a recorder afterwards, each event with an id is there once, in the order of its source', async (t) => {
  const place = await backedUp(t)
  await publishIds(place, 1, 5_000)
  let isPublishing = true
  const sources = await Promise.all(
    ['/a', '/b', '/c'].map(async (source) => {
      const channel = await plainChannel(t, place.url)
      const publish = async () => {
        let n = 0
        while (isPublishing) {
          for (let k = 0; k < 20; k++) {
            n += 1
            channel.publish(place.exchange, '', Buffer.from(String(n)), {
              messageId: String(n),
              appId: source,
            })
          }
          await channel.waitForConfirms()
        }
        return n
      }
      return { source, published: publish() }
    }),
  )
  const options = { ...recorderOptions(place), from: { queue: place.backup }, batchMax: 100 }
  for (let kills = 0; kills < 3; kills++) {
    const program = startProgram<AdoptionStatus>(t, 'adoption', options)
    await program.until('a part is taken', ({ taken }) => taken > 1_000)
    await program.kill()
  }
  assert.equal((await adopt(place)).state, 'done')
  await place.channel.deleteQueue(place.backup)
  await using recorder = startRecorder(recorderOptions(place))
  await recorder.started()
  isPublishing = false
  let total = 5_000
  const counts = new Map<string, number>()
  for (const { source, published } of sources) {
    counts.set(source, await published)
    total += await published
  }
  await until('all are recorded', () => recorder.status.head >= total)
  const events = await recorded(place)
  assert.equal(events.length, total)
  for (const [source, published] of counts)
    assert.deepEqual(bodiesOf(events.filter((event) => event.source === source)), numbers(1, published))
})

test('a queue whose messages expire, the fence too, ends when it is empty', async (t) => {
  const place = await backedUp(t, { 'x-message-ttl': 1 })
  await publishIds(place, 1, 10)
  await until('they expired', async () => (await queueState(place.channel, place.backup)).messageCount === 0)
  assert.equal((await adopt(place)).state, 'done')
})

test('of a stream that was cut, how many messages are missing is said', async (t) => {
  // Retention drops whole segments, and some time after they are full: of two it may leave none with a message.
  const bounds = { 'x-max-length-bytes': 60_000, 'x-stream-max-segment-size-bytes': 10_000 }
  const place = await backedUp(t, { ...stream, ...bounds })
  const body = Buffer.alloc(200)
  let published = 0
  const first = async (): Promise<number> => {
    const channel = await plainChannel(t, place.url)
    await channel.prefetch(1)
    const offset = await new Promise<number | undefined>((resolve) => {
      const onMessage = (message: { properties: { headers: Record<string, number> } } | null) =>
        resolve(message!.properties.headers['x-stream-offset']!)
      void channel.consume(place.backup, onMessage as never, { arguments: { 'x-stream-offset': 'first' } })
      setTimeout(() => resolve(undefined), 5_000).unref()
    })
    await channel.close()
    // RabbitMQ may forget a reader that waits (rabbitmq/osiris#172).
    return offset ?? (await first())
  }
  let offset = 0
  while (offset === 0) {
    for (let n = 0; n < 200; n++) {
      published += 1
      place.channel.publish(place.exchange, '', body, { messageId: String(published) })
    }
    await place.channel.waitForConfirms()
    offset = await first()
  }
  const status = await adopt(place, { from: { stream: place.backup } })
  assert.ok(status.truncated >= offset, `${status.truncated} of ${offset} and later ones`)
  const [oldest] = await recorded(place)
  assert.equal(status.recorded, published - Number(oldest!.id) + 1)
  assert.ok(status.truncated >= published - status.recorded)
})
