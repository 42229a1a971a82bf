/** Stable codes of this folder's errors; a code never changes its meaning. */
export type HistoryErrorCode =
  | 'HISTORY_AMBIGUOUS'
  | 'HISTORY_CLOSED'
  | 'HISTORY_CONFLICT'
  | 'HISTORY_CORRUPT'
  | 'HISTORY_DENIED'
  | 'HISTORY_DRIVER_MISSING'
  | 'HISTORY_EXPORT_DAMAGED'
  | 'HISTORY_EXPORT_EXISTS'
  | 'HISTORY_EXPORT_UNAVAILABLE'
  | 'HISTORY_FEED_EXPOSED'
  | 'HISTORY_FEED_UNAVAILABLE'
  | 'HISTORY_FOREIGN'
  | 'HISTORY_LOCKED'
  | 'HISTORY_NOT_FOUND'
  | 'HISTORY_PRUNED'
  | 'HISTORY_REPLACED'
  | 'HISTORY_TOKENS_INVALID'
  | 'HISTORY_TOO_NEW'
  | 'HISTORY_UNAVAILABLE'

/** What keeps a history from being read or written. `cause` holds the database's own error. */
export class HistoryError extends Error {
  readonly code: HistoryErrorCode

  constructor(code: HistoryErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'HistoryError'
    this.code = code
  }
}

/** True where waiting may help: the recorder has not started yet, or the disk or database is away. */
export function isTransient(error: unknown): boolean {
  return error instanceof HistoryError && ['HISTORY_NOT_FOUND', 'HISTORY_UNAVAILABLE'].includes(error.code)
}
