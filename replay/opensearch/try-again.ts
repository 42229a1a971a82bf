/** Reads are tried again while a server is away, or asks for less. */
import { setTimeout as sleep } from 'node:timers/promises'
import { ReplayError } from '../errors.ts'
import { backoffMs } from '../run/retry-policy.ts'
import {
  LongAnswerError,
  networkError,
  type Server,
  type ServerAnswer,
  type ServerRequest,
} from './server.ts'

/** Some 12 seconds in all. */
const tries = 7

/**
 * @returns An answer that is neither 429 nor 5xx, or the last one.
 * @throws ReplayError `REPLAY_SOURCE_UNAVAILABLE` where there is none. `LongAnswerError`.
 */
export async function tryAgain(
  server: Server,
  request: ServerRequest & { readonly signal: AbortSignal },
): Promise<ServerAnswer> {
  for (let attempt = 1; ; attempt++) {
    let leastMs: number | undefined
    try {
      const answer = await server.send(request)
      if ((answer.status !== 429 && answer.status < 500) || attempt === tries) return answer
      leastMs = answer.retryAfterMs
    } catch (cause) {
      request.signal.throwIfAborted()
      if (cause instanceof LongAnswerError) throw cause
      const { code, message } = networkError(cause)
      if (attempt === tries || code === 'ENOTFOUND')
        throw new ReplayError('REPLAY_SOURCE_UNAVAILABLE', `${server.name}: ${message} (${code})`, { cause })
    }
    await sleep(backoffMs('unavailable', { attempt, leastMs }), undefined, { signal: request.signal })
  }
}
