/**
 * What an event is known by to a service that keeps out what it has had: the same at every try, after a crash and
 * in another run.
 */
import { createHash } from 'node:crypto'
import type { ReplayEvent } from './replay-event.ts'

/**
 * 43 characters of A-Z, a-z, 0-9, - and _: a digest of the pair (`source`, `id`). An event without an `id` is
 * known by its text and its place: two of them that are the same are two events.
 */
export function eventIdentity(event: ReplayEvent): string {
  const { id, source } = event.attributes
  const known = id === undefined ? `${event.position}\0${event.text}` : `${source ?? ''}\0${id}`
  return createHash('sha256').update(known).digest('base64url')
}
