/**
 * What an error of the AWS SDK means for an event: to be throttled, a service that is away, or refused.
 *
 * Several services throttle with a status of 400, so the code is looked at before the status.
 */

import { ActionFailure } from '../action.ts'
import { boundedMessage } from '../bounded-message.ts'
import type { FailureKind } from '../failure-cause.ts'
import { retryAfterMs } from '../http/retry-after.ts'

/** As the SDK throws them; nothing of it is certain, as the error may be of the network or of the SDK itself. */
interface SdkError extends Error {
  readonly code?: unknown
  readonly $metadata?: { readonly httpStatusCode?: number }
  readonly $response?: { readonly statusCode?: number; readonly headers?: Readonly<Record<string, string>> }
}

/** @returns The failure; what is no `Error` or a bug of ours is thrown as it is. */
export function awsFailure(error: unknown): ActionFailure {
  if (!(error instanceof Error) || isBug(error)) throw error
  const { kind, code, message } = { kind: kindOf(error), code: codeOf(error), message: messageOf(error) }
  const header = (error as SdkError).$response?.headers?.['retry-after']
  return new ActionFailure(kind, code, message, { cause: error, retryAfterMs: retryAfterMs(header) })
}

/** A code that a service tells of an entry or an item, in an answer that is none. */
export function kindOfCode(code: string): FailureKind | undefined {
  if (throttling.test(code)) return 'throttled'
  return transient.test(code) ? 'unavailable' : undefined
}

/** Bounded, and without what the signature was made of: that is told by services, token included. */
function messageOf(error: SdkError): string {
  const { message, name } = error
  const status = statusOf(error)
  if (status !== undefined && unnamed.has(name)) return `the answer has status ${status} and says nothing`
  const [told] = (message || name).split(/\s*The Canonical String/i)
  return boundedMessage(told!)
}

const throttling =
  /^(Throttling|ThrottlingException|ThrottledException|TooManyRequestsException|ProvisionedThroughputExceededException|RequestLimitExceeded|RequestThrottled|RequestThrottledException|BandwidthLimitExceeded|SlowDown|EC2ThrottledException|LimitExceededException)$/

/**
 * What mends by itself: credentials are fetched anew, the SDK learns the clock's error from the first answer,
 * a function that is being set up becomes ready.
 */
const transient =
  /^(InternalFailure|InternalException|InternalServerError|InternalServiceException|ServiceUnavailable|ServiceUnavailableException|RequestTimeout|RequestTimeoutException|TimeoutError|PriorRequestNotComplete|TransactionInProgressException|CredentialsProviderError|ExpiredToken|ExpiredTokenException|RequestExpired|RequestInTheFuture|RequestTimeTooSkewed|ResourceConflictException|CodeArtifactUserPendingException|SnapStartNotReadyException|SnapStartTimeoutException|EFSMountConnectivityException|EFSMountTimeoutException|S3FilesMountConnectivityException|S3FilesMountTimeoutException)$/

function kindOf(error: SdkError): FailureKind {
  const known = kindOfCode(error.name)
  if (known !== undefined) return known
  const status = statusOf(error)
  if (status === 429) return 'throttled'
  // Without an answer it was the network; with a good one that cannot be read, something on the way.
  const isRefusal = status !== undefined && status >= 400 && status < 500 && status !== 408
  return isRefusal ? 'refused' : 'unavailable'
}

function codeOf(error: SdkError): string {
  const { name, code } = error
  if (!unnamed.has(name)) return name
  if (typeof code === 'string') return code
  return String(statusOf(error) ?? name)
}

/** An answer that is none of the service's own, of a proxy mostly, and errors of the network. */
const unnamed: ReadonlySet<string> = new Set([
  'Error',
  'SyntaxError',
  'TimeoutError',
  'Unknown',
  'UnknownError',
])

function statusOf({ $metadata, $response }: SdkError): number | undefined {
  return $metadata?.httpStatusCode ?? $response?.statusCode
}

/** Of the network are those with a code, of the service and the SDK those with a name of their own. */
function isBug(error: Error): boolean {
  const isOwn = ['TypeError', 'RangeError', 'ReferenceError'].includes(error.name)
  return isOwn && statusOf(error) === undefined && (error as SdkError).code === undefined
}
