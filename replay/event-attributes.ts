/** What an event is called by, in each of the shapes that events come in. */

export interface EventAttributes {
  readonly id: string | undefined
  readonly source: string | undefined
  readonly type: string | undefined
  /** The entity's key. */
  readonly subject: string | undefined
  /** The publisher's clock, as it was written. */
  readonly time: string | undefined
}

/**
 * The attributes of a CloudEvent, of an event of EventBridge (`detail-type`, and the first of `resources` as
 * its subject), or of plain JSON, which may have members of the CloudEvents names. What is no text is no
 * attribute; a number may be an `id` or a `subject`.
 */
export function eventAttributes(json: unknown): EventAttributes {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return nothing
  const event = json as Readonly<Record<string, unknown>>
  const { id, source, type, subject, time } = event
  const isEventBridge = type === undefined && event['detail-type'] !== undefined
  return {
    id: key(id),
    source: text(source),
    type: text(isEventBridge ? event['detail-type'] : type),
    subject: key(isEventBridge ? firstOf(event.resources) : subject),
    time: text(time),
  }
}

const nothing: EventAttributes = {
  id: undefined,
  source: undefined,
  type: undefined,
  subject: undefined,
  time: undefined,
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function key(value: unknown): string | undefined {
  return typeof value === 'number' ? String(value) : text(value)
}

function firstOf(value: unknown): unknown {
  return Array.isArray(value) ? value[0] : undefined
}
