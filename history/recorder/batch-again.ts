/**
 * Whether the batch in hand of an adoption that was killed comes again, from a digest of all its messages.
 *
 * All of them are compared, those with an id too: messages without one are often the same, and what follows a
 * batch that was acknowledged must not pass for it. Where a whole batch is one message over and over, nobody
 * can tell, and it is taken for new: rather twice than not at all.
 */
import { createHash } from 'node:crypto'
import type { Message } from '../../events/index.ts'
import type { NewEvent } from '../writer.ts'
import { type Comparison, contentKey } from './redelivery.ts'

/** What is kept of a batch. */
export function noteOfBatch(events: readonly NewEvent[]): string {
  const keys = events.map(({ message }) => contentKey(message))
  if (new Set(keys).size === 1) return ''
  const known = events.filter(({ id }) => id === undefined).length
  return JSON.stringify({ size: events.length, known, digest: digestOf(keys) })
}

export class BatchAgain implements Comparison {
  /** Messages in all. */
  readonly size: number
  readonly known: number
  readonly #digest: string
  readonly #keys: string[] = []
  #verdict: Comparison['verdict']

  /** @param note - As `noteOfBatch()` made it; empty where none is in hand. */
  constructor(note: string) {
    const { size = 0, known = 0, digest = '' } = note === '' ? {} : JSON.parse(note)
    this.size = size
    this.known = known
    this.#digest = digest
    this.#verdict = size === 0 ? 'other' : 'open'
  }

  get verdict(): Comparison['verdict'] {
    return this.#verdict
  }

  concerns(): boolean {
    return true
  }

  next(message: Message): void {
    if (this.#verdict !== 'open') return
    this.#keys.push(contentKey(message))
    if (this.#keys.length === this.size)
      this.#verdict = digestOf(this.#keys) === this.#digest ? 'same' : 'other'
  }

  end(): void {
    if (this.#verdict === 'open') this.#verdict = 'other'
  }
}

function digestOf(keys: readonly string[]): string {
  return createHash('sha256').update(keys.join()).digest('base64url')
}
