/**
 * The faults of a chaos run: what is done to whom, and when.
 *
 * `target` is a process by its name, a consumer for what happens to its queue, a process with a store for
 * its disk, or a node of the broker by its number from 0.
 */

export const faultKinds = [
  /** SIGKILL; started again after `forMs`. */
  'kill',
  /** SIGSTOP; SIGCONT after `forMs`: to the others it is there and says nothing. */
  'pause',
  /** Its connections are reset. */
  'cut',
  /** Its connections stay open and carry nothing any more, in either direction: half-open. New ones work. */
  'silence',
  /** For `forMs` its connections, old and new, carry nothing; then they are reset. */
  'partition',
  /** For `forMs` each piece takes some tens of milliseconds, in both directions. */
  'delay',
  /** The consumer's queue is deleted. */
  'delete-queue',
  /** The consumer's queue is purged. */
  'purge-queue',
  /** No byte can be written to the disk of its store for `forMs`. */
  'fill-disk',
  /** SIGKILL to a node of the broker; started again after `forMs`. */
  'node-kill',
  /** A node of the broker is shut down in order; started again after `forMs`. */
  'node-restart',
  /** SIGKILL to PostgreSQL; started again after `forMs`. */
  'postgres-kill',
  /** The consumer that was not there yet joins. */
  'join',
] as const

export type FaultKind = (typeof faultKinds)[number]

export interface Fault {
  /** From the start of the faults, in milliseconds. */
  readonly atMs: number
  readonly kind: FaultKind
  readonly target: string
  /** 0 for what takes no time. */
  readonly forMs: number
}
