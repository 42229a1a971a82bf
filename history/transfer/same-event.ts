/** Whether two histories hold the same event, byte for byte. */
import { encodeProperties } from '../../events/index.ts'
import type { RecordedEvent } from '../stored-event.ts'

/** What differs, in words; none where they are the same. */
export function differences(one: RecordedEvent, other: RecordedEvent): string[] {
  const [a, b] = [one.message, other.message]
  const different = {
    position: one.position !== other.position,
    source: one.source !== other.source,
    id: one.id !== other.id,
    type: one.type !== other.type,
    subject: one.subject !== other.subject,
    'recorded time': one.recordedAt.getTime() !== other.recordedAt.getTime(),
    unidentified: one.unidentified !== other.unidentified,
    erased: one.erased !== other.erased,
    exchange: a.exchange !== b.exchange,
    'routing key': a.routingKey !== b.routingKey,
    body: !a.body.equals(b.body),
    // As text, in which the order of headers shows too.
    properties: encodeProperties(a.properties) !== encodeProperties(b.properties),
  }
  return Object.entries(different).flatMap(([what, differs]) => (differs ? [what] : []))
}
