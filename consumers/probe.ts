/**
 * A probe: a fence that is sent to a queue and looked out for, and sent again where it is overdue, since a
 * purge or a deleted queue takes fences with it.
 *
 * Nobody waits for its confirm: a broker that takes no publishes for a while (a memory or disk alarm) must
 * not keep a consumer from draining its queue.
 */
import { newFenceId } from '../broker/index.ts'
import type { Clock } from './link.ts'

export interface ProbeOptions {
  readonly clock: Clock
  send(id: string): Promise<void>
  /** Told of each sending that failed; the next one follows by itself. */
  onFailed(error: Error): void
}

export class Probe {
  readonly id = newFenceId()
  readonly #options: ProbeOptions
  #dueAt = Number.NEGATIVE_INFINITY
  #patienceMs = patienceMsMin
  #isSending = false

  constructor(options: ProbeOptions) {
    this.#options = options
  }

  /** Sends it at the first call, and again, after growing waits, while it is called. */
  nudge(): void {
    const { clock, send, onFailed } = this.#options
    if (this.#isSending || clock.now() < this.#dueAt) return
    this.#isSending = true
    send(this.id)
      .then(
        () => {
          this.#dueAt = clock.now() + this.#patienceMs
          this.#patienceMs = Math.min(this.#patienceMs * 2, patienceMsMax)
        },
        (error: Error) => {
          this.#dueAt = clock.now() + failedRetryMs
          onFailed(error)
        },
      )
      .finally(() => {
        this.#isSending = false
      })
  }
}

const patienceMsMin = 5_000
const patienceMsMax = 300_000
const failedRetryMs = 250
