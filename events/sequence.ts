/**
 * A sequence: a publisher's own dense counter, so that a hole in what was published can be proved.
 *
 * It travels in the header `ce-sequence` (CloudEvents' extension, which sorts as text) as
 * `<epoch>.<sequence>`, the sequence in 16 digits and 1 the first. Each start of a publisher begins an
 * epoch; epochs sort by the time of that. Other libraries put numbers of their own into the same header:
 * what has not exactly this form is no sequence, and not judged.
 */
import { randomInt } from 'node:crypto'
import type { Properties } from './message.ts'

export interface Sequence {
  /** 1 to 64 of `0` to `9` and `a` to `z`. */
  readonly epoch: string
  /** From 1. */
  readonly sequence: number
}

export const sequenceHeader = 'ce-sequence'

/** The time in 9 base-36 digits, enough until the year 5188, and 5 random ones: no two publishers share it. */
export function newEpoch(): string {
  const random = randomInt(36 ** randomDigits).toString(36)
  return Date.now().toString(36).padStart(timeDigits, '0') + random.padStart(randomDigits, '0')
}

export function sequenceText(epoch: string, sequence: number): string {
  return `${epoch}.${String(sequence).padStart(sequenceDigits, '0')}`
}

/** What a message says of its place in its publisher's order; undefined where it says nothing of this form. */
export function sequenceOf(properties: Pick<Properties, 'headers'>): Sequence | undefined {
  const value = properties.headers?.[sequenceHeader]
  if (typeof value !== 'string') return undefined
  const [, epoch, digits] = sequenceForm.exec(value) ?? []
  const sequence = Number(digits)
  if (epoch === undefined || sequence < 1 || !Number.isSafeInteger(sequence)) return undefined
  return { epoch, sequence }
}

const timeDigits = 9
const randomDigits = 5
const sequenceDigits = 16
const sequenceForm = /^([0-9a-z]{1,64})\.(\d{16})$/
