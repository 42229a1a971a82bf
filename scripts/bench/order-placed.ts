/** The events that the bench measures with: orders whose JSON has 430 bytes. */
import type { EventInput } from '../../events/index.ts'

export const bodyBytes = 430

export interface OrderPlaced {
  readonly external_id: string
  readonly name: string
  readonly price: number
  readonly order_date: string
  readonly delivery_date: string
  readonly customer_name: string
  readonly note: string
}

export const eventType = 'order.placed'
export const source = '/edison/sales'

/** The order with this number, another one each. */
export function orderPlaced(number: number): OrderPlaced {
  const order = {
    external_id: `EC-${String(number).padStart(9, '0')}`,
    name: `Edison Model ${'STRP'[number % 4]}`,
    price: 20_000 + (number % 40_000),
    order_date: '2026-03-01',
    delivery_date: '2026-09-15',
    customer_name: `Customer ${String(number % 10_000).padStart(5, '0')}`,
    note: '',
  }
  return { ...order, note: 'n'.repeat(bodyBytes - JSON.stringify(order).length) }
}

export function orderEvent(number: number): EventInput<typeof eventType, OrderPlaced> {
  const data = orderPlaced(number)
  return { type: eventType, subject: data.external_id, data }
}
