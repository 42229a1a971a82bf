/** Stable codes of this folder's errors; a code never changes its meaning. */
export type HealthErrorCode = 'HEALTH_ADDRESS_UNAVAILABLE' | 'HEALTH_DRIVER_MISSING'

/** What keeps health and metrics from being served. `cause` holds what was thrown underneath. */
export class HealthError extends Error {
  readonly code: HealthErrorCode

  constructor(code: HealthErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'HealthError'
    this.code = code
  }
}
