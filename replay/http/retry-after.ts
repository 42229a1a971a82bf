/** How long a service asks to wait, by its header `Retry-After`: seconds, or a date of HTTP. */

/** A service that asks for a day is asked again before: a replay that sleeps looks like one that hangs. */
const longestMs = 600_000

/** @returns undefined where it says nothing that can be read. */
export function retryAfterMs(header: string | undefined, now: number = Date.now()): number | undefined {
  if (header === undefined || header.trim() === '') return undefined
  const seconds = Number(header)
  const ms = Number.isNaN(seconds) ? Date.parse(header) - now : seconds * 1_000
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), longestMs)
}
