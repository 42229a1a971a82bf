/** A nats-server with JetStream on a free loopback port, its data in a temporary folder, for a row. */
import { accessSync, constants } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { connect } from 'nats'
import { Guardian } from '../services/guardian.ts'
import { drawPort, listening } from '../services/ports.ts'
import { orderPlaced } from './order-placed.ts'
import type { Bench } from './row.ts'

const stream = 'orders'
const subject = 'orders.placed'
const startTimeoutMs = 10_000
const publishWindow = 2_000

export const installHint = 'install nats-server'

/**
 * Starts it, with a stream of orders.
 *
 * @returns undefined where none is installed.
 */
export async function natsWithOrders({
  folder,
  events,
  atEnd,
}: Bench): Promise<{ server: string; stream: string } | undefined> {
  const file = findServer()
  if (file === undefined) return undefined
  const data = join(folder, 'nats')
  await mkdir(data, { recursive: true })
  const port = await drawPort()
  const guardian = new Guardian({ folder: data })
  atEnd(() => guardian.end())
  const log = await open(join(folder, 'nats.log'), 'a')
  const args = ['--addr', '127.0.0.1', '--port', String(port), '--jetstream', '--store_dir', data]
  guardian.start('server', { file, args, env: process.env, output: log.fd })
  await log.close()
  await listening(port, { signal: AbortSignal.timeout(startTimeoutMs) })
  const server = `127.0.0.1:${port}`
  await fillStream(server, events)
  return { server, stream }
}

function findServer(): string | undefined {
  return [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/bin']
    .map((folder) => join(folder, 'nats-server'))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

async function fillStream(server: string, events: number): Promise<void> {
  const connection = await connect({ servers: server })
  try {
    const manager = await connection.jetstreamManager()
    await manager.streams.add({ name: stream, subjects: [subject] })
    const jetstream = connection.jetstream()
    for (let from = 0; from < events; from += publishWindow) {
      const window = Array.from({ length: Math.min(publishWindow, events - from) }, (_, index) =>
        jetstream.publish(subject, Buffer.from(JSON.stringify(orderPlaced(from + index)))),
      )
      await Promise.all(window)
    }
  } finally {
    await connection.close()
  }
}
