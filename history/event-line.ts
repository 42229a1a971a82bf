/** A recorded event as one line of CloudEvents JSON, with what the history adds: `position`, `recordedtime`. */
import { cloudEventJson } from '../events/index.ts'
import type { StoredEvent } from './stored-event.ts'

export function eventLine(event: StoredEvent): string {
  const { position, recordedAt } = event
  return cloudEventJson(event, { position, recordedtime: recordedAt.toISOString() })
}
