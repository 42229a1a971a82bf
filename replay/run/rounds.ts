/**
 * Reads a source in rounds: as many events as make good batches, and the token behind the last one read. A round
 * is acted on as a whole; between two of them a replay can stop and go on.
 */

import type { Pattern } from '../../events/index.ts'
import type { FailureCause } from '../failure-cause.ts'
import type { ReplayEvent } from '../replay-event.ts'
import type { Source } from '../source.ts'

export interface Round {
  /** Those that `picks` let through, in the source's order. */
  readonly picked: readonly Picked[]
  /** For each that was picked, the events looked at up to it. */
  readonly reads: readonly number[]
  /** Events looked at. */
  readonly read: number
  /** Of the last event read; undefined where none was. */
  readonly token: string | undefined
  /** Of the source, up to the last event read. */
  readonly bytes: number
}

export interface Picked {
  readonly event: ReplayEvent
  /** Indices of rules, in order. */
  readonly rules: readonly number[]
  /** Set where the event could not be read, so that no rule could pick it. */
  readonly unreadable?: Error
  /** Of a retry: what it failed of before, and no rule picks any more. */
  readonly left?: readonly FailureCause[]
}

export interface RoundsOptions {
  readonly after: string | undefined
  readonly signal: AbortSignal
  readonly dryRun: boolean
  /** Undefined where every event is wanted. */
  readonly patterns: readonly Pattern[] | undefined
  /** Events picked at most, asked for each event. */
  pickedMax(): number
  /** @returns undefined where nothing picks the event. */
  pick(event: ReplayEvent): Picked | undefined
}

/** Longest that a round is read on for, once it has something. */
const roundMs = 1_000
/** Of the texts of picked events, in characters. */
const roundTextMax = 16 * 1024 * 1024

export async function* readRounds(
  source: Source,
  { after, signal, dryRun, patterns, pickedMax, pick }: RoundsOptions,
): AsyncGenerator<Round> {
  let round = new OpenRound()
  let pageFrom = 0
  const pages = source.read({ after, signal, dryRun, ...(patterns && { patterns }) })
  for await (const { events, bytes, passed = 0, endsRound = false } of pages) {
    // What was passed behind the last event of a round is looked at again by a run that goes on there.
    if (passed > 0 && events.length === 0 && round.hasEvents) {
      yield round.close()
      round = new OpenRound(bytes)
    }
    round.read += passed
    for (let at = 0; at < events.length; at++) {
      const event = events[at]!
      round.add(event, pick(event))
      if (round.picked.length < pickedMax() && round.textLength < roundTextMax) continue
      // About: a page may be many rounds, and what is left of it is still to be done.
      round.bytes = pageFrom + Math.round(((bytes - pageFrom) * (at + 1)) / events.length)
      yield round.close()
      round = new OpenRound(round.bytes)
    }
    round.bytes = bytes
    pageFrom = bytes
    // In a dry run nothing waits for a round to fill: what is picked is let go of soon, before the collector takes it
    // for something that stays.
    if (round.read > 0 && (dryRun || endsRound || round.ageMs >= roundMs)) {
      yield round.close()
      round = new OpenRound(bytes)
    }
    if (signal.aborted) break
  }
  if (round.read > 0) yield round.close()
}

class OpenRound {
  readonly picked: Picked[] = []
  readonly reads: number[] = []
  read = 0
  /** Of what was picked: about what it takes in memory. */
  textLength = 0
  bytes: number
  #last: ReplayEvent | undefined
  readonly #openedAt = performance.now()

  constructor(bytes = 0) {
    this.bytes = bytes
  }

  get ageMs(): number {
    return performance.now() - this.#openedAt
  }

  get hasEvents(): boolean {
    return this.#last !== undefined
  }

  add(event: ReplayEvent, picked: Picked | undefined): void {
    this.read += 1
    this.#last = event
    if (picked === undefined) return
    this.picked.push(picked)
    this.reads.push(this.read)
    this.textLength += event.length ?? event.text.length
  }

  close(): Round {
    const { picked, reads, read, bytes } = this
    return { picked, reads, read, token: this.#last?.token, bytes }
  }
}
