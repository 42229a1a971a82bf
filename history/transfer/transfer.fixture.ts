/** Histories to move: with all that a publisher may send, duplicates, and a beginning that is gone. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { attributesOf, type Message, sequenceText, toMessage } from '../../events/index.ts'
import { openHistory, openHistoryWriter } from '../open-history.ts'
import type { HistoryReader } from '../reader.ts'

export const exchange = 'orders'

/** A folder that is gone after the test, with the path of a history in it. */
export function transferFolder(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'backstory-transfer-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return { folder, path: (name: string) => join(folder, name) }
}

/** A reader that is closed after the test. */
export function openReader(t: TestContext, history: string): HistoryReader {
  const reader = openHistory({ history })
  t.after(() => reader.close())
  return reader
}

export async function record(
  history: string,
  messages: readonly Message[],
  { batch = 500 }: { batch?: number } = {},
): Promise<void> {
  const writer = await openHistoryWriter({ history, exchange })
  try {
    for (let from = 0; from < messages.length; from += batch) {
      const events = messages
        .slice(from, from + batch)
        .map((message) => ({ ...attributesOf(message), message }))
      await writer.append({ events, fences: [] })
    }
  } finally {
    await writer.close()
  }
}

/** Orders as our publisher sends them, numbered. */
export function orders(count: number, { from = 1 }: { from?: number } = {}): Message[] {
  return Array.from({ length: count }, (_, index) => order(from + index))
}

export function order(number: number, { sequence = number }: { sequence?: number } = {}): Message {
  const extensions = { sequence: sequenceText('0lx3f9k2ab7qz', sequence) }
  const type = number % 3 === 0 ? 'order.paid' : 'order.placed'
  const input = { type, subject: `EC-${number % 100}`, id: `o-${number}`, data: { number }, extensions }
  return toMessage({ ...input, time: '2026-03-01T00:00:00.000Z' }, { exchange, source: '/sales' })
}

/** What knows nothing of us, or means us harm. */
export const hostile: readonly Message[] = [
  ...[
    Buffer.alloc(0),
    Buffer.from([0xff, 0xfe, 0]),
    Buffer.from('{"a": 12345678901234567890.50}'),
    Buffer.from('{\r\n "pretty": true\n}\n'),
    Buffer.from('\ufeff{}'),
    Buffer.from('","data":{}}\n'),
    Buffer.alloc(300_000, 'ä'),
  ].map((body) => ({ exchange, routingKey: '', properties: { contentType: 'application/json' }, body })),
  {
    exchange: 'else\u0000where',
    routingKey: 'a.b\n#',
    properties: {
      headers: {
        ['__proto__']: 'own',
        $bytes: 'no tag',
        'ce-data': 'x',
        'ce-position': 17,
        notANumber: Number.NaN,
        zero: -0,
        bytes: Buffer.from([0, 255]),
        list: [1, 'two', [null, { $table: Buffer.from('x') }]],
        at: { '!': 'timestamp', value: 1_700_000_000 },
        price: { '!': 'decimal', value: { places: 2, digits: 1_999 } },
      },
      messageId: 'm\u0000\u{1f697}',
      deliveryMode: 1,
      priority: 3,
      correlationId: 'c',
      expiration: '60000',
      timestamp: 1_700_000_000,
      appId: '',
    },
    body: Buffer.from('text of no type'),
  },
]
