import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { HeaderValue } from './message.ts'
import { decodeProperties, encodeProperties } from './properties-json.ts'

const name = fc.oneof(fc.string(), fc.constantFrom('$bytes', '$number', '$table', '!', 'value'))
const header = fc.letrec<{ value: HeaderValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.string(),
    fc.double(),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    fc.array(tie('value')),
    fc.dictionary(name, tie('value'), { noNullPrototype: true }),
  ),
})).value

test('properties come back from JSON exactly as they went in, whatever their headers hold', () => {
  const properties = fc.record(
    {
      contentType: fc.string(),
      headers: fc.dictionary(name, header, { noNullPrototype: true }),
      messageId: fc.string(),
      timestamp: fc.nat(),
    },
    { requiredKeys: [], noNullPrototype: true },
  )
  fc.assert(
    fc.property(properties, (before) => {
      assert.deepStrictEqual(decodeProperties(encodeProperties(before)), before)
    }),
    { numRuns: 2_000 },
  )
})
