/**
 * The audit: the cursor follows the history over what was applied live, and finds what was not.
 *
 * States: `following` (each next position is in the inbox; leaves when one is not), `probing` (a fence was
 * sent to the consumer's own queue; whatever the queue still held for that position comes before it),
 * then either the position was applied meanwhile, and it follows on, or the live queue has lost it: a gap.
 * A long backlog alone is no loss: the fence waits behind it.
 *
 * Messages that stated no id cannot be recognised in the live queue: they take effect here, from the
 * history, in its order.
 */
import type { Logger } from '../events/index.ts'
import { type HistoryReader, isTransient } from '../history/index.ts'
import type { Applier } from './applier.ts'
import { checkBounds } from './bounds.ts'
import type { Erasures } from './erasures.ts'
import type { Clock } from './link.ts'
import type { Probe } from './probe.ts'

export interface AuditOptions {
  readonly consumer: string
  readonly history: HistoryReader
  readonly applier: Applier<unknown>
  readonly clock: Clock
  readonly inboxKeepMs: number
  readonly logger: Logger
  readonly erasures: Erasures
  /** A new probe of the consumer's own queue. */
  newProbe(): Probe
}

const pageLimit = 500
const forgetEveryMs = 60_000

export class Audit {
  readonly #options: AuditOptions
  /** Sent when the history ended at `covers`: what is at or below that comes out of the queue before it. */
  #probing: { readonly probe: Probe; readonly covers: number; hasArrived: boolean } | undefined
  #head = 0
  /** At the first step too: a consumer whose connections never last must not keep everything. */
  #forgottenAt = Number.NEGATIVE_INFINITY

  constructor(options: AuditOptions) {
    this.#options = options
  }

  /** The history's highest position, as last seen. */
  get head(): number {
    return this.#head
  }

  /** A fence came out of the consumer's queue, and what was before it is applied. */
  fenceArrived(id: string): void {
    if (this.#probing?.probe.id === id) this.#probing.hasArrived = true
  }

  /** Follows the history as far as it can now; `away` where it cannot be reached. */
  async step(): Promise<'level' | 'gap' | 'away'> {
    const { consumer, history, applier, clock } = this.#options
    try {
      const bounds = await history.bounds()
      // Where that is because of retention, it says so by name.
      if (bounds.first > applier.state.cursor + 1)
        await history.identities({ after: applier.state.cursor, limit: 1 })
      checkBounds(consumer, applier.state.cursor, bounds)
      this.#head = bounds.head
      for (;;) {
        const page = await history.identities({ after: applier.state.cursor, limit: pageLimit })
        if (page.length === 0) break
        const unidentified = page.findIndex((identity) => identity.unidentified)
        const identified = unidentified === -1 ? page : page.slice(0, unidentified)
        const passed = identified.length === 0 ? 0 : await applier.pass(identified)
        if (passed < identified.length) {
          if (this.#isLost(identified[passed]!.position)) return 'gap'
          break
        }
        if (unidentified !== -1) await this.#applyUnidentified(page[unidentified]!.position)
        else if (page.length < pageLimit) break
        // Heartbeats, signals and timers need a turn between pages.
        await clock.sleep(0)
      }
      await this.#forget()
      await this.#options.erasures.follow()
    } catch (error) {
      // The audit stands still while the history is away; the live queue goes on.
      if (!isTransient(error)) throw error
      return 'away'
    }
    return 'level'
  }

  #isLost(position: number): boolean {
    const { consumer, newProbe, logger } = this.#options
    const hasAnswered = this.#probing?.hasArrived === true
    if (this.#probing === undefined || (hasAnswered && position > this.#probing.covers)) {
      this.#probing = { probe: newProbe(), covers: Math.max(this.#head, position), hasArrived: false }
    }
    if (this.#probing.hasArrived) {
      logger.warn('consumer.gap', { consumer, position })
      return true
    }
    this.#probing.probe.nudge()
    return false
  }

  async #applyUnidentified(position: number): Promise<void> {
    const { history, applier } = this.#options
    const page = await history.read({ after: position - 1, upTo: position, limit: 1 })
    await applier.replay(page)
  }

  async #forget(): Promise<void> {
    const { clock, inboxKeepMs, applier } = this.#options
    const now = clock.now()
    if (now - this.#forgottenAt < forgetEveryMs) return
    this.#forgottenAt = now
    await applier.forget(now - inboxKeepMs)
  }
}
