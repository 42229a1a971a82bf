/** Why an event failed under a rule. */

/** What an action may say of a failure. */
export type FailureKind = 'throttled' | 'unavailable' | 'refused'

export interface FailureCause {
  /** Undefined where the event could not be read, so that no rule has seen it. */
  readonly rule: string | undefined
  /** `held`: an event of the same key before it had failed. */
  readonly kind: FailureKind | 'held'
  readonly code: string
  readonly message: string
  readonly attempts: number
}
