/** Events for people, a line each. */
import type { StoredEvent } from '../../history/index.ts'
import { Table } from './table.ts'

export class EventTable {
  readonly #table = new Table(['position', 'time', 'type', 'subject', 'bytes', 'source', 'id'])

  page(events: readonly StoredEvent[]): string[] {
    return this.#table.page(
      events.map(({ position, time, type, subject, message, source, id, unidentified }) => [
        position,
        time,
        type === '' ? undefined : type,
        subject,
        message.body.length,
        source,
        // The id that the history made up says nothing to anybody.
        unidentified ? undefined : id,
      ]),
    )
  }
}
