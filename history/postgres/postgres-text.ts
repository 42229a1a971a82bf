/**
 * Text as PostgreSQL can keep and index it.
 *
 * Its `text` has neither NUL nor half a surrogate pair, which an id, a subject or an error's message may
 * contain, and its indexes have no entries of more than 2,700 bytes: identities are looked up by a key of
 * fixed length.
 */
import { hash } from 'node:crypto'
import type { Identity } from '../../events/index.ts'

/** Begins what is kept as JSON, in which such characters are written with others. */
const mark = '\u0001'
const markCode = 1
const unkept = /[\0\p{Surrogate}]/u

export function toText(text: string): string {
  return text.charCodeAt(0) === markCode || unkept.test(text) ? mark + JSON.stringify(text) : text
}

export function fromText(text: string): string {
  return text.charCodeAt(0) === markCode ? (JSON.parse(text.slice(1)) as string) : text
}

/** 128 bits of an identity's SHA-256, as a UUID is written. Either half may hold any character. */
export function identityKey({ source, id }: Identity): string {
  return textKey(`${id.length} ${id}${source}`)
}

/** 128 bits of a text's SHA-256, as a UUID is written. */
export function textKey(text: string): string {
  return hash('sha256', text).slice(0, 32)
}
