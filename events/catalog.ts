/**
 * A catalog: the event types of an exchange and the shape of their data.
 *
 *     const orderEvents = defineEvents({
 *       'order.placed': eventType<OrderPlaced>(ajv.compile(orderPlacedSchema)),
 *       'order.cancelled': eventType<OrderCancelled>(),
 *     })
 *
 * Handlers and publishers that name the catalog get the types. Where a type has a schema, a consumer
 * checks the data before its handler sees it: what is refused is parked.
 */
import { EventError } from './errors.ts'
import type { CloudEvent } from './event.ts'

declare const shape: unique symbol

/**
 * Tells whether data is what the type says: true, or not. What it leaves in `errors` goes into the message.
 * A compiled schema of ajv is one.
 */
export interface DataSchema {
  (data: unknown): boolean
  errors?: unknown
}

export interface EventType<Data> {
  readonly [shape]?: Data
  readonly schema?: DataSchema
}

export type Catalog = { readonly [type: string]: EventType<unknown> }

export type DataOf<Type> = Type extends EventType<infer Data> ? Data : never

/** @throws TypeError where the schema is no function. */
export function eventType<Data>(schema?: DataSchema): EventType<Data> {
  if (schema === undefined) return {}
  if (typeof schema !== 'function') throw new TypeError('Expected `schema` to be a function')
  return { schema }
}

/** @throws EventError `EVENT_REFUSED` where the data is not what the schema says; `EVENT_UNDECODABLE`. */
export function checkData(schema: DataSchema, event: CloudEvent): void {
  if (schema(event.data) === true) return
  const errors =
    schema.errors === undefined || schema.errors === null ? '' : `: ${JSON.stringify(schema.errors)}`
  throw new EventError(
    'EVENT_REFUSED',
    `The data of event ${event.id} of ${event.source} is not what the schema of ${event.type} says${errors.slice(0, 1_000)}`,
  )
}

export function defineEvents<const Events extends Catalog>(events: Events): Events {
  return events
}
