/** A stream with a word where nothing has come for a while, so that what waits for more is not forgotten meanwhile. */
import { setTimeout as sleep } from 'node:timers/promises'

const pauseMs = 1_000

/**
 * undefined each second without a chunk. Ends with the signal, in the middle of a wait too: `chunks` may then be
 * waiting still, and is to be ended by whoever made it.
 */
export async function* withPauses<Chunk>(
  chunks: AsyncGenerator<Chunk>,
  signal: AbortSignal,
): AsyncGenerator<Chunk | undefined> {
  for (;;) {
    const next = chunks.next()
    // Where the wait is cut short nobody hears of it.
    next.catch(() => {})
    let result: IteratorResult<Chunk> | undefined
    while (result === undefined) {
      const timer = new AbortController()
      const pause = sleep(pauseMs, undefined, { signal: AbortSignal.any([signal, timer.signal]) })
      try {
        result = await Promise.race([next, pause.catch(() => undefined)])
      } finally {
        timer.abort()
      }
      if (signal.aborted) return
      if (result === undefined) yield undefined
    }
    if (result.done === true) return
    yield result.value
  }
}
