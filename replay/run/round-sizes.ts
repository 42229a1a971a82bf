/**
 * How many events make a round: what is acted on in about a second, however slow the action is. A stop waits for
 * the round in hand, and what a killed run does again is that much.
 */
import type { RunOptions } from './run-options.ts'

const roundMs = 1_000
/** More than memory likes. */
const eventsMax = 10_000
/** To begin with: a batch for each lane, if it is no larger, and no fewer than this. */
const first = { batchMax: 500, events: 20 }
/** A dry run has no batches, and lets go of what it has picked the sooner. */
const dryEvents = 100
const growth = 4
/** Of a batch, where few more may fail. */
const batchMaxNearLimit = 100

export class RoundSizes {
  readonly #most: number
  readonly #least: number
  readonly #leastPart: number
  #next: number

  constructor({ rules, order, concurrency, rate, speed, dryRun }: RunOptions) {
    const lanes = order === 'global' ? 1 : concurrency
    const batchMax = Math.max(...rules.map(({ action }) => action.batchMax))
    this.#least = lanes
    this.#leastPart = lanes * Math.min(batchMax, batchMaxNearLimit)
    this.#next = Math.min(Math.max(lanes * Math.min(batchMax, first.batchMax), first.events), eventsMax)
    this.#most = Math.min(eventsMax, Math.max(1, Math.floor(rate ?? eventsMax)))
    // By the clock of its events it may be any time until the next is due.
    if (speed !== undefined) this.#most = lanes
    if (dryRun) this.#most = this.#next = dryEvents
  }

  get next(): number {
    return Math.min(this.#next, this.#most)
  }

  /**
   * How many events of a round are acted on before its failures are counted: as many as end the run where all of
   * them fail, but a batch for each lane.
   *
   * @param mayFail - How many more may fail without ending it.
   */
  partMax(mayFail: number): number {
    return Math.max(mayFail + 1, this.#leastPart)
  }

  /** Told of each round. */
  took(ms: number, events: number): void {
    if (events === 0) return
    const wanted = Math.ceil((events / Math.max(ms, 1)) * roundMs)
    // A small round that was quick does not tell how quick a large one is.
    this.#next = Math.max(this.#least, Math.min(wanted, Math.max(events, this.#least) * growth))
  }
}
