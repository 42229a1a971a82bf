/** A consumer that takes only what a pattern matches, from the history and live, on either kind of store. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineConsumer, openPublisher, startConsumer, startRecorder } from '../index.ts'
import { type Insert, insertEffect, prepareEffects, readEffects } from './fixtures/effects.ts'
import { newExchange } from './fixtures/exchange.ts'
import { plainChannel, plainPublish } from './fixtures/plain.ts'
import { until } from './fixtures/until.ts'

test('events that its pattern does not match are passed, in replay and live, and the certificate is whole', async (t) => {
  const place = await newExchange(t, { consumers: ['dear'] })
  const { url, exchange, history } = place
  await using recorder = startRecorder({ broker: url, exchange, history })
  await recorder.started()
  await using publisher = openPublisher({ broker: url, exchange, source: '/sales' })
  const reacted: string[] = []
  const definition = defineConsumer({
    name: 'dear',
    exchange,
    pattern: { source: ['/sales', '/foreign'], data: { price: [{ numeric: ['>', 10] }] } },
    prepare: (database: Parameters<typeof prepareEffects>[0]) => prepareEffects(database),
    on: {
      'order.placed': {
        apply: (event, { tx, ...context }) => insertEffect(tx as Insert, event as never, context),
        react: ({ id }) => reacted.push(id),
      },
    },
  })
  const publish = async (ids: readonly string[]) => {
    for (const id of ids) {
      await publisher.publish({ type: 'order.placed', id, subject: id, data: { price: Number(id) } })
      await publisher.publish({ type: 'order.paid', id: `paid-${id}`, data: { price: Number(id) } })
    }
  }
  await publish(['5', '11', '9', '12'])
  await until('recorded', () => recorder.status.head === 8)
  const options = { broker: url, history, store: place.store('dear'), settleMs: 0, auditMs: 20 }
  await using consumer = await startConsumer(definition, options)
  await consumer.caughtUp()
  await publish(['6', '13'])
  // JSON over several lines, and without an id: it takes effect from the history.
  const channel = await plainChannel(t, url)
  await plainPublish(channel, exchange, {
    appId: '/foreign',
    type: 'order.placed',
    contentType: 'application/json',
    body: Buffer.from('{\n "price": 14\n}'),
  })
  await plainPublish(channel, exchange, { appId: '/other', type: 'order.placed', body: Buffer.from('{}') })
  await until('all are passed', () => consumer.status.cursor === 14)
  const effects = readEffects(place.store('dear'))
  assert.deepEqual(
    effects.map(({ id, replayed }) => [id.replace(/^unidentified:.*/, '-'), replayed]),
    [
      ['11', 1],
      ['12', 1],
      ['13', 0],
      ['-', 1],
    ],
  )
  await until('it has reacted', () => reacted.length === 2)
  assert.equal(reacted[0], '13')
  const certificate = await consumer.certificate()
  assert.deepEqual([certificate.level, consumer.status.applied], [true, 14])
})

test('a pattern that is none is refused with its place', () => {
  const define = (pattern: object) => defineConsumer({ name: 'c', exchange: 'e', pattern, on: {} })
  assert.throws(() => define({ data: { n: [{ numeric: ['~', 1] }] } }), {
    name: 'TypeError',
    message: /^Expected `pattern` to be an event pattern: data\.n\[0\]\.numeric/,
  })
})
