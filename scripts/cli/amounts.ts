/** Ages and sizes as people write them. */
import { usageError } from './errors.ts'

const second = 1_000
const ageUnits: Readonly<Record<string, number>> = {
  s: second,
  m: 60 * second,
  h: 3_600 * second,
  d: 86_400 * second,
  w: 7 * 86_400 * second,
  y: 365 * 86_400 * second,
}
const sizeUnits: Readonly<Record<string, number>> = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 }

/** `90d` in milliseconds. @throws CliError `CLI_USAGE`. */
export function ageOf(typed: string, what: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(s|m|h|d|w|y)$/.exec(typed.trim()) ?? []
  if (number !== undefined) return Math.round(Number(number) * ageUnits[unit!]!)
  throw usageError(`${what} must be an age such as 90d (s, m, h, d, w, y), not ${typed}`)
}

/** `10GB` in bytes. @throws CliError `CLI_USAGE`. */
export function sizeOf(typed: string, what: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(B|KB|MB|GB|TB)?$/i.exec(typed.trim()) ?? []
  if (number !== undefined) return Math.round(Number(number) * sizeUnits[(unit ?? 'B').toUpperCase()]!)
  throw usageError(`${what} must be a size such as 10GB (B, KB, MB, GB, TB), not ${typed}`)
}
