/** Where a stream ends now, which AMQP has no question for: its newest messages are read. */
import type { BrokerChannel, Delivery } from './channel.ts'
import type { Broker } from './connection.ts'
import { BrokerError, replyCodeOf, replyCodes } from './errors.ts'
import { streamOffsetOf } from './stream-offset.ts'

/** A stream hands out what it has within milliseconds. */
const untoldMs = 2_000
const quietMs = 1_000
const growingMs = 5_000

/**
 * The highest offset that a stream hands out now. Undefined where it is empty, and where it is at rest and its
 * newest segment is still empty.
 *
 * @throws BrokerError `BROKER_TOPOLOGY_MISMATCH` where it is no stream; as `consume()` and `openChannel()` do.
 */
export async function lastStreamOffset(
  broker: Broker,
  { stream, prefetch, signal }: { stream: string; prefetch: number; signal?: AbortSignal },
): Promise<number | undefined> {
  const channel = await broker.openChannel({ ...(signal && { signal }) })
  try {
    return await highest(channel, { stream, prefetch })
  } finally {
    await channel.close()
  }
}

function highest(
  channel: BrokerChannel,
  { stream, prefetch }: { stream: string; prefetch: number },
): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    let last: number | undefined
    let giveUp = setTimeout(() => resolve(undefined), untoldMs)
    const startedAt = Date.now()
    const fail = (cause: unknown) => {
      clearTimeout(giveUp)
      reject(isNoStream(cause) ? noStream(stream, cause) : cause)
    }
    const onDelivery = (delivery: Delivery) => {
      last = streamOffsetOf(delivery)
      if (last === undefined) return fail(noStream(stream))
      channel.ackUpTo(delivery.deliveryTag)
      clearTimeout(giveUp)
      // It begins with a whole chunk. One that grows all the time is read for a while.
      if (Date.now() - startedAt > growingMs) resolve(last)
      else giveUp = setTimeout(() => resolve(last), quietMs)
    }
    void channel.closed.then((cause) => (cause === undefined ? resolve(last) : fail(cause)))
    channel.consume(stream, { prefetch, from: 'last', onDelivery }).catch(fail)
  })
}

/** A classic queue refuses to be read from an offset; a quorum queue hands out messages without one. */
function isNoStream(error: unknown): boolean {
  const { cause } = error as Error
  return [error, cause].some((one) => replyCodeOf(one) === replyCodes.preconditionFailed)
}

function noStream(stream: string, cause?: unknown): BrokerError {
  if (cause instanceof BrokerError && cause.code === 'BROKER_TOPOLOGY_MISMATCH') return cause
  return new BrokerError('BROKER_TOPOLOGY_MISMATCH', `${stream} is no stream`, { cause })
}
