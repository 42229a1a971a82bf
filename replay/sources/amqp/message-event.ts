/** A message as an event: the line of CloudEvents JSON that a history would make of it, without a position. */
import { createHash } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import { encodeProperties, type Message } from '../../../events/index.ts'
import { messageLine } from '../../../history/index.ts'
import { JsonEvent, type JsonEventSource } from '../../json-event.ts'

/** @param options.id - Of a message that states none. Default: one that is new each time. */
export function messageEvent(
  message: Message,
  {
    position,
    origin,
    id = () => `unidentified:${uuidv7()}`,
  }: { position: number; origin: JsonEventSource; id?: () => string },
): JsonEvent {
  return new JsonEvent(messageLine(message, { id }), position, origin)
}

/** Tells a message from another one, by all that was published of it. */
export function digestOf({ exchange, routingKey, properties, body }: Message): string {
  const hash = createHash('sha256')
  // The broker gives a redelivered message headers: once its own are taken out, none and an empty table are the same.
  const headers = Object.keys(properties.headers ?? {}).length === 0 ? undefined : properties.headers
  hash.update(JSON.stringify([exchange, routingKey, encodeProperties({ ...properties, headers })]))
  return hash.update(body).digest('base64url').slice(0, 22)
}
