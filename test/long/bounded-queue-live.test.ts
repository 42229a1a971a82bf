/** A consumer whose queue is bounded: RabbitMQ drops what it cannot keep, the history brings it back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BrokerError, connectBroker, consumerQueueOf, declareTopology, defineConsumer } from '../../index.ts'
import { absence } from '../fixtures/absence.ts'
import { newExchange } from '../fixtures/exchange.ts'

test('a consumer away while its bounded queue drops thousands of events comes back complete, in order', async (t) => {
  const events = 20_000
  const { kept, certificate, rows, ids, outOfOrder } = await absence(t, {
    events,
    lengthMax: 500,
    timeoutMs: 60_000,
  })
  assert.equal(kept, 500, 'the queue kept its newest and nothing more')
  assert.equal(certificate.level, true)
  assert.deepEqual({ rows, ids, outOfOrder }, { rows: events + 100, ids: events + 100, outOfOrder: 0 })
})

test('a bounded queue takes every publish, dead-letters nothing and has no dead-letter queue', async (t) => {
  const { url, exchange } = await newExchange(t, { consumers: ['shipping'] })
  await using broker = connectBroker({ url })
  const name = consumerQueueOf(exchange, 'shipping')
  await declareTopology(broker, { exchange, queues: [{ name, lengthMax: 10 }] })
  const channel = await broker.openChannel({ confirm: true })
  for (let n = 0; n < 100; n++) channel.raw.publish(exchange, '', Buffer.from(String(n)))
  await channel.raw.waitForConfirms()
  assert.equal((await channel.raw.checkQueue(name)).messageCount, 10)
  const oldest = await new Promise<string>((resolve) => {
    void channel.raw.consume(name, (message) => resolve(String(message?.content)))
  })
  assert.equal(oldest, '90')
  await assert.rejects(channel.raw.checkQueue(`${name}.dead`), /NOT_FOUND/)
})

test('a queue that is there with another bound is told, with both bounds', async (t) => {
  const { url, exchange } = await newExchange(t, { consumers: ['shipping'] })
  await using broker = connectBroker({ url })
  const name = consumerQueueOf(exchange, 'shipping')
  await declareTopology(broker, { exchange, queues: [{ name, lengthMax: 10 }] })
  await assert.rejects(
    declareTopology(broker, { exchange, queues: [{ name, lengthMax: 20 }] }),
    (error) =>
      error instanceof BrokerError &&
      error.code === 'BROKER_TOPOLOGY_MISMATCH' &&
      /x-max-length/.test(error.message) &&
      /10/.test(error.message) &&
      /20/.test(error.message),
  )
  await assert.rejects(declareTopology(broker, { exchange, queues: [{ name, lengthMax: 0 }] }), TypeError)
})

test('a bound that is no positive integer is refused where the consumer is defined', () => {
  const definition = { name: 'shipping', exchange: 'orders', on: {} }
  for (const queueLengthMax of [0, -1, 1.5, Number.NaN, 2 ** 31])
    assert.throws(() => defineConsumer({ ...definition, queueLengthMax }), TypeError)
  assert.equal(defineConsumer({ ...definition, queueLengthMax: 1 }).queueLengthMax, 1)
})
