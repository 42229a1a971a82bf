/**
 * What a feed answers where it does not answer what was asked: `application/problem+json` (RFC 9457) with a
 * stable `code`. An error that was not expected shows nothing of itself: the feed's log has it.
 */
import { HistoryError, type HistoryErrorCode, isTransient } from '../errors.ts'

export const problemType = 'application/problem+json'

/** Each code with its status. A code never changes its meaning. */
export const problemStatus = {
  FEED_BODY_TOO_LARGE: 413,
  FEED_BUSY: 503,
  FEED_CLOSING: 503,
  FEED_EVENT_UNKNOWN: 404,
  FEED_EXCHANGE_UNKNOWN: 404,
  FEED_FAILED: 500,
  FEED_FENCE_UNKNOWN: 404,
  FEED_HEADERS_TOO_LARGE: 431,
  FEED_HOST_UNKNOWN: 403,
  FEED_METHOD_UNKNOWN: 405,
  FEED_NOTE_UNKNOWN: 404,
  FEED_NOT_READY: 503,
  FEED_PARAMETER_INVALID: 400,
  FEED_PATH_UNKNOWN: 404,
  FEED_REQUEST_MALFORMED: 400,
  FEED_REQUEST_TIMEOUT: 408,
  FEED_TOKEN_MISSING: 401,
  FEED_TOKEN_UNKNOWN: 401,
} as const

export type ProblemCode = keyof typeof problemStatus

/** Thrown where a request is answered; never leaves the feed as an exception. */
export class Problem extends Error {
  readonly code: ProblemCode | HistoryErrorCode
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(
    code: ProblemCode | HistoryErrorCode,
    detail: string,
    {
      status,
      headers = {},
      cause,
    }: { status?: number; headers?: Record<string, string>; cause?: unknown } = {},
  ) {
    super(detail, { cause })
    this.name = 'Problem'
    this.code = code
    this.status = status ?? problemStatus[code as ProblemCode]
    this.headers = headers
  }

  /** As the body of an answer has it, or the last line of one that had begun. */
  toJSON() {
    const { status, code, message: detail } = this
    return { type: 'about:blank', status, code, detail }
  }
}

/** The problem that an error is to whoever asked. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (error instanceof HistoryError) {
    const headers: Record<string, string> = isTransient(error) ? { 'retry-after': '1' } : {}
    return new Problem(error.code, error.message, {
      status: isTransient(error) ? 503 : 500,
      headers,
      cause: error,
    })
  }
  return new Problem('FEED_FAILED', 'The feed failed; its log tells why', { cause: error })
}
