/**
 * The tally of a transaction: the state that it will leave, counted up while it runs.
 */
import { Checksum, type Identity } from '../events/index.ts'
import type { PrunedRange } from '../history/index.ts'
import type { ConsumerState, Phase } from './store.ts'

export class Tally {
  phase!: Phase
  cursor!: number
  replayed!: number
  live!: number
  duplicates!: number
  unidentified!: number
  repairs!: number
  reactAfter!: number | undefined
  pruned!: number
  erased!: number
  superseded!: number
  latestTo!: number
  erasure!: number
  #checksum!: Checksum

  constructor(state: ConsumerState) {
    this.restart(state)
  }

  restart(state: ConsumerState): void {
    this.phase = state.phase
    this.cursor = state.cursor
    this.replayed = state.replayed
    this.live = state.live
    this.duplicates = state.duplicates
    this.unidentified = state.unidentified
    this.repairs = state.repairs
    this.reactAfter = state.reactAfter
    this.pruned = state.pruned
    this.erased = state.erased
    this.superseded = state.superseded
    this.latestTo = state.latestTo
    this.erasure = state.erasure
    this.#checksum = new Checksum(state.checksum)
  }

  count(
    { source, id }: Identity,
    { replayed, unidentified }: { replayed: boolean; unidentified: boolean },
  ): void {
    if (replayed) this.replayed += 1
    else this.live += 1
    if (unidentified) this.unidentified += 1
    this.#checksum.add(source, id)
  }

  /** Positions that nobody can apply any more. */
  countPruned({ first, last, checksum, unidentified }: PrunedRange): void {
    this.pruned += last - first + 1
    this.unidentified += unidentified
    this.#checksum.addAll(checksum)
  }

  /** An event that has nothing left to apply. */
  countErased({ source, id, unidentified }: Identity & { readonly unidentified: boolean }): void {
    this.erased += 1
    if (unidentified) this.unidentified += 1
    this.#checksum.add(source, id)
  }

  /** An event that a later one of its subject stands for. */
  countSuperseded({ source, id, unidentified }: Identity & { readonly unidentified: boolean }): void {
    this.superseded += 1
    if (unidentified) this.unidentified += 1
    this.#checksum.add(source, id)
  }

  /** Parked events, which count as taken in, were erased before they took effect. */
  dropParked({ replayed, live }: { replayed: number; live: number }): void {
    this.replayed -= replayed
    this.live -= live
    this.erased += replayed + live
  }

  toState(): ConsumerState {
    const {
      phase,
      cursor,
      replayed,
      live,
      duplicates,
      unidentified,
      repairs,
      reactAfter,
      pruned,
      erased,
      superseded,
      latestTo,
      erasure,
    } = this
    return {
      phase,
      cursor,
      replayed,
      live,
      duplicates,
      unidentified,
      repairs,
      checksum: this.#checksum.toString(),
      reactAfter,
      pruned,
      erased,
      superseded,
      latestTo,
      erasure,
    }
  }
}
