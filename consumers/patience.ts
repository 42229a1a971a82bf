/**
 * Patience with a store that cannot be written now (disk full, another writer): it is tried again, with
 * growing waits, until told to stop. Nothing was acknowledged, so nothing is lost meanwhile.
 */
import type { Logger } from '../events/index.ts'
import { ConsumerError } from './errors.ts'
import type { Clock } from './link.ts'

export interface PatienceOptions {
  readonly consumer: string
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly logger: Logger
  /** Told of each failure. */
  onFailed?(error: Error): void
}

const retryMsMin = 10
const retryMsMax = 5_000

/** @throws what `write` rejects with, where waiting does not help or it is to stop. */
export async function whenAvailable<Result>(
  write: () => Promise<Result>,
  { consumer, clock, signal, logger, onFailed }: PatienceOptions,
): Promise<Result> {
  for (let retryMs = retryMsMin; ; retryMs = Math.min(retryMs * 2, retryMsMax)) {
    try {
      return await write()
    } catch (error) {
      const isUnavailable = error instanceof ConsumerError && error.code === 'CONSUMER_STORE_UNAVAILABLE'
      if (!isUnavailable || signal.aborted) throw error
      onFailed?.(error)
      // Another writer is done in a moment, nearly always.
      if (retryMs > retryMsMin * 4) {
        logger.error('consumer.store-unavailable', { consumer, error: error.message, retryMs })
      }
      await clock.sleep(retryMs)
    }
  }
}
