/** A RabbitMQ stream, read from its beginning by its own Node client, from the first message to the last. */
import type { Part } from '../part.ts'
import { loadPeer } from './load-peer.ts'

export interface StreamClientSetup {
  /** Of the stream plugin's protocol, at 127.0.0.1. */
  readonly port: number
  readonly stream: string
  readonly events: number
}

/** What is used of rabbitmq-stream-js-client, which is installed on its own. */
interface StreamModule {
  connect(options: object): Promise<StreamClient>
  readonly Offset: { first(): unknown }
}
interface StreamClient {
  declareConsumer(options: object, handle: () => void): Promise<{ close(): Promise<unknown> }>
  close(): Promise<void>
}

export async function open({ port, stream, events }: StreamClientSetup): Promise<Part> {
  const { connect, Offset } = await loadPeer<StreamModule>('rabbitmq-stream-js-client')
  const place = { hostname: '127.0.0.1', port, vhost: '/' }
  const client = await connect({ ...place, username: 'guest', password: 'guest' })
  return {
    async round() {
      let received = 0
      let started = 0
      let markRead: (ms: number) => void = () => {}
      const read = new Promise<number>((resolve) => {
        markRead = resolve
      })
      const consumer = await client.declareConsumer({ stream, offset: Offset.first() }, () => {
        if (received === 0) started = performance.now()
        received += 1
        if (received === events) markRead(performance.now() - started)
      })
      const ms = await read
      await consumer.close()
      return { events, ms }
    },
    close: () => client.close(),
  }
}
