/** What a private broker keeps over its own end, and from another one; each test starts it two or three times. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accepts, listening } from '../../scripts/services/ports.ts'
import { ownBroker } from '../fixtures/broker.ts'
import { sendDurably, take } from '../fixtures/durable-message.ts'

test('a private broker that is killed and started again still has its persistent message', async (t) => {
  const broker = await ownBroker(t)
  const { url } = broker
  await sendDurably(url, 'first')
  // RabbitMQ answers a declaration before it has written it down, and forgets the queue where it is killed
  // within a second or so. Shut down in order once, it has.
  await broker.shutDown()
  await broker.start()
  assert.equal(await take(url), 'first')
  const { pid } = broker
  await sendDurably(url, 'kept')
  await broker.kill()
  assert.equal(broker.pid, undefined)
  assert.equal(await accepts(broker.port), false)
  await broker.start()
  assert.equal(broker.url, url)
  assert.notEqual(broker.pid, pid)
  assert.equal(await take(url), 'kept')
})

test('a private broker with the stream plugin serves its protocol on a port of its own', async (t) => {
  const { ports } = await ownBroker(t, { plugins: ['rabbitmq_stream'] })
  await listening(ports.stream!, { signal: AbortSignal.timeout(30_000) })
})

test('two private brokers started at once do not meet', async (t) => {
  const [one, other] = await Promise.all([ownBroker(t), ownBroker(t)])
  await sendDurably(one.url, 'one')
  await sendDurably(other.url, 'other')
  assert.equal(await take(one.url), 'one')
  assert.equal(await take(other.url), 'other')
})
