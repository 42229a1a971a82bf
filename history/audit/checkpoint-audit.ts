/**
 * The identities of a history, compared with the checksums that were kept as they were recorded.
 *
 * Each batch is judged by itself: from one checkpoint to the next, what was recorded must have raised the
 * checksum by as much as the rows that are there. Only identities are in it: a changed body is not seen.
 */
import { Checksum, type Identity } from '../../events/index.ts'
import type { Checkpoint, PrunedRange } from '../reader.ts'
import { FindingList, type Findings } from './findings.ts'

/** Positions that are all held, but not with the identities that were recorded. Both inclusive. */
export interface ChangedRange {
  readonly from: number
  readonly to: number
}

export class CheckpointAudit {
  readonly #changed = new FindingList<ChangedRange>()
  /** What the rows since the beginning add up to; undefined where that cannot be known. */
  #sum: Checksum | undefined
  #position: number
  #rows = 0

  /**
   * @param base - What to begin behind. Without a checksum, because the history was truncated within a
   *   batch, what is left of that batch is not judged.
   */
  constructor(base: Pick<Checkpoint, 'position'> & Partial<Pick<Checkpoint, 'checksum'>>) {
    this.#sum = checksumOf(base)
    this.#position = base.position
  }

  /** The next event, in position order. */
  add({ source, id }: Identity): void {
    this.#rows += 1
    this.#sum?.add(source, id)
  }

  /** The next positions, which were pruned. */
  pass({ first, last, checksum }: PrunedRange): void {
    this.#rows += last - first + 1
    this.#sum?.addAll(checksum)
  }

  /** The checkpoint that comes behind all events added so far. */
  reach(checkpoint: Checkpoint): void {
    const { position, checksum } = checkpoint
    const isSame = this.#sum?.toString() === checksum
    // A missing position is a finding of its own, and explains the difference.
    const isWhole = position - this.#position === this.#rows
    const recorded = isSame ? this.#sum : checksumOf(checkpoint)
    if (recorded === undefined || (this.#sum !== undefined && isWhole && !isSame)) {
      this.#changed.add({ from: this.#position + 1, to: position })
    }
    this.#sum = recorded ?? (isWhole ? this.#sum : undefined)
    this.#position = position
    this.#rows = 0
  }

  /** Call it once, after the last event and checkpoint. */
  end(head: number): Findings<ChangedRange> {
    if (head > this.#position) this.#changed.add({ from: this.#position + 1, to: head })
    return this.#changed.findings
  }
}

/** Undefined where it is no checksum: it was changed by hand. */
function checksumOf({ checksum = '' }: { readonly checksum?: string }): Checksum | undefined {
  return /^[0-9a-f]{32}$/.test(checksum) ? new Checksum(checksum) : undefined
}
