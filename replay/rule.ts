/** A rule: which events, and what to do with them. */
import type { Action } from './action.ts'

export interface Rule {
  /** Of its kind in a plan: reports and failures are told by it. */
  readonly name: string
  /** Absent: every event. */
  readonly pattern?: Matcher
  readonly action: Action
}

/** A compiled pattern, or anything else that picks events. */
export interface Matcher {
  matches(json: unknown): boolean
}
