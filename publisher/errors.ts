/** Stable codes of this folder's errors; a code never changes its meaning. */
export type PublishErrorCode =
  | 'PUBLISH_CLOSED'
  | 'PUBLISH_NACKED'
  | 'PUBLISH_OUTBOX_BLOCKED'
  | 'PUBLISH_OUTBOX_FOREIGN'
  | 'PUBLISH_OUTSIDE_TRANSACTION'
  | 'PUBLISH_REFUSED'
  | 'PUBLISH_TIMEOUT'
  | 'PUBLISH_TOO_LARGE'
  | 'PUBLISH_UNROUTABLE'

/** Why an event was not published; `eventId` names it. `cause` holds the broker's own error. */
export class PublishError extends Error {
  readonly code: PublishErrorCode
  readonly eventId: string | undefined

  constructor(code: PublishErrorCode, message: string, options?: ErrorOptions & { eventId?: string }) {
    super(message, options)
    this.name = 'PublishError'
    this.code = code
    this.eventId = options?.eventId
  }
}
