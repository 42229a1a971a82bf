/** Stable codes of this folder's errors; a code never changes its meaning. */
export type ConsumerErrorCode =
  | 'CONSUMER_AHEAD'
  | 'CONSUMER_CLOSED'
  | 'CONSUMER_COMMIT_REFUSED'
  | 'CONSUMER_HANDLER_FAILED'
  | 'CONSUMER_HISTORY_TRUNCATED'
  | 'CONSUMER_LOCKED'
  | 'CONSUMER_REBUILD_CONFLICT'
  | 'CONSUMER_REBUILD_RUNNING'
  | 'CONSUMER_REBUILD_UNEQUAL'
  | 'CONSUMER_REBUILD_UNSUPPORTED'
  | 'CONSUMER_STORE_FOREIGN'
  | 'CONSUMER_STORE_UNAVAILABLE'
  | 'CONSUMER_SUPERSEDED'

/** What keeps a consumer from going on. `cause` holds the handler's or the database's own error. */
export class ConsumerError extends Error {
  readonly code: ConsumerErrorCode

  constructor(code: ConsumerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ConsumerError'
    this.code = code
  }
}
