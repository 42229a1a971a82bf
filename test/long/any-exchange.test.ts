/** A topic exchange of somebody else's, recorded and consumed by processes that are killed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ConsumerStatus, openHistory, type RecorderStatus } from '../../index.ts'
import { readEffects } from '../fixtures/effects.ts'
import { newExchange } from '../fixtures/exchange.ts'
import { plainChannel } from '../fixtures/plain.ts'
import { startProgram } from '../fixtures/program.ts'

test('a topic exchange is recorded and consumed once while recorder and consumer are killed', async (t) => {
  const place = await newExchange(t, { consumers: ['late'] })
  const { url: broker, exchange, history } = place
  const channel = await plainChannel(t, broker)
  await channel.assertExchange(exchange, 'topic', { durable: true })
  const where = { broker, exchange, history }
  const record = () => startProgram<RecorderStatus>(t, 'recorder', where)
  const consume = () =>
    startProgram<ConsumerStatus & { isCaughtUp: boolean }>(t, 'consumer', {
      ...where,
      name: 'late',
      store: place.store('late'),
      auditMs: 20,
    })
  let [recorder, consumer] = [record(), consume()]
  await consumer.until('live', ({ isCaughtUp }) => isCaughtUp)
  const ids: string[] = []
  const publish = async (count: number) => {
    for (let n = 0; n < count; n++) {
      const id = String(ids.push(String(ids.length + 1)))
      channel.publish(exchange, `order.${id}`, Buffer.from(id), { messageId: id, appId: '/foreign' })
    }
    await channel.waitForConfirms()
  }
  await publish(2_000)
  await recorder.until('recording', ({ recorded }) => recorded > 0)
  await Promise.all([recorder.kill(), publish(2_000)])
  await Promise.all([consumer.kill(), publish(1_000)])
  ;[recorder, consumer] = [record(), consume()]
  await publish(1_000)
  const { repairs } = await consumer.until('level', ({ cursor }) => cursor === ids.length)
  assert.equal(repairs, 0)
  await using reader = openHistory({ history })
  const events = await reader.read({ after: 0, limit: 10_000 })
  assert.deepEqual(
    events.map(({ id }) => id),
    ids,
  )
  assert.deepEqual(
    readEffects(place.store('late')).map(({ id }) => id),
    ids,
  )
})
