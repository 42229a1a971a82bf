/** A cluster of three nodes loses one: what was confirmed stays, and everybody finds his queue again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectBroker, consumerQueueOf, openPublisher, startConsumer, startRecorder } from '../../index.ts'
import { startPrivateCluster } from '../../scripts/services/cluster.ts'
import { compare, effectsConsumer, flawless, readEffects } from '../fixtures/effects.ts'
import { newExchange } from '../fixtures/exchange.ts'
import { until } from '../fixtures/until.ts'

const source = '/cluster'
const idsTo = (last: number) => Array.from({ length: last }, (_, index) => String(index + 1))

const faults = ['is killed and comes back', 'comes back while a queue is being deleted'] as const

for (const fault of faults) {
  test(`a node of the cluster ${fault}: every confirmed event takes effect once, in order`, async (t) => {
    const cluster = await startPrivateCluster({ nodes: 3 })
    t.after(() => cluster.stop())
    const place = await newExchange(t, { url: cluster.urls[0]! })
    const { exchange, history } = place
    const broker = [...cluster.urls]
    await using _recorder = startRecorder({ broker, exchange, history })
    await using publisher = openPublisher({ broker, exchange, source })
    await using consumer = await startConsumer(effectsConsumer('production', exchange), {
      broker,
      history,
      store: place.store('production'),
    })
    const publish = (from: number, to: number) =>
      Promise.all(
        idsTo(to)
          .slice(from)
          .map((id) => publisher.publish({ type: 'order.placed', id })),
      )
    await publish(0, 100)
    await consumer.caughtUp()
    const [, , third] = cluster.nodes
    await third!.kill()
    // To delete a queue takes RabbitMQ 5 s while a member of it is away. Its consumer hears of it at once and,
    // with the member back, is given the queue that is about to go; of its end nobody tells it.
    const deleted = fault.includes('deleted')
      ? deleteQueue(cluster.urls[1]!, consumerQueueOf(exchange, 'production'))
      : undefined
    await sleep(1_000)
    await third!.start()
    await deleted
    await publish(100, 200)
    await publish(200, 300)
    await until('all are applied', () => consumer.status.cursor === 300)
    assert.ok((await consumer.certificate()).level)
    await consumer.close()
    const published = new Map([[source, idsTo(300)]])
    assert.deepEqual(compare(readEffects(place.store('production')), published), flawless)
  })
}

async function deleteQueue(url: string, queue: string): Promise<void> {
  const broker = connectBroker({ url })
  try {
    await (await broker.openChannel()).raw.deleteQueue(queue)
  } finally {
    await broker.close()
  }
}
