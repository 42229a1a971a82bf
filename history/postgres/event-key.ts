/**
 * By what an event's identity is found in PostgreSQL: 128 bits of a hash, which two identities share by no
 * accident, behind the beginning of the id.
 *
 * Hashes alone would be spread over the whole of their index, and a history of 100 million events would read
 * and write a page of the disk for each new one. Ids that were made one after another begin alike where they
 * hold a time or a counter (UUIDv7, ULID): the index grows at its end.
 */
import type { Identity } from '../../events/index.ts'
import { identityKey } from './postgres-text.ts'

export interface EventKey {
  /** 16 hexadecimal digits. */
  readonly near: string
  /** 32 hexadecimal digits. */
  readonly key: string
}

export function eventKey({ source, id }: Identity): EventKey {
  return { near: beginningOf(id), key: identityKey({ source, id }) }
}

/** The first 64 bits of a UUID, else the first eight characters. */
function beginningOf(id: string): string {
  const [, high, middle, low] = uuidBeginning.exec(id) ?? []
  if (high !== undefined) return high + middle + low
  return Buffer.from(id.slice(0, 8), 'latin1').toString('hex').padEnd(16, '0')
}

/** Ours, for events without id, too. */
const uuidBeginning = /^(?:unidentified:)?([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-/i
