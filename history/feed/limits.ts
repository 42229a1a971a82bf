/** What a feed takes of whoever asks, at most. */

export type Limits = Required<FeedLimits>

export interface FeedLimits {
  /** Connections at once; more are closed at once. Default 256. */
  readonly connectionsMax?: number
  /** Answers that stream events, or wait for a fence, at once; more get 503. Default 100. */
  readonly streamsMax?: number
  /** Request line and headers, in bytes. Default 16 KiB. */
  readonly headerBytesMax?: number
  /** Body of a request, in bytes. Default 1 MiB. */
  readonly bodyBytesMax?: number
  /** For the headers of a request to arrive, in milliseconds. Default 10,000. */
  readonly headersTimeoutMs?: number
  /** For a request to arrive whole, in milliseconds. Default 30,000. */
  readonly requestTimeoutMs?: number
  /** A connection without a request is closed after this, in milliseconds. Default 60,000. */
  readonly idleTimeoutMs?: number
  /** Where nothing is to be sent, a blank line is, after this, in milliseconds. Default 5,000. */
  readonly keepAliveMs?: number
  /** A reader that takes nothing for this long is cut, in milliseconds. Default 120,000. */
  readonly stalledTimeoutMs?: number
}

/** The limits with their defaults. @throws TypeError for one out of its range. */
export function resolveLimits({
  connectionsMax = 256,
  streamsMax = 100,
  headerBytesMax = 16_384,
  bodyBytesMax = 1_048_576,
  headersTimeoutMs = 10_000,
  requestTimeoutMs = 30_000,
  idleTimeoutMs = 60_000,
  keepAliveMs = 5_000,
  stalledTimeoutMs = 120_000,
}: FeedLimits): Limits {
  const limits = {
    connectionsMax,
    streamsMax,
    headerBytesMax,
    bodyBytesMax,
    headersTimeoutMs,
    requestTimeoutMs,
    idleTimeoutMs,
    keepAliveMs,
    stalledTimeoutMs,
  }
  for (const [name, value] of Object.entries(limits)) {
    if (Number.isSafeInteger(value) && value >= 1 && value <= 2 ** 31 - 1) continue
    throw new TypeError(`Expected \`${name}\` to be an integer from 1 to 2147483647, got ${value}`)
  }
  return limits
}

/** Items of a page of identities, sequences or checkpoints, and identities of one question. */
export const pageMax = 10_000
export const pageDefault = 1_000
/** Values that one filter may choose among. */
export const choicesMax = 100
/** Of an event pattern, in characters: encoded in an address it may be three times as long. */
export const patternLengthMax = 4_096
/** A fence is waited for so many seconds in one request, at most. */
export const fenceWaitSecondsMax = 60
