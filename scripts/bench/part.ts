/**
 * A part of the bench: what is measured, ours or a peer, in a process of its own (part-process.ts).
 */

/** One timed run. */
export interface Timing {
  readonly events: number
  readonly ms: number
}

/** A round as its process tells of it. */
export interface Round extends Timing {
  /** Processor time of the process, all its threads: it shows what waiting for others hides. */
  readonly cpuMs: number
  /** The most memory that the process has had resident so far, in MiB. */
  readonly residentMiB: number
}

export interface Part {
  /** Does the work once, and checks that it was done. */
  round(): Promise<Timing>
  close(): Promise<void>
}

/** Rounds of several parts that ran beside each other, as one. */
export function together(rounds: readonly Round[]): Round {
  const sum = (read: (round: Round) => number) => rounds.reduce((total, round) => total + read(round), 0)
  return {
    events: sum(({ events }) => events),
    ms: Math.max(...rounds.map(({ ms }) => ms)),
    cpuMs: sum(({ cpuMs }) => cpuMs),
    residentMiB: sum(({ residentMiB }) => residentMiB),
  }
}

/** @throws Error where the work was not done as it was to be. */
export function requireCount(what: string, { found, expected }: { found: number; expected: number }): void {
  if (found !== expected) throw new Error(`Expected ${expected} ${what}, got ${found}`)
}
