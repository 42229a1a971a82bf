/** A consumer's handlers on a database in memory, without broker and history. */
import type {
  CloudEvent,
  ConsumerDefinition,
  Handler,
  HandlerContext,
  SqliteDatabase,
  TwoPartHandler,
} from 'backstory'
import Database from 'better-sqlite3'
import type { OrderCancelled, OrderPlaced, orderEvents } from './events.ts'

export interface Tables {
  readonly database: SqliteDatabase
  place(data: OrderPlaced): Promise<unknown>
  cancel(data: OrderCancelled): Promise<unknown>
}

export async function openTables<Tx>(
  definition: ConsumerDefinition<typeof orderEvents, Tx>,
): Promise<Tables> {
  const database = new Database(':memory:')
  const tx = (await definition.prepare!(database)) as Tx
  const context = { tx, replayed: false } as HandlerContext<Tx>
  return {
    database,
    place: async (data: OrderPlaced) =>
      applyOf(definition.on['order.placed'])({ data } as CloudEvent<'order.placed', OrderPlaced>, context),
    cancel: async (data: OrderCancelled) =>
      applyOf(definition.on['order.cancelled'])(
        { data } as CloudEvent<'order.cancelled', OrderCancelled>,
        context,
      ),
  }
}

function applyOf<Type extends string, Data, Tx>(
  handler: Handler<Type, Data, Tx> | TwoPartHandler<Type, Data, Tx> | undefined,
): Handler<Type, Data, Tx> {
  return typeof handler === 'function' ? handler : handler!.apply!
}

export const order: OrderPlaced = {
  external_id: 'EC-1',
  name: 'Edison Van',
  price: 35_800,
  order_date: '2026-03-19',
  delivery_date: '2026-04-17',
  customer_name: 'Émile Núñez',
  address: { city: 'Київ', country: 'UA' },
  options: ['heat pump', 'tow bar'],
}
