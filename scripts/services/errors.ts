/** Stable codes of this folder's errors; a code never changes its meaning. */
export type ServiceErrorCode =
  | 'SERVICE_BUSY'
  | 'SERVICE_INSTALL_FAILED'
  | 'SERVICE_NOT_FOUND'
  | 'SERVICE_START_FAILED'
  | 'SERVICE_STOP_FAILED'

/** A service of this machine that could not be found, started or ended. `cause` holds the reason's own error. */
export class ServiceError extends Error {
  readonly code: ServiceErrorCode

  constructor(code: ServiceErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ServiceError'
    this.code = code
  }
}
