/** Clocks, as far as they are seen: nothing goes by them but times that people read, and retention by age. */
import { type Finding, ok, warn } from './examination.ts'

const aheadMsMax = 5_000

/** @param aheadMs - Of ours; to about a second. */
export function clockFinding(whose: string, aheadMs: number): Finding {
  const seconds = Math.round(Math.abs(aheadMs) / 1_000)
  if (Math.abs(aheadMs) <= aheadMsMax) return ok(`the clock of ${whose} agrees with ours`)
  const direction = aheadMs > 0 ? 'ahead of' : 'behind'
  return warn(
    `the clock of ${whose} is ${seconds} s ${direction} ours: set both by NTP, or times and ages mislead`,
  )
}
