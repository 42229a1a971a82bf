/**
 * What Edison Cars tells itself: the events on the `orders` exchange, and what each carries.
 *
 * Sales publishes, production and shipping consume; this file is all that they share. The subject of
 * an event is the order's number, its `external_id`.
 */
import { defineEvents, eventType } from 'backstory'

/** An order as it stands in the order book: what the customer asked for, and whatever else was there. */
export interface OrderPlaced {
  /** The order's number. */
  readonly external_id: string
  /** The model of the car. */
  readonly name: string
  readonly price: number
  /** YYYY-MM-DD. */
  readonly order_date: string
  /** YYYY-MM-DD, not before `order_date`. */
  readonly delivery_date: string
  readonly customer_name: string
  /** As the order book has it; most have a city and a country. */
  readonly address?: unknown
  /** As the order book has it; most are a list of names. */
  readonly options?: unknown
  readonly [other: string]: unknown
}

/** An order was taken back. Its `order.placed` always comes before this. */
export interface OrderCancelled {
  readonly external_id: string
}

export const orderEvents = defineEvents({
  'order.placed': eventType<OrderPlaced>(),
  'order.cancelled': eventType<OrderCancelled>(),
})
