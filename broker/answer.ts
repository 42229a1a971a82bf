/**
 * An answer of the broker, within bounds: a queue without a leader (RabbitMQ 3.10 leaves one so where it is
 * killed within a second of declaring it) never answers, and its connection stays alive.
 */
import { BrokerError } from './errors.ts'

const answerTimeoutMs = 30_000

/** @throws BrokerError `BROKER_CHANNEL_LOST` where no answer came in time; else what `call` rejects with. */
export async function answered<Answer>(what: string, call: Promise<Answer>): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined
  const silence = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const message = `RabbitMQ did not answer within ${answerTimeoutMs} ms: ${what}. Look whether the queue has a leader`
      reject(new BrokerError('BROKER_CHANNEL_LOST', message))
    }, answerTimeoutMs)
  })
  try {
    return await Promise.race([call, silence])
  } finally {
    clearTimeout(timer)
  }
}
