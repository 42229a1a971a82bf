/** Waits for as long as it takes: a timer of Node's beyond 24.8 days fires at once. */
import { setTimeout as sleep } from 'node:timers/promises'

const timerMsMax = 2_147_483_647

/** @throws What `signal` was aborted with. */
export async function sleepLong(ms: number, signal: AbortSignal): Promise<void> {
  for (let left = ms; left > 0; left -= timerMsMax) {
    await sleep(Math.min(left, timerMsMax), undefined, { signal })
  }
}
