import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { attributesOf, type HeaderValue, type Message, type Properties, toMessage } from '../events/index.ts'
import { packedSequence, packProperties, unpackProperties } from './packed-properties.ts'

const defaults = { exchange: 'orders', source: '/edison/sales' }

/** Through a row and back, as the writer and the reader do it. */
function throughRow(message: Message): { text: string; properties: Properties } {
  const { id, source, type, subject } = attributesOf(message)
  const text = packProperties({ id, source, type, subject, message })
  const row = { id: id ?? 'given', source, type, subject: subject ?? null, properties: text }
  return {
    text,
    properties: unpackProperties({ ...row, contentType: message.properties.contentType ?? null }),
  }
}

function assertSame(found: Properties, expected: Properties): void {
  const stated = Object.fromEntries(Object.entries(expected).filter(([, value]) => value !== undefined))
  assert.deepStrictEqual(found, stated)
  assert.deepEqual(Object.keys(found.headers ?? {}), Object.keys(expected.headers ?? {}))
}

test('of a message of ours a row keeps the time, the sequence, and what headers it has besides', () => {
  const time = '2026-03-01T08:00:00.250Z'
  const event = { type: 'order.placed', id: '1', subject: 'EC-1', time, data: {} }
  const plain = throughRow(toMessage(event, defaults))
  assert.equal(plain.text, `1772352000 ${time}`)
  const traced = throughRow(toMessage({ ...event, headers: { traceparent: '00-ab-cd-01' } }, defaults))
  assert.equal(traced.text, `1772352000 ${time} {"headers":{"traceparent":"00-ab-cd-01"}}`)
  const sequence = '0lx3f9k2ab7qz.0000000000000042'
  const sequenced = throughRow(
    withHeader(toMessage(event, defaults), { name: 'ce-sequence', value: sequence }),
  )
  assert.equal(sequenced.text, `1772352000 ${time} 0lx3f9k2ab7qz.42`)
  assert.equal(sequenced.properties.headers!['ce-sequence'], sequence)
})

test('what was packed before messages had a sequence is still read', () => {
  const time = '2026-03-01T08:00:00.250Z'
  const row = { id: '1', source: '/s', type: 't', subject: null, contentType: 'application/json' }
  const traced = `1772352000 ${time} {"headers":{"traceparent":"00-ab cd-01"}}`
  assert.equal(unpackProperties({ ...row, properties: traced }).headers!.traceparent, '00-ab cd-01')
  assert.equal(packedSequence(traced), undefined)
  assert.equal(unpackProperties({ ...row, properties: `1772352000 ${time}` }).headers!['ce-time'], time)
})

const text = fc.string({ minLength: 1, maxLength: 20 })
const name = fc.oneof(fc.string(), fc.constantFrom('__proto__', '1', '$bytes', 'ce-time', 'ce-x', ' '))
const value = fc.oneof(
  fc.string(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constant(null),
  fc.uint8Array().map((bytes): HeaderValue => Buffer.from(bytes)),
)
const headers = fc.dictionary(name, value, { noNullPrototype: true })

/** As publishers make it, and what only looks like it. */
const sequence: fc.Arbitrary<HeaderValue> = fc.oneof(
  fc
    .tuple(fc.stringMatching(/^[0-9a-z]{1,64}$/), fc.nat())
    .map(([epoch, number]) => `${epoch}.${String(number).padStart(16, '0')}`),
  fc.stringMatching(/^[0-9a-zA-Z .]{0,66}\.[0-9a-f]{15,17}$/),
  fc.constantFrom('a.0000000000000000', '.0000000000000001', 'a.1', '42', '{', 'a b.0000000000000001'),
  value,
)

const unsequencedMessage = fc
  .record(
    {
      type: text,
      id: text,
      source: text,
      subject: fc.string(),
      dataschema: text,
      contentType: text,
      headers: fc.dictionary(
        name.filter((key) => !key.startsWith('ce-') && key !== '__proto__'),
        value,
        { noNullPrototype: true },
      ),
      time: fc.constantFrom('2026-03-01T08:00:00Z', '2026-03-01 08:00:00Z', '1969-12-31T23:59:59Z'),
    },
    { requiredKeys: ['type'], noNullPrototype: true },
  )
  .map((event) => toMessage(event, defaults))

const ourMessage = fc
  .tuple(unsequencedMessage, fc.option(sequence, { nil: undefined }))
  .map(([message, value]) =>
    value === undefined ? message : withHeader(message, { name: 'ce-sequence', value }),
  )

/** One thing other than our publisher makes it. */
const change: fc.Arbitrary<Partial<Properties>> = fc.oneof(
  fc.record({ contentType: fc.constant(undefined) }),
  fc.record({ contentEncoding: fc.constantFrom('', 'gzip') }),
  fc.record({ deliveryMode: fc.constantFrom(undefined, 1) }),
  fc.record({ priority: fc.constantFrom(0, 5) }),
  fc.record({ correlationId: text }),
  fc.record({ replyTo: text }),
  fc.record({ expiration: text }),
  fc.record({ messageId: fc.constantFrom(undefined, '', 'other') }),
  fc.record({ timestamp: fc.constantFrom(undefined, 0, -1, 1.5, 2 ** 60) }),
  fc.record({ type: fc.constantFrom(undefined, '', 'other') }),
  fc.record({ userId: text }),
  fc.record({ appId: fc.constantFrom(undefined, '', 'other') }),
  fc.record({ clusterId: text }),
  fc.record({ headers: fc.oneof(fc.constant(undefined), headers) }),
)

const headerChange = fc.record({
  name: fc
    .constantFrom('specversion', 'id', 'source', 'type', 'time', 'subject', 'sequence')
    .map((key) => `ce-${key}`),
  value: fc.constantFrom<HeaderValue>('', 'other', 'a b', '{', 5, null),
})

const nearlyOurs = fc.oneof(
  fc
    .tuple(ourMessage, change)
    .map(([message, changed]) => ({ ...message, properties: { ...message.properties, ...changed } })),
  fc.tuple(ourMessage, headerChange).map(([message, changed]) => withHeader(message, changed)),
  fc.tuple(ourMessage, fc.nat(5)).map(([message, from]) => rotated(message, from)),
)

function withHeader(message: Message, { name, value }: { name: string; value: HeaderValue }): Message {
  const headers = { ...message.properties.headers, [name]: value }
  return { ...message, properties: { ...message.properties, headers } }
}

/** The same headers in another order. */
function rotated(message: Message, from: number): Message {
  const entries = Object.entries(message.properties.headers ?? {})
  const headers = Object.fromEntries([...entries.slice(from), ...entries.slice(0, from)])
  return { ...message, properties: { ...message.properties, headers } }
}

for (const [title, message] of [
  ['of ours', ourMessage],
  ['like ours', nearlyOurs],
] as const) {
  test(`the properties of a message ${title} come back as they were published`, () => {
    fc.assert(
      fc.property(message, (published) => {
        const { text, properties } = throughRow(published)
        assertSame(properties, published.properties)
        assert.deepEqual(packedSequence(text), published.properties.headers?.['ce-sequence'])
      }),
      { numRuns: 5_000 },
    )
  })
}
