/** Latencies between processes of one machine: by its monotonic clock, which all of them share. */
import { median } from './statistics.ts'

/** Holds `process.hrtime.bigint()` at the publish. */
export const sentHeader = 'sent-ns'

export interface LatencySetup {
  readonly url: string
  readonly exchange: string
  /** Path of the history. */
  readonly history: string
  readonly folder: string
  /** To measure in a round. */
  readonly events: number
}

/** Collects the latencies of a round. */
export class Latencies {
  readonly #wanted: number
  readonly #ms: number[] = []

  constructor(wanted: number) {
    this.#wanted = wanted
  }

  get isComplete(): boolean {
    return this.#ms.length >= this.#wanted
  }

  get medianMs(): number {
    return median(this.#ms)
  }

  /** @param sent - The header. */
  add(sent: unknown): void {
    if (!this.isComplete) this.#ms.push(Number(process.hrtime.bigint() - BigInt(String(sent))) / 1e6)
  }
}
