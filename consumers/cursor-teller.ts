/**
 * Tells the history how far the consumer has come: now and then, when its queue is drained of what the replay
 * has had, and when it stops.
 *
 * Nobody waits for it, but for the last one: what the history knows may be old, and lower than the cursor is,
 * which only makes retention spare more than it has to.
 */
import type { Clock, Link } from './link.ts'

export interface CursorTellerOptions {
  readonly clock: Clock
  readonly link: Link
  /** Told of each notice that was not sent; the next one follows by itself. */
  onFailed(error: Error): void
}

export class CursorTeller {
  readonly #options: CursorTellerOptions
  #dueAt = Number.NEGATIVE_INFINITY
  #isSending = false

  constructor(options: CursorTellerOptions) {
    this.#options = options
  }

  /** Tells it where that is due. */
  nudge(cursor: number): void {
    if (this.#isSending || this.#options.clock.now() < this.#dueAt) return
    void this.tell(cursor)
  }

  /** Tells it now; one that stands still too, since what nobody is heard of is spared for some days only. */
  async tell(cursor: number): Promise<void> {
    const { clock, link, onFailed } = this.#options
    this.#dueAt = clock.now() + everyMs
    this.#isSending = true
    try {
      await link.tellCursor(cursor)
    } catch (error) {
      onFailed(error as Error)
    } finally {
      this.#isSending = false
    }
  }
}

const everyMs = 30_000
