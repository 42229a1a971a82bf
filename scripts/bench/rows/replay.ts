/** Replay of the history to an empty handler, beside the readers of two other logs. */
import { fillQueue } from '../fill.ts'
import { installHint, natsWithOrders } from '../nats-server.ts'
import { missingPeers } from '../peers/load-peer.ts'
import { recordedExchange } from '../recorded-exchange.ts'
import type { Absent, Bench, Peer, Row } from '../row.ts'
import { installHint as needsRabbitmq4, streamWithOrders } from '../stream-broker.ts'
import { benchStream } from '../topology.ts'

/** As many as the readers of the other logs have under way, or less. */
const replayBatch = 2_000

export const replay: Row = {
  name: 'replay',
  path: 'replay of the history to an empty handler',
  events: { usual: 300_000, quick: 2_000 },
  async prepare(bench) {
    const setup = await recordedExchange(bench)
    const ours = await bench.start('replay', { ...setup, replayBatch })
    return {
      ours: {
        label: `consumer, cursor and checksum committed every ${replayBatch}`,
        run: () => ours.round(),
      },
      peers: [await rabbitmqStream(bench), await streamClient(bench), await jetstream(bench)],
    }
  },
}

async function rabbitmqStream(bench: Bench): Promise<Peer> {
  const { url, broker, events } = bench
  const stream = await benchStream(bench)
  await fillQueue(broker, { exchange: '', queue: stream, events })
  const part = await bench.start('rabbitmq-stream', { url, stream, events })
  return { label: 'RabbitMQ stream queue through amqplib', target: 3, run: () => part.round() }
}

/** It needs a newer RabbitMQ than the bench may have. */
async function streamClient(bench: Bench): Promise<Peer | Absent> {
  const label = 'RabbitMQ 4 stream through rabbitmq-stream-js-client'
  const target = 3
  const missing = missingPeers()
  if (missing !== undefined) return { label, target, notRun: missing }
  const orders = await streamWithOrders(bench)
  if (orders === undefined) return { label, target, notRun: needsRabbitmq4 }
  const part = await bench.start('stream-client', { ...orders, events: bench.events })
  return { label, target, run: () => part.round() }
}

async function jetstream(bench: Bench): Promise<Peer | Absent> {
  const label = 'NATS JetStream ordered consumer'
  const target = 1.3
  const nats = await natsWithOrders(bench)
  if (nats === undefined) return { label, target, notRun: installHint }
  const part = await bench.start('jetstream', { ...nats, events: bench.events })
  return { label, target, run: () => part.round() }
}
