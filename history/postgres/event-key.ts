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
  readonly near: bigint
  /** 32 hexadecimal digits. */
  readonly key: string
}

export function eventKey({ source, id }: Identity): EventKey {
  return { near: beginningOf(id), key: identityKey({ source, id }) }
}

/** The first 64 bits of a UUID, else the first eight characters. */
function beginningOf(id: string): bigint {
  const from = id.startsWith(unidentified) ? unidentified.length : 0
  const uuid = uuidBeginning.exec(id.slice(from, from + 19))
  if (uuid !== null) return BigInt.asIntN(64, BigInt(`0x${uuid[1]}${uuid[2]}${uuid[3]}`))
  beginning.fill(0)
  beginning.write(id.slice(from, from + 8), 'latin1')
  return beginning.readBigInt64BE()
}

const unidentified = 'unidentified:'
const uuidBeginning = /^([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-$/i
const beginning = Buffer.alloc(8)
