import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openHistory, openPublisher, startConsumer, startRecorder } from '../index.ts'
import { effectsConsumer } from './fixtures/effects.ts'
import { newExchange } from './fixtures/exchange.ts'
import { until } from './fixtures/until.ts'

const source = '/sales'

test('the history knows how far each consumer is: where it goes live, and where it stops', async (t) => {
  const place = await newExchange(t, { consumers: ['production'] })
  const { url: broker, exchange, history } = place
  await using recorder = startRecorder({ broker, exchange, history })
  await using publisher = openPublisher({ broker, exchange, source })
  const publish = (id: string) => publisher.publish({ type: 'order.placed', id })
  await Promise.all(['1', '2', '3'].map(publish))
  await until('they are recorded', () => recorder.status.head === 3)
  await using reader = openHistory({ history })
  const known = async () => (await reader.consumers()).map(({ name, cursor }) => [name, cursor])
  const consumer = await startConsumer(effectsConsumer('production', exchange), {
    broker,
    history,
    store: place.store('production'),
    settleMs: 0,
    auditMs: 10,
  })
  await consumer.caughtUp()
  await until('its cursor is known', async () => (await known())[0]?.[1] === 3)
  await publish('4')
  await until('it has passed the fourth', () => consumer.status.cursor === 4)
  await consumer.close()
  await until('its last word is known', async () => (await known())[0]?.[1] === 4)
  assert.deepEqual(await known(), [['production', 4]])
  assert.equal(recorder.status.head, 4, 'no notice was taken for an event')
})
