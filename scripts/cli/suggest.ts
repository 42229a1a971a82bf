/** Did you mean: the known word nearest to one that is not known. */

/**
 * @returns The candidate that differs from `word` by the fewest slips of the finger (one letter wrong,
 *   missing, too many, or two swapped), undefined where none is near. A word that begins a candidate is near.
 */
export function suggest(word: string, candidates: Iterable<string>): string | undefined {
  const typed = word.toLowerCase()
  const slipsMax = Math.max(1, Math.floor(typed.length / 3))
  let best: { candidate: string; slips: number } | undefined
  for (const candidate of candidates) {
    const isBeginning = typed.length > 1 && candidate.toLowerCase().startsWith(typed)
    const slips = isBeginning ? slipsMax : slipsBetween(typed, candidate.toLowerCase())
    if (slips <= slipsMax && (best === undefined || slips < best.slips)) best = { candidate, slips }
  }
  return best?.candidate
}

/** ` (did you mean X?)`, or nothing. */
export function didYouMean(word: string, candidates: Iterable<string>, prefix = ''): string {
  const near = suggest(word, candidates)
  return near === undefined ? '' : ` (did you mean ${prefix}${near}?)`
}

/** Damerau's distance, optimal string alignment. */
function slipsBetween(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const replaced = last[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1)
      let slips = Math.min(last[column]! + 1, current[column - 1]! + 1, replaced)
      const isSwap = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      if (isSwap) slips = Math.min(slips, beforeLast[column - 2]! + 1)
      current.push(slips)
    }
    beforeLast = last
    last = current
  }
  return last[b.length]!
}
