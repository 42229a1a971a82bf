/** What went wrong with a consumer's PostgreSQL store, in our own codes. No message has the password. */
import { HistoryError, postgresError, shownAddress } from '../../history/index.ts'
import { ConsumerError } from '../errors.ts'
import { HandlerFailure } from '../handler-failure.ts'

/**
 * The ConsumerError for an error that tells of the server; others come back as they are. A handler that met
 * a server on its way down has not failed: the store is unavailable, as it is for us.
 */
export function storeFailure(error: unknown, url: string): unknown {
  const failure = postgresError(error instanceof HandlerFailure ? error.cause : error, url)
  if (!(failure instanceof HistoryError) || failure.code === 'HISTORY_DRIVER_MISSING') {
    return error instanceof HandlerFailure ? error : failure
  }
  // A right that a handler lacks is the handler's trouble.
  if (failure.code === 'HISTORY_FOREIGN' && error instanceof HandlerFailure) return error
  const code = failure.code === 'HISTORY_FOREIGN' ? 'CONSUMER_STORE_FOREIGN' : 'CONSUMER_STORE_UNAVAILABLE'
  return new ConsumerError(code, failure.message, { cause: failure })
}

export function isUnavailable(error: unknown): boolean {
  return error instanceof ConsumerError && error.code === 'CONSUMER_STORE_UNAVAILABLE'
}

export function isSuperseded(error: unknown): boolean {
  return error instanceof ConsumerError && error.code === 'CONSUMER_SUPERSEDED'
}

export async function guard<Result>(url: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    throw storeFailure(error, url)
  }
}

export function superseded(consumer: string, url: string, reason: string): ConsumerError {
  return new ConsumerError(
    'CONSUMER_SUPERSEDED',
    `${reason} of consumer ${consumer} in ${shownAddress(url)}; it begins again with what is there`,
  )
}

export function commitRefused(url: string, cause: unknown): ConsumerError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new ConsumerError('CONSUMER_COMMIT_REFUSED', `${shownAddress(url)} refused the commit: ${reason}`, {
    cause,
  })
}
