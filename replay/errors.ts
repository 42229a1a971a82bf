/** Stable codes of this folder's errors; a code never changes its meaning. */
export type ReplayErrorCode =
  | 'REPLAY_ACTION_INVALID'
  | 'REPLAY_ACTION_UNAVAILABLE'
  | 'REPLAY_CHECKPOINT_FOREIGN'
  | 'REPLAY_DRIVER_MISSING'
  | 'REPLAY_EVENT_REFUSED'
  | 'REPLAY_EVENT_UNREADABLE'
  | 'REPLAY_PLAN_INVALID'
  | 'REPLAY_RUN_BUSY'
  | 'REPLAY_SOURCE_INVALID'
  | 'REPLAY_SOURCE_UNAVAILABLE'

/** What keeps a replay, or an event of it, from being done. `cause` holds the error of the library or service. */
export class ReplayError extends Error {
  readonly code: ReplayErrorCode

  constructor(code: ReplayErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ReplayError'
    this.code = code
  }
}
