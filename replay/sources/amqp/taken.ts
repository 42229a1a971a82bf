/**
 * The messages that a reader has taken from a queue and not yet acknowledged.
 *
 * After a lost connection they come again. Those with an identity are known by it, and are not handed out a
 * second time; what was settled already is acknowledged at once. Those without one are handed out again: rather
 * twice than not at all.
 */
import type { BrokerChannel, Delivery } from '../../../broker/index.ts'
import { attributesOf } from '../../../events/index.ts'

interface Taken {
  readonly position: number
  readonly deliveryTag: number
  readonly identity: string | undefined
}

export class TakenMessages {
  readonly #channel: () => BrokerChannel
  readonly #settledMax: number
  #open: Taken[] = []
  /** Handed out before the connection was lost, by identity. */
  #lost = new Map<string, number>()
  #lostWithoutIdentity = 0
  /** The newest that are done with: their acknowledgement may have been lost. */
  readonly #settled = new Set<string>()
  #settledUpTo = 0

  constructor({ channel, settledMax }: { channel: () => BrokerChannel; settledMax: number }) {
    this.#channel = channel
    this.#settledMax = settledMax
  }

  get size(): number {
    return this.#open.length
  }

  add(delivery: Delivery, position: number): void {
    this.#open.push({ position, deliveryTag: delivery.deliveryTag, identity: identityOf(delivery) })
  }

  /**
   * What a delivery is: new, known (and taken note of), or one that was handed out and cannot be told from a
   * new one.
   */
  recognise(delivery: Delivery): 'new' | 'known' | 'again' {
    if (!delivery.redelivered || this.#lost.size + this.#lostWithoutIdentity + this.#settled.size === 0) {
      return 'new'
    }
    const identity = identityOf(delivery)
    if (identity === undefined) {
      if (this.#lostWithoutIdentity === 0) return 'new'
      this.#lostWithoutIdentity -= 1
      return 'again'
    }
    const position = this.#lost.get(identity) ?? (this.#settled.has(identity) ? 0 : undefined)
    if (position === undefined) return 'new'
    this.#lost.delete(identity)
    this.#open.push({ position, deliveryTag: delivery.deliveryTag, identity })
    this.#acknowledge()
    return 'known'
  }

  /** The channel is gone, and with it every delivery tag. */
  lose(): void {
    for (const { identity, position } of this.#open) {
      if (identity === undefined) this.#lostWithoutIdentity += 1
      else this.#lost.set(identity, position)
    }
    this.#open = []
  }

  settle(position: number): void {
    this.#settledUpTo = Math.max(this.#settledUpTo, position)
    for (const [identity, at] of this.#lost) {
      if (at > position) continue
      this.#lost.delete(identity)
      this.#remember(identity)
    }
    this.#acknowledge()
  }

  #acknowledge(): void {
    let done = 0
    while (done < this.#open.length && this.#open[done]!.position <= this.#settledUpTo) done += 1
    if (done === 0) return
    for (const { identity } of this.#open.slice(0, done)) if (identity !== undefined) this.#remember(identity)
    this.#channel().ackUpTo(this.#open[done - 1]!.deliveryTag)
    this.#open = this.#open.slice(done)
  }

  #remember(identity: string): void {
    this.#settled.delete(identity)
    this.#settled.add(identity)
    for (const oldest of this.#settled) {
      if (this.#settled.size <= this.#settledMax) break
      this.#settled.delete(oldest)
    }
  }
}

function identityOf(delivery: Delivery): string | undefined {
  const { id, source } = attributesOf(delivery)
  return id === undefined ? undefined : `${source}\0${id}`
}
