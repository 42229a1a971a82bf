/**
 * Which positions the cursor has passed, a bit each, in blocks of 4,096.
 *
 * The cursor alone says that all below it were applied; these say which were, one by one, so that an
 * audit can name what a mistake or a hand has left out. A transaction touches one block or two, so they
 * cost no write an event.
 */
export const positionsABlock = 4_096

/** The bits of the blocks that some positions fall into, with these positions set. */
export class AppliedBlocks {
  /** The one written last: nearly always the next one too. */
  #cached: { readonly block: number; readonly bits: Buffer } | undefined

  /**
   * @param positions - Ascending.
   * @param load - The stored bits of a block, undefined where there are none.
   * @returns The blocks to store.
   */
  note(
    positions: readonly number[],
    load: (block: number) => Buffer | undefined,
  ): { readonly block: number; readonly bits: Buffer }[] {
    const touched: { block: number; bits: Buffer }[] = []
    let current: { block: number; bits: Buffer } | undefined
    for (const position of positions) {
      const block = blockOf(position)
      if (current?.block !== block) {
        current = { block, bits: this.#bitsOf(block, load) }
        touched.push(current)
      }
      const at = offsetOf(position)
      current.bits[at >> 3]! |= 1 << (at & 7)
    }
    if (current !== undefined) this.#cached = current
    return touched
  }

  /** What was noted was rolled back. */
  forget(): void {
    this.#cached = undefined
  }

  #bitsOf(block: number, load: (block: number) => Buffer | undefined): Buffer {
    if (this.#cached?.block === block) return this.#cached.bits
    return load(block) ?? Buffer.alloc(positionsABlock / 8)
  }
}

export function blockOf(position: number): number {
  return Math.floor((position - 1) / positionsABlock)
}

/**
 * The positions of a block that are not set, ascending.
 *
 * @param range.from - Inclusive, as `range.to`: what of the block is looked at.
 */
export function missingOf(
  block: number,
  bits: Buffer | undefined,
  { from, to }: { from: number; to: number },
): number[] {
  const first = Math.max(from, block * positionsABlock + 1)
  const last = Math.min(to, (block + 1) * positionsABlock)
  const missing: number[] = []
  for (let position = first; position <= last; position++) {
    const at = offsetOf(position)
    if (bits === undefined || (bits[at >> 3]! & (1 << (at & 7))) === 0) missing.push(position)
  }
  return missing
}

/** The bits of the block that holds the position above `last`, without those above it. */
export function clearAbove(bits: Buffer, last: number): Buffer {
  const cleared = Buffer.from(bits)
  for (let at = offsetOf(last + 1); at < positionsABlock; at++) cleared[at >> 3]! &= ~(1 << (at & 7))
  return cleared
}

function offsetOf(position: number): number {
  return (position - 1) % positionsABlock
}
