/** The deliveries of a consumer that nobody has taken yet, and the wait for more. */
import type { BrokerChannel, Delivery } from '../../broker/index.ts'

export class Arrivals {
  readonly channel: BrokerChannel
  #queue: Delivery[] = []
  #wake: (() => void) | undefined
  #arrivedAt = performance.now()
  #error: Error | undefined

  constructor(channel: BrokerChannel) {
    this.channel = channel
    void channel.closed.then(() => this.wake())
  }

  /** How long nothing has come. */
  get silentMs(): number {
    return performance.now() - this.#arrivedAt
  }

  get size(): number {
    return this.#queue.length
  }

  add(delivery: Delivery): void {
    this.#queue.push(delivery)
    this.#arrivedAt = performance.now()
    this.wake()
  }

  /** What is wrong with what comes: thrown by the next `take`. */
  fail(error: Error): void {
    this.#error ??= error
    this.wake()
  }

  /** The oldest ones. */
  take({ max, bytesMax }: { max: number; bytesMax: number }): Delivery[] {
    if (this.#error !== undefined) throw this.#error
    let bytes = 0
    let count = 0
    while (count < this.#queue.length && count < max && bytes < bytesMax) {
      bytes += this.#queue[count]!.body.length
      count += 1
    }
    // Shifting each one would cost the length of the rest.
    const taken = this.#queue.slice(0, count)
    this.#queue = this.#queue.slice(count)
    return taken
  }

  wake(): void {
    this.#wake?.()
  }

  /** Resolves when something is there, the channel is gone or somebody wakes it, at the latest after `timeoutMs`. */
  async some({ timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal }): Promise<void> {
    if (this.#queue.length > 0 || this.#error !== undefined || !this.channel.isOpen || signal.aborted) return
    await new Promise<void>((resolve) => {
      const end = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', end)
        this.#wake = undefined
        resolve()
      }
      const timer = setTimeout(end, timeoutMs)
      signal.addEventListener('abort', end)
      this.#wake = end
    })
  }
}
