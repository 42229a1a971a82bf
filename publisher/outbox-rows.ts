/**
 * The rows of an outbox, as a relay sees them: what was committed and is not yet published, numbered in the
 * order of the commits.
 *
 * The numbers are dense: whoever has seen one has seen all below it, so a relay reads on from the last one
 * and misses nothing. They are taken in the application's own transaction and go back with it.
 */

export interface OutboxRow {
  readonly sequence: number
  readonly id: string
  readonly routingKey: string
  /** As `encodeProperties` writes them, without the sequence. */
  readonly properties: string
  readonly body: Buffer
}

export interface OutboxHead {
  readonly epoch: string
  /** The last number that was taken; 0 before the first. */
  readonly sequence: number
  /** The first row that is still there; undefined where none is. */
  readonly first: number | undefined
}

/** The rows that await their relay; what another database would have to offer. */
export interface OutboxRows {
  readonly exchange: string
  head(): Promise<OutboxHead>
  /** The right to relay, which one at a time has; undefined where another one has it. */
  acquire(): Promise<OutboxSession | undefined>
}

/**
 * One relay's hold on the rows, which ends with its process, however that ends.
 *
 * Should two relays run for a moment all the same, they publish events twice, under the same ids and each
 * in order, which recorders and consumers recognise: nothing is lost or out of order by it.
 */
export interface OutboxSession {
  /** How often to look for commits that nobody tells of. */
  readonly pollMs: number
  head(): Promise<OutboxHead>
  /**
   * The rows after a number, in order: at most `limit`, and no more of them once their bodies have reached
   * `bytesMax`. Only what is committed.
   */
  page(options: { after: number; limit: number; bytesMax: number }): Promise<readonly OutboxRow[]>
  /** Deletes the rows up to and with this number. */
  remove(options: { upTo: number }): Promise<void>
  /** Calls `listener` soon after each commit that it learns of; may call it for nothing. */
  onCommit(listener: () => void): Promise<void>
  release(): Promise<void>
}
