/** Stable codes of this folder's errors; a code never changes its meaning. */
export type EventErrorCode = 'EVENT_REFUSED' | 'EVENT_TOO_DEEP' | 'EVENT_UNDECODABLE' | 'PATTERN_INVALID'

/** An event that cannot be read as what it says it is, or a pattern that is none. `cause` holds the decoder's own error. */
export class EventError extends Error {
  readonly code: EventErrorCode

  constructor(code: EventErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'EventError'
    this.code = code
  }
}
