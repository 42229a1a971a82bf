import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectBroker, openPublisher } from '../index.ts'
import { newExchange } from './fixtures/exchange.ts'
import { startProxy } from './fixtures/proxy.ts'

test('a broker that confirms nothing any more, its connection alive, is given up for a new connection', async (t) => {
  const { url, exchange } = await newExchange(t)
  const proxy = await startProxy(t, url)
  const broker = connectBroker({ url: proxy.url, heartbeatSeconds: 600, reconnectMs: 10 })
  t.after(() => broker.close())
  await using publisher = openPublisher({ broker, exchange, source: '/silent', confirmTimeoutMs: 3_000 })
  await publisher.publish({ type: 'order.placed' })
  proxy.silence()
  await Promise.all(Array.from({ length: 5 }, () => publisher.publish({ type: 'order.placed' })))
  assert.equal(broker.reconnects, 1)
})
