/**
 * Fences: marker messages that a consumer sends straight to one queue, so that no other sees them.
 *
 * They go through the default exchange, which no publisher of an event exchange uses, and carry their
 * id in a header; a message that came through the event exchange is never a fence, whatever it holds.
 */
import { v7 as uuidv7 } from 'uuid'
import type { Message } from '../events/index.ts'

const fenceHeader = 'backstory-fence'

export function newFenceId(): string {
  return uuidv7()
}

export function fenceMessage(queue: string, id: string): Message {
  return {
    exchange: '',
    routingKey: queue,
    properties: { headers: { [fenceHeader]: id }, deliveryMode: 2, type: fenceHeader },
    body: Buffer.alloc(0),
  }
}

/** The id of a fence, undefined for every other message. */
export function fenceIdOf({ exchange, properties }: Message): string | undefined {
  if (exchange !== '') return undefined
  const id = properties.headers?.[fenceHeader]
  return typeof id === 'string' ? id : undefined
}
