/**
 * The sequences of all sources and epochs, judged event by event: holes, late and repeated ones.
 *
 * Memory is bounded by how many epochs and holes are followed at a time, not by the number of events.
 * Where a bound is hit, the epochs that have been quiet for longest are let go, or the holes of those that
 * have most: their holes are findings then, even if what fills them is still to come, and `forgotten`
 * says how many.
 */

import type { SpentSequence } from '../reader.ts'
import type { SequencedEvent } from '../stored-event.ts'
import { EpochSequence, type Hole } from './epoch-sequence.ts'
import { FindingList, type Findings, listedMax } from './findings.ts'

/** Numbers that a source's events never had in the history. */
export interface SequenceHole extends Hole {
  readonly source: string
  readonly epoch: string
}

/** An event whose number was not the next one, and the highest number that was there before it. */
export interface OutOfOrder {
  readonly source: string
  readonly epoch: string
  readonly sequence: number
  readonly position: number
  readonly id: string
  readonly highest: number
  readonly highestAt: number
}

/** One source in one epoch. */
export interface EpochSummary {
  readonly source: string
  readonly epoch: string
  readonly events: number
  readonly lowest: number
  /** Whether anything was published after it, the history cannot know. */
  readonly highest: number
}

export interface SequenceFindings {
  /** Events with a sequence. */
  readonly judged: number
  /** Events without one, or with one of another form. */
  readonly unjudged: {
    readonly count: number
    /** At most 1,000, the others together in `others`. */
    readonly sources: readonly { readonly source: string; readonly count: number }[]
    readonly others: number
  }
  /** The newest 1,000 are listed. */
  readonly epochs: Findings<EpochSummary>
  readonly holes: Findings<SequenceHole>
  readonly late: Findings<OutOfOrder>
  readonly repeated: Findings<OutOfOrder>
  /** How many were let go because there were too many; see the header. */
  readonly forgotten: { readonly epochs: number; readonly holes: number }
}

export interface SequenceAuditOptions {
  /** True where epochs may have begun before the first event: their beginning is not judged. */
  readonly isTruncated: boolean
  /** Followed at a time. Default 50,000. */
  readonly epochsMax?: number
  /** Open at a time. Default 50,000. */
  readonly holesMax?: number
}

export class SequenceAudit {
  readonly #isTruncated: boolean
  readonly #epochsMax: number
  readonly #holesMax: number
  readonly #epochs = new Map<string, EpochSequence>()
  readonly #unjudged = new Map<string, number>()
  readonly #holes = new FindingList<SequenceHole>()
  readonly #late = new FindingList<OutOfOrder>()
  readonly #repeated = new FindingList<OutOfOrder>()
  readonly #forgotten = { epochs: 0, holes: 0 }
  /** The highest epoch that was let go: a higher one cannot be one of these, since epochs sort by time. */
  #forgottenUpTo = ''
  #open = 0
  #judged = 0
  #unjudgedCount = 0
  #unjudgedOthers = 0

  constructor({ isTruncated, epochsMax = 50_000, holesMax = 50_000 }: SequenceAuditOptions) {
    this.#isTruncated = isTruncated
    this.#epochsMax = epochsMax
    this.#holesMax = holesMax
  }

  /** The next event, in position order. @param pruned - Positions below it that were pruned. */
  add({ source, id, position, epoch, sequence }: SequencedEvent, pruned = 0): void {
    if (epoch === undefined || sequence === undefined) {
      this.#leave(source)
      return
    }
    this.#judged += 1
    const followed = this.#follow(source, epoch)
    const { sequence: highest, position: highestAt } = followed.highest
    const open = followed.holes.length
    const verdict = followed.add(sequence, position, pruned)
    this.#open += followed.holes.length - open
    if (verdict !== 'in order') {
      const list = verdict === 'late' ? this.#late : this.#repeated
      list.add({ source, epoch, sequence, position, id, highest, highestAt: highestAt! })
    }
    if (this.#open > this.#holesMax) this.#forgetHoles()
  }

  /** A number that was spent on a duplicate, after the event at its position. */
  pass({ source, epoch, sequence, position }: SpentSequence, pruned = 0): void {
    const followed = this.#follow(source, epoch)
    const open = followed.holes.length
    followed.pass(sequence, position, pruned)
    this.#open += followed.holes.length - open
    if (this.#open > this.#holesMax) this.#forgetHoles()
  }

  /** Call it once, after the last event. */
  end(): SequenceFindings {
    const epochs = [...this.#epochs.values()].sort((a, b) => a.lastAt - b.lastAt)
    const open = epochs.flatMap(namedHoles).sort((a, b) => a.before - b.before)
    for (const hole of open) this.#holes.add(hole)
    return {
      judged: this.#judged,
      unjudged: {
        count: this.#unjudgedCount,
        sources: [...this.#unjudged].map(([source, count]) => ({ source, count })),
        others: this.#unjudgedOthers,
      },
      epochs: {
        count: epochs.length + this.#forgotten.epochs,
        listed: epochs.slice(-listedMax).map(({ source, epoch, events, lowest, highest }) => ({
          source,
          epoch,
          events,
          lowest,
          highest: highest.sequence,
        })),
      },
      holes: this.#holes.findings,
      late: this.#late.findings,
      repeated: this.#repeated.findings,
      forgotten: this.#forgotten,
    }
  }

  #leave(source: string): void {
    this.#unjudgedCount += 1
    const count = this.#unjudged.get(source)
    if (count !== undefined || this.#unjudged.size < listedMax) this.#unjudged.set(source, (count ?? 0) + 1)
    else this.#unjudgedOthers += 1
  }

  #follow(source: string, epoch: string): EpochSequence {
    // An epoch has no space in it.
    const key = `${epoch} ${source}`
    const known = this.#epochs.get(key)
    if (known !== undefined) return known
    if (this.#epochs.size >= this.#epochsMax) this.#forgetEpochs()
    const mayHaveBegun = this.#isTruncated || epoch <= this.#forgottenUpTo
    const followed = new EpochSequence({ source, epoch, startsAt: mayHaveBegun ? undefined : 1 })
    this.#epochs.set(key, followed)
    return followed
  }

  /** Half of them, so that it is rare. */
  #forgetEpochs(): void {
    const byAge = [...this.#epochs].sort(([, a], [, b]) => a.lastAt - b.lastAt)
    for (const [key, followed] of byAge.slice(0, Math.ceil(byAge.length / 2))) {
      this.#open -= followed.holes.length
      for (const hole of namedHoles(followed)) this.#holes.add(hole)
      if (followed.epoch > this.#forgottenUpTo) this.#forgottenUpTo = followed.epoch
      this.#epochs.delete(key)
      this.#forgotten.epochs += 1
    }
  }

  #forgetHoles(): void {
    const byHoles = [...this.#epochs.values()].sort((a, b) => b.holes.length - a.holes.length)
    for (const followed of byHoles) {
      for (const hole of namedHoles(followed)) this.#holes.add(hole)
      const { length } = followed.forgetHoles()
      this.#open -= length
      this.#forgotten.holes += length
      if (this.#open <= this.#holesMax / 2) return
    }
  }
}

function namedHoles({ source, epoch, holes }: EpochSequence): SequenceHole[] {
  return holes.map((hole) => ({ source, epoch, ...hole }))
}
