/**
 * Wakes whoever waits for a history to go on. However many wait, the history is asked once in a while, and
 * not at all while nobody does.
 */
import type { HistoryReader } from '../reader.ts'

const pollMs = 50

interface Waiter {
  readonly after: number
  wake(): void
}

export class HeadWatch {
  readonly #reader: HistoryReader
  readonly #waiters = new Set<Waiter>()
  #timer: NodeJS.Timeout | undefined

  constructor(reader: HistoryReader) {
    this.#reader = reader
  }

  /**
   * Resolves once the head is above `after`, the time is over, or the signal aborts; also where the
   * history cannot be asked: whoever reads it next hears why.
   */
  async above(
    after: number,
    { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
  ): Promise<void> {
    if (signal.aborted) return
    await new Promise<void>((resolve) => {
      const waiter: Waiter = {
        after,
        wake: () => {
          clearTimeout(timer)
          signal.removeEventListener('abort', waiter.wake)
          this.#waiters.delete(waiter)
          resolve()
        },
      }
      const timer = setTimeout(waiter.wake, timeoutMs)
      signal.addEventListener('abort', waiter.wake)
      this.#waiters.add(waiter)
      this.#timer ??= setTimeout(() => void this.#look(), pollMs)
    })
  }

  async #look(): Promise<void> {
    const head = await this.#reader.bounds().then(
      (bounds) => bounds.head,
      () => Number.POSITIVE_INFINITY,
    )
    for (const waiter of this.#waiters) if (head > waiter.after) waiter.wake()
    this.#timer = this.#waiters.size === 0 ? undefined : setTimeout(() => void this.#look(), pollMs)
  }
}
