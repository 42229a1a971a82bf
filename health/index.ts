export { HealthError, type HealthErrorCode } from './errors.ts'
export { type Health, type HealthOptions, serveHealth } from './health.ts'
export type { HealthParts } from './parts.ts'
