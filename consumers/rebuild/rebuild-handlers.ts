/**
 * A definition's handlers as a rebuild runs them: they apply and never react, every event is one of the
 * past to them, and what hands have decided about a parked event (discarded, edited) is done again.
 */
import { randomUUID } from 'node:crypto'
import { type CloudEvent, type Message, MessageEvent } from '../../events/index.ts'
import type { StoredEvent } from '../../history/index.ts'
import type { HandlerContext } from '../definition.ts'
import { HandlerTable, type ResolvedHandler } from '../handler-table.ts'

/** What hands have decided about an event: that it has no effect, or these in place of what was published. */
export type Decision =
  | 'discarded'
  | { readonly properties: Message['properties']; readonly body: Buffer | undefined }

export class RebuildHandlers<Tx> extends HandlerTable<Tx> {
  readonly #applying = new Map<ResolvedHandler<Tx>, ResolvedHandler<Tx>>()

  override find(event: CloudEvent): ResolvedHandler<Tx> | undefined {
    const handler = event.type === discardedType ? undefined : super.find(event)
    if (handler === undefined) return undefined
    let applying = this.#applying.get(handler)
    if (applying === undefined) {
      applying = { ...handler, react: undefined, apply: handler.apply && ofThePast(handler.apply) }
      this.#applying.set(handler, applying)
    }
    return applying
  }
}

/** The event as it is to be applied. */
export function decided(event: StoredEvent, decision: Decision | undefined): StoredEvent {
  if (decision === undefined) return event
  const { type, subject, message } = event
  // No event has this type, so no handler is found for it; without a subject it waits behind nothing.
  if (decision === 'discarded')
    return new DecidedEvent(event, { type: discardedType, subject: undefined, message })
  const { properties, body = message.body } = decision
  return new DecidedEvent(event, { type, subject, message: { ...message, properties, body } })
}

const discardedType = `backstory.discarded.${randomUUID()}`

/** What the consumer had live beyond its cursor comes from the history too, with its position. */
function ofThePast<Tx>(apply: NonNullable<ResolvedHandler<Tx>['apply']>) {
  return (event: CloudEvent, context: HandlerContext<Tx>) =>
    context.replayed
      ? apply(event, context)
      : apply(event, { ...context, replayed: true, position: (event as Partial<StoredEvent>).position })
}

class DecidedEvent extends MessageEvent implements StoredEvent {
  readonly position: number
  readonly unidentified: boolean
  readonly recordedAt: Date

  constructor(
    { id, source, position, unidentified, recordedAt }: StoredEvent,
    { type, subject, message }: { type: string; subject: string | undefined; message: Message },
  ) {
    super({ id, source, type, subject }, message)
    this.position = position
    this.unidentified = unidentified
    this.recordedAt = recordedAt
  }
}
