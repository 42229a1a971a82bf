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
  | 'REPLAY_RUN_UNWRITABLE'
  | 'REPLAY_SOURCE_INVALID'
  | 'REPLAY_SOURCE_UNAVAILABLE'

/** What keeps a replay, or an event of it, from being done. `cause` holds the error of the library or service. */
export class ReplayError extends Error {
  /** As with `ActionFailure`: a plugin may have another copy of this package. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    const { name, code } = (value ?? {}) as Readonly<Record<string, unknown>>
    return value instanceof Error && name === 'ReplayError' && String(code).startsWith('REPLAY_')
  }

  readonly code: ReplayErrorCode

  constructor(code: ReplayErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ReplayError'
    this.code = code
  }
}
