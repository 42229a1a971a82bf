/** What is wrong with a pattern, and where. */
import { EventError } from '../errors.ts'

/** @param path - Such as `detail.price[0].numeric`; empty for the pattern as a whole. */
export function invalid(path: string, message: string): EventError {
  return new EventError('PATTERN_INVALID', path === '' ? message : `${path}: ${message}`)
}
