/**
 * Which events of a history are asked for, by what a store selects by.
 */
import type { StoredEvent } from './stored-event.ts'

/** Each list is a choice: an event passes where it has one of the values. Absent: all. An empty one: none. */
export interface EventFilter {
  readonly types?: readonly string[]
  readonly subjects?: readonly string[]
  readonly sources?: readonly string[]
}

/**
 * True where a store finds the events by an index: by their subject, or by their type alone. Any other
 * filter has it look at each event.
 */
export function isIndexed({ types, subjects, sources }: EventFilter): boolean {
  if (subjects !== undefined) return subjects.length <= 1
  return types !== undefined && types.length <= 1 && sources === undefined
}

/** Whether an event passes: what a store selects is exactly what this says. */
export function matchesFilter(
  { type, subject, source }: Pick<StoredEvent, 'type' | 'subject' | 'source'>,
  { types, subjects, sources }: EventFilter,
): boolean {
  return (
    (types === undefined || types.includes(type)) &&
    (subjects === undefined || (subject !== undefined && subjects.includes(subject))) &&
    (sources === undefined || sources.includes(source))
  )
}

/** Positions that are looked at in one call where no index serves. */
export const scannedMax = 20_000
