/** What whoever looks after parked events may get wrong, whatever store has them. */
import type { ParkedSelection } from './parked-events.ts'

/** Events of a mark that are told one by one. */
export const firstMax = 10
const limitMax = 1_000
const reasonLengthMax = 1_000

/** @throws TypeError. */
export function checkLimit(limit: number): void {
  if (Number.isInteger(limit) && limit >= 1 && limit <= limitMax) return
  throw new TypeError(`Expected \`limit\` to be an integer from 1 to ${limitMax}, got ${limit}`)
}

/** @throws TypeError. */
export function checkReason(reason: string | undefined): void {
  if (reason === undefined || reason.length <= reasonLengthMax) return
  throw new TypeError(
    `Expected \`reason\` to have at most ${reasonLengthMax} characters, got ${reason.length}`,
  )
}

/** @throws TypeError. */
export function checkAt(at: Date | undefined): void {
  if (at !== undefined && Number.isNaN(at.getTime())) throw new TypeError('Expected `at` to be a valid date')
}

/** The one thing that a selection names, `all` without a value. @throws TypeError where it names none. */
export function namedBy({ part: _part, ...named }: ParkedSelection): {
  readonly name: 'number' | 'group' | 'subject' | 'all'
  readonly value: string | number | undefined
} {
  for (const [name, value] of Object.entries(named) as [string, unknown][]) {
    if (name === 'all' && value === true) return { name, value: undefined }
    if (name !== 'number' && name !== 'group' && name !== 'subject') continue
    const isNumber = name === 'number'
    if (isNumber ? Number.isSafeInteger(value) : typeof value === 'string')
      return { name, value: value as string | number }
    throw new TypeError(`Expected \`${name}\` to be a ${isNumber ? 'number' : 'text'}, got ${value}`)
  }
  throw new TypeError('Expected a selection by `number`, `group`, `subject` or `all: true`')
}
