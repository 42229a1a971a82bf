/**
 * A moment as it is typed: an ISO time, or how long ago, such as `90s`, `15m`, `2h`, `3d`, `2w`.
 *
 * A time without a zone is UTC, as in all that is printed.
 */
import { usageError } from './errors.ts'

/** @throws CliError `CLI_USAGE`. */
export function momentOf(text: string, { option, now }: { option: string; now: number }): Date {
  const [, amount, unit] = /^(\d{1,9})([smhdw])$/.exec(text) ?? []
  if (amount !== undefined) return new Date(now - Number(amount) * unitMs[unit!]!)
  const isDated = /^\d{4}-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?)?$/.test(text)
  const isZoned = !text.includes('T') || /(Z|[+-]\d\d:?\d\d)$/.test(text)
  const time = isDated ? Date.parse(isZoned ? text : `${text}Z`) : Number.NaN
  if (!Number.isNaN(time)) return new Date(time)
  throw usageError(`--${option} must be a time such as 2026-11-21T10:00Z, or how long ago: 90s, 15m, 2h, 3d`)
}

const unitMs: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}
