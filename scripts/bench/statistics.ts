/** Medians of rounds, and their ratios. */

export interface Figures {
  readonly median: number
  readonly min: number
  readonly max: number
  /** In the order in which they were measured. */
  readonly rounds: readonly number[]
}

export interface Ratio {
  readonly ofMedians: number
  /** Of the ratios within each round: what slowed both at the time is not in it. */
  readonly medianOfPairs: number
  readonly min: number
  readonly max: number
}

export function figuresOf(figures: readonly number[]): Figures {
  const rounds = figures.map((figure) => (figure < smallMax ? round3(figure) : Math.round(figure)))
  return { median: median(rounds), min: Math.min(...rounds), max: Math.max(...rounds), rounds }
}

export function ratioOf(ours: readonly number[], theirs: readonly number[]): Ratio {
  const pairs = ours.map((rate, round) => rate / theirs[round]!)
  return {
    ofMedians: round3(median(ours) / median(theirs)),
    medianOfPairs: round3(median(pairs)),
    min: round3(Math.min(...pairs)),
    max: round3(Math.max(...pairs)),
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

export function round3(value: number): number {
  return Math.round(value * 1_000) / 1_000
}

/** A small figure keeps its decimals. */
export function shown(figure: number): string {
  return figure < smallMax ? figure.toFixed(2) : Math.round(figure).toLocaleString('en-US')
}

const smallMax = 1_000
