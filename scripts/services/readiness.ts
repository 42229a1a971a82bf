/**
 * Readiness of a broker: that a channel opened on it.
 *
 * Neither a line in its log nor a port that accepts says so: RabbitMQ listens before it serves, and
 * refuses logins while it recovers what it had.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { connectBroker } from '../../broker/index.ts'
import { ServiceError } from './errors.ts'

const pollMs = 100

/**
 * Resolves when the broker answers.
 *
 * @param options.signal - Ends the waiting.
 * @throws ServiceError `SERVICE_START_FAILED` after the timeout, with the last refusal as its cause; the
 *   signal's reason when aborted.
 */
export async function brokerReady(
  url: string,
  { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal },
): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (true) {
    signal?.throwIfAborted()
    try {
      await openOnce(url)
      return
    } catch (cause) {
      if (Date.now() > deadline) {
        const message = `RabbitMQ did not answer within ${timeoutMs / 1_000} s`
        throw new ServiceError('SERVICE_START_FAILED', message, { cause })
      }
    }
    await sleep(pollMs, undefined, { signal })
  }
}

/** Whether a broker answers there now. */
export async function brokerAnswers(url: string): Promise<boolean> {
  try {
    await openOnce(url)
    return true
  } catch {
    return false
  }
}

const attemptMs = 2_000

async function openOnce(url: string): Promise<void> {
  const broker = connectBroker({ url, name: 'backstory readiness', reconnectMs: 100 })
  try {
    await broker.connected({ timeoutMs: attemptMs })
    const channel = await broker.openChannel()
    await channel.close()
  } finally {
    await broker.close()
  }
}
