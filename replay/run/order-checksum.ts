/**
 * A checksum over events in their order: two runs that picked the same events in the same order have the same.
 *
 * Two chains of 32 bits (FNV-1a, with different seeds), so that a checkpoint can hold their state. It finds
 * accidents, not forgeries.
 */
export class OrderChecksum {
  #high: number
  #low: number

  /** @param hex - Of an earlier part, to go on from. */
  constructor(hex?: string) {
    this.#high = hex === undefined ? 0x811c9dc5 : Number.parseInt(hex.slice(0, 8), 16)
    this.#low = hex === undefined ? 0x1b873593 : Number.parseInt(hex.slice(8), 16)
  }

  add(text: string): void {
    let high = this.#high
    let low = this.#low
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at)
      high = Math.imul(high ^ unit, prime)
      low = Math.imul(low ^ unit, otherPrime)
    }
    // Between two texts, or 'ab' and 'c' would be 'a' and 'bc'.
    this.#high = Math.imul(high ^ end, prime)
    this.#low = Math.imul(low ^ end, otherPrime)
  }

  /** 16 digits. */
  get hex(): string {
    return digits(this.#high) + digits(this.#low)
  }
}

const prime = 0x01000193
const otherPrime = 0x85ebca6b
/** No UTF-16 unit. */
const end = 0x10000

function digits(half: number): string {
  return (half >>> 0).toString(16).padStart(8, '0')
}
