/** What a pattern finds in a history is what it matches of all its events, wherever the history is. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { attributesOf, compilePattern, type Message, toMessage, withJsonData } from '../events/index.ts'
import { eventLine } from './event-line.ts'
import type { HistoryReader } from './reader.ts'
import { searchHistory } from './search/search-history.ts'
import type { StoredEvent } from './stored-event.ts'
import type { NewEvent } from './writer.ts'

const types = ['amqp.message', 'order.paid', 'Order.Paid', 'ordré'] as const
const subjects = ['EC-1', 'EC-2', 'ec-1', '10.0.0.1'] as const
const sources = ['/sales', '/bank', 'amqp:orders'] as const

const of = (...values: readonly string[]) => fc.constantFrom(...values)
const text = (known: readonly string[]) => of(...known, 'none', '')
const tests = (known: readonly string[]) =>
  fc.array(
    fc.oneof(
      { arbitrary: text(known), weight: 20 },
      text(known).map((prefix) => ({ prefix })),
      text(known).map((suffix) => ({ suffix })),
      text(known).map((value) => ({ 'equals-ignore-case': value })),
      text(known).map((value) => ({ 'anything-but': [value] })),
      fc.boolean().map((exists) => ({ exists })),
      fc.constant(null),
    ),
    { minLength: 1, maxLength: 3 },
  )
const fields = fc.record(
  {
    type: tests(types),
    subject: tests(subjects),
    source: tests(sources),
    data: fc.record({
      n: fc.array(fc.oneof(fc.nat(5), fc.constant({ numeric: ['>', 2] })), { minLength: 1 }),
    }),
    position: fc.constant([{ numeric: ['<=', 40] }]),
  },
  { requiredKeys: [] },
)
const patterns = fc
  .oneof(
    { arbitrary: fields, weight: 3 },
    fc.tuple(fields, fc.array(fields, { minLength: 2, maxLength: 3 })).map(([all, $or]) => ({ ...all, $or })),
  )
  .filter((pattern) => {
    const alternatives = '$or' in pattern ? (pattern.$or as object[]) : [{ a: 1 }]
    return Object.keys(pattern).length > 0 && alternatives.every((one) => Object.keys(one).length > 0)
  })

/** What random patterns seldom are: a whole type, of those that state none too, and each field by a list. */
const likely: [object, boolean, number | null][] = [
  [{ type: ['amqp.message'] }, false, null],
  [{ type: ['order.paid'], source: ['/bank'] }, true, 3],
  [{ type: ['order.paid', 'ordré'], subject: ['EC-1', 'EC-2'], source: ['/sales', '/bank'] }, false, null],
  [{ subject: [{ exists: false }], type: ['amqp.message'] }, true, null],
]

/** Of publishers of our own and of others, some without type, subject or id, some with JSON over several lines. */
export function eventsOfAllKinds(count: number): NewEvent[] {
  return Array.from({ length: count }, (_, n) => {
    const message = n % 3 === 0 ? foreign(n) : ours(n)
    return { ...attributesOf(message), message }
  })
}

function ours(n: number): Message {
  const subject = n % 5 === 4 ? undefined : subjects[n % subjects.length]
  return toMessage(
    { type: types[n % types.length]!, id: `${n}`, data: { n: n % 6 }, ...(subject && { subject }) },
    { exchange: 'orders', source: sources[n % 2]! },
  )
}

function foreign(n: number): Message {
  return {
    exchange: 'orders',
    routingKey: '',
    properties: {
      contentType: n % 2 === 0 ? 'application/json' : 'text/plain',
      ...(n % 4 !== 0 && { messageId: `${n}` }),
      ...(n % 6 === 0 && { type: types[n % types.length]! }),
    },
    body: Buffer.from(`{\n  "n": ${n % 6}\n}\n`),
  }
}

/** @param options.runs - Patterns. */
export async function assertPatternsFind(reader: HistoryReader, { runs }: { runs: number }): Promise<void> {
  const all = await reader.read({ after: 0 })
  await fc.assert(
    fc.asyncProperty(
      patterns,
      fc.boolean(),
      fc.option(fc.integer({ min: 1, max: 9 })),
      async (json, newestFirst, limit) => {
        const pattern = compilePattern(json)
        const matching = all.filter((event) => pattern.matches(jsonOf(event))).map(({ position }) => position)
        const expected = newestFirst ? matching.toReversed() : matching
        const found: number[] = []
        const asked = { pattern, newestFirst, ...(limit !== null && { limit }) }
        for await (const { events } of searchHistory(reader, asked)) {
          found.push(...events.map(({ position }) => position))
        }
        assert.deepEqual(found, limit === null ? expected : expected.slice(0, limit))
      },
    ),
    { numRuns: runs, examples: likely },
  )
}

function jsonOf(event: StoredEvent): unknown {
  return withJsonData(JSON.parse(eventLine(event)))
}
