/** A rule: which events, and what to do with them. */
import type { Pattern } from '../events/index.ts'
import type { Action } from './action.ts'

export interface Rule {
  /** Of its kind in a plan: reports and failures are told by it. */
  readonly name: string
  /** Absent: every event. */
  readonly pattern?: Pattern
  readonly action: Action
}
