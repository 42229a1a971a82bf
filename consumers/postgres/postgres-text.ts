/**
 * Text as PostgreSQL can keep and index it.
 *
 * Its `text` has no NUL, which an id, a subject or an error's message may contain, and its indexes have no
 * entries of more than 2,700 bytes: identities are looked up by a key of fixed length.
 */
import { hash } from 'node:crypto'
import type { Identity } from '../../events/index.ts'

/** Begins what is kept as JSON, in which a NUL is written with other characters. */
const mark = '\u0001'

export function toText(text: string): string {
  return text.startsWith(mark) || text.includes('\0') ? mark + JSON.stringify(text) : text
}

export function fromText(text: string): string {
  return text.startsWith(mark) ? (JSON.parse(text.slice(1)) as string) : text
}

/** 128 bits of an identity's SHA-256, as a UUID is written. Either half may hold any character. */
export function identityKey({ source, id }: Identity): string {
  return hash('sha256', `${id.length} ${id}${source}`).slice(0, 32)
}
