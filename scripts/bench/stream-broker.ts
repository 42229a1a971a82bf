/** A RabbitMQ 4 with the stream plugin, beside the bench's own broker, with a stream of orders, for a row. */
import { connectBroker } from '../../broker/index.ts'
import { startPrivateBroker } from '../services/private-broker.ts'
import { findRabbitmq4 } from '../services/rabbitmq-4.ts'
import { fillQueue } from './fill.ts'
import type { Bench } from './row.ts'
import { benchStream } from './topology.ts'

export const installHint =
  'install RabbitMQ 4, as root on Debian or Ubuntu: npm test -- --rabbitmq 4 rabbitmq-4'

/**
 * Starts it, and fills the stream.
 *
 * @returns undefined where RabbitMQ 4 was not prepared on this machine.
 */
export async function streamWithOrders({
  events,
  atEnd,
  say,
}: Bench): Promise<{ port: number; stream: string } | undefined> {
  const installation = findRabbitmq4()
  if (installation === undefined) return undefined
  const server = await startPrivateBroker({ installation, plugins: ['rabbitmq_stream'], say })
  atEnd(() => server.stop())
  const broker = connectBroker({ url: server.url, name: 'backstory bench' })
  atEnd(() => broker.close())
  const stream = await benchStream({ broker, atEnd })
  await fillQueue(broker, { exchange: '', queue: stream, events })
  return { port: server.ports.stream!, stream }
}
