/** How often a failed action is tried again, by what kind of failure it was, and how long it waits before. */

/** Tries after the first, by kind. */
import type { FailureKind } from '../failure-cause.ts'
export type Retries = Readonly<Record<FailureKind, number>>

/** About two minutes of a service that is away; an event that is refused stays refused. */
export const defaultRetries: Retries = { throttled: 10, unavailable: 10, refused: 0 }

const firstMs: Retries = { throttled: 100, unavailable: 200, refused: 100 }
const longestMs = 20_000

/**
 * The wait before a try: twice as long each time, of which a random half is left out, so that those who were
 * throttled together do not come back together.
 *
 * @param options.attempt - The try that failed: 1, 2, 3 …
 * @param options.leastMs - As the service asks.
 */
export function backoffMs(
  kind: FailureKind,
  {
    attempt,
    leastMs = 0,
    random = Math.random,
  }: { attempt: number; leastMs?: number | undefined; random?: () => number },
): number {
  const whole = Math.min(firstMs[kind] * 2 ** (attempt - 1), longestMs)
  return Math.max(leastMs, whole / 2 + (whole / 2) * random())
}
