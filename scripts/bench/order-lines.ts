/** Files of events: orders as CloudEvents in JSON, 430 bytes each with its line break. */
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { bodyBytes, eventType, orderPlaced, source } from './order-placed.ts'

/** One order in ten costs so much, about. */
export const leastPrice = 56_000

/** As JSON Lines, or as one array without a line break. */
export async function writeOrders(
  file: string,
  { events, as }: { events: number; as: 'lines' | 'array' },
): Promise<void> {
  const out = createWriteStream(file)
  let text = as === 'array' ? '[' : ''
  for (let number = 0; number < events; number++) {
    text += orderLine(number)
    if (as === 'lines') text += '\n'
    else text += number === events - 1 ? ']' : ','
    if (text.length < 1_000_000 && number < events - 1) continue
    if (!out.write(text)) await once(out, 'drain')
    text = ''
  }
  out.end()
  await once(out, 'close')
}

/** How many of so many orders cost that much. */
export function dearOrders(events: number): number {
  let dear = 0
  for (let number = 0; number < events; number++) dear += Number(orderPlaced(number).price >= leastPrice)
  return dear
}

function orderLine(number: number): string {
  const order = orderPlaced(number)
  const event = {
    specversion: '1.0',
    id: `0199f2a0-7c00-7000-8000-${String(number).padStart(12, '0')}`,
    source,
    type: eventType,
    subject: order.external_id,
    time: '2026-03-01T09:00:00.000Z',
    data: { ...order, note: '' },
  }
  event.data.note = 'n'.repeat(bodyBytes - 1 - JSON.stringify(event).length)
  return JSON.stringify(event)
}
