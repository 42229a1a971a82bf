/** Why events of another history cannot be taken into this one. */
import { HistoryError } from './errors.ts'
import type { RecordedEvent } from './stored-event.ts'

export function notNext(
  history: string,
  { position, head }: { position: number; head: number },
): HistoryError {
  return new HistoryError(
    'HISTORY_CONFLICT',
    `Position ${position} cannot be imported into ${history}, whose head is ${head}: the next one is ${head + 1}. Import what lies between first, or into another history`,
  )
}

export function identityTaken(
  history: string,
  { position, id, source }: RecordedEvent,
  taken: number,
): HistoryError {
  return new HistoryError(
    'HISTORY_CONFLICT',
    `Position ${position} cannot be imported into ${history}: event ${id} of ${source} is there already, at position ${taken}. It is another history; name the one that this was exported from, or a new one`,
  )
}
