/**
 * A catalog: the event types of an exchange and the shape of their data, for the compiler.
 *
 *     const orderEvents = defineEvents({
 *       'order.placed': eventType<OrderPlaced>(),
 *       'order.cancelled': eventType<OrderCancelled>(),
 *     })
 *
 * Handlers and publishers that name the catalog get the types; nothing is checked at run time.
 */

declare const shape: unique symbol

export interface EventType<Data> {
  readonly [shape]?: Data
}

export type Catalog = { readonly [type: string]: EventType<unknown> }

export type DataOf<Type> = Type extends EventType<infer Data> ? Data : never

export function eventType<Data>(): EventType<Data> {
  return {}
}

export function defineEvents<const Events extends Catalog>(events: Events): Events {
  return events
}
