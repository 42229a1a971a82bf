/** One message of our own to one queue. */
import type { Message } from '../events/index.ts'
import type { Broker } from './connection.ts'
import { BrokerError } from './errors.ts'

/**
 * Sends a fence or a notice straight to a queue, on a channel of its own, and waits for the confirm.
 *
 * @throws BrokerError `BROKER_QUEUE_LOST` where the queue did not take it, `BROKER_CHANNEL_LOST`; else as
 *   `openChannel()` does.
 */
export async function sendConfirmed(broker: Broker, message: Message, signal: AbortSignal): Promise<void> {
  const channel = await broker.openChannel({ confirm: true, signal })
  try {
    const confirmed = new Promise<void>((resolve, reject) => {
      let isReturned = false
      channel.onReturn(() => {
        isReturned = true
      })
      channel.onConfirm((_tag, { accepted }) => {
        if (accepted && !isReturned) resolve()
        else reject(new BrokerError('BROKER_QUEUE_LOST', `Queue ${message.routingKey} did not take a fence`))
      })
      void channel.closed.then((cause) =>
        reject(
          new BrokerError('BROKER_CHANNEL_LOST', 'The channel ended before a fence was confirmed', { cause }),
        ),
      )
      try {
        channel.publish(message)
      } catch (cause) {
        reject(new BrokerError('BROKER_CHANNEL_LOST', 'The channel ended before a fence was sent', { cause }))
      }
    })
    await confirmed
  } finally {
    await channel.close()
  }
}
