/**
 * The checksum of a set of events: 128 bits over their identities, whatever their order.
 *
 * An event adds the first 16 bytes of SHA-256(source, NUL, id), read as four big-endian 32-bit words,
 * each word summed modulo 2^32. A sum, not an exclusive or: an event that counts twice does not
 * cancel itself out. Any language can compute it (docs/protocol).
 */
import { hash } from 'node:crypto'

/** Identity of an event: never `id` alone, since two sources may use the same one. */
export interface Identity {
  readonly source: string
  readonly id: string
}

export class Checksum {
  readonly #words = new Uint32Array(4)

  /** Starts from `hex`, 32 hexadecimal digits as `toString` gives them; empty by default. */
  constructor(hex?: string) {
    if (hex === undefined) return
    if (!/^[0-9a-f]{32}$/.test(hex)) throw new TypeError(`Expected 32 hexadecimal digits, got ${hex}`)
    for (let word = 0; word < 4; word++) {
      this.#words[word] = Number.parseInt(hex.slice(word * 8, word * 8 + 8), 16)
    }
  }

  add(source: string, id: string): void {
    this.#sum(source, id, 1)
  }

  /** Takes an event out again. */
  remove(source: string, id: string): void {
    this.#sum(source, id, -1)
  }

  /** Adds all events of another set, by its checksum. */
  addAll(hex: string): void {
    const other = new Checksum(hex)
    for (let word = 0; word < 4; word++) this.#words[word]! += other.#words[word]!
  }

  /** 32 hexadecimal digits. */
  toString(): string {
    let hex = ''
    for (const word of this.#words) hex += word.toString(16).padStart(8, '0')
    return hex
  }

  #sum(source: string, id: string, sign: 1 | -1): void {
    // The one-shot hash with text output is three times as fast as a Hash object or a Buffer.
    const digest = hash('sha256', `${source}\0${id}`, 'binary')
    for (let word = 0; word < 4; word++) {
      const at = word * 4
      const value =
        (digest.charCodeAt(at) << 24) |
        (digest.charCodeAt(at + 1) << 16) |
        (digest.charCodeAt(at + 2) << 8) |
        digest.charCodeAt(at + 3)
      this.#words[word]! += sign * value
    }
  }
}
