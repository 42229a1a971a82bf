import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  attributesOf,
  encodeProperties,
  type HeaderValue,
  type Message,
  MessageEvent,
  newEpoch,
  sequenceHeader,
  sequenceText,
  toMessage,
} from '../events/index.ts'
import { eventLine, readEventLine } from './event-line.ts'
import type { RecordedEvent, StoredEvent } from './stored-event.ts'

const exchange = 'orders'

/** As a history holds it. */
function recorded(message: Message, position = 7): StoredEvent {
  const { id, ...attributes } = attributesOf(message)
  const event = new MessageEvent({ ...attributes, id: id ?? 'unidentified:1' }, message)
  return Object.assign(event, {
    position,
    recordedAt: new Date(1_800_000_000_123),
    unidentified: id === undefined,
  })
}

function comesBack(message: Message): void {
  const event = recorded(message)
  const line = eventLine(event)
  assert.ok(!line.includes('\n') && !line.includes('\r'))
  assertCloudEvent(line)
  const again = readEventLine(line, { exchange: 'of none' })
  const { spentsequences: _, erased: __, ...read } = again
  const { position, id, source, type, subject, recordedAt, unidentified } = event
  // Properties that are undefined are no properties.
  const wanted: RecordedEvent = { position, id, source, type, subject, recordedAt, unidentified, message }
  assert.deepEqual(read, { ...wanted, message: read.message })
  assert.deepEqual(
    { ...read.message, properties: undefined },
    { ...message, properties: undefined },
    'exchange, routing key, body',
  )
  // As text, in which the order of headers shows too.
  assert.equal(encodeProperties(read.message.properties), encodeProperties(message.properties))
}

/** What the JSON format of CloudEvents 1.0 asks of an event. */
function assertCloudEvent(line: string): void {
  const members = JSON.parse(line) as Record<string, unknown>
  assert.equal(members.specversion, '1.0')
  for (const name of ['id', 'source', 'type']) assert.ok(typeof members[name] === 'string' && members[name])
  for (const [name, value] of Object.entries(members)) {
    if (name === 'data') continue
    assert.match(name, /^([a-z0-9]+|data_base64)$/)
    assert.ok(['string', 'number', 'boolean'].includes(typeof value), name)
  }
  assert.ok(!('data' in members && 'data_base64' in members))
}

const hostileName = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    '__proto__',
    'constructor',
    '$bytes',
    '$table',
    '1',
    'traceparent',
    sequenceHeader,
    'ce-id',
    'ce-data',
    'ce-1',
    'ce-position',
    'ce-amqpproperties',
    'ce-time',
    'ce-subject',
    'ce-specversion',
    'ce-x',
  ),
)

const headerValue = fc.letrec<{ value: HeaderValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.string({ unit: 'binary' }),
    fc.double(),
    fc.maxSafeInteger(),
    fc.constantFrom<HeaderValue>('', true, null, -0, 1, Number.NaN, '2026-01-01T00:00:00Z', '\ud800'),
    fc.record({ '!': fc.constantFrom('timestamp', 'decimal'), value: fc.nat() }),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    fc.array(tie('value')),
    fc.dictionary(hostileName, tie('value'), { noNullPrototype: true }),
  ),
})).value

const body = fc.oneof(
  fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
  fc.json().map((json) => Buffer.from(json)),
  fc.jsonValue().map((value) => Buffer.from(JSON.stringify(value, null, 1))),
  fc.constantFrom(
    ...['', 'null', '"text"', ' {}', '{"a": 1.50, "a": 12345678901234567890}', '{"no', '\ufeff{}'].map(
      (text) => Buffer.from(text),
    ),
    Buffer.from([0xff, 0xfe]),
    Buffer.from([0xed, 0xa0, 0x80]),
    Buffer.from('","data":1}'),
    Buffer.from('{"data":1,"data":{"data":2}}'),
  ),
)

const contentType = fc.constantFrom(
  undefined,
  '',
  'application/json',
  'application/cloudevents+json; charset=utf-8',
  'text/plain',
  'TEXT/XML',
  'image/png',
)

const foreignMessage: fc.Arbitrary<Message> = fc.record({
  exchange: fc.string(),
  routingKey: fc.string({ unit: 'binary' }),
  body,
  properties: fc.record(
    {
      contentType,
      contentEncoding: fc.string(),
      headers: fc.dictionary(hostileName, headerValue, { noNullPrototype: true }),
      deliveryMode: fc.constantFrom(1, 2),
      priority: fc.nat(255),
      correlationId: fc.string(),
      replyTo: fc.string(),
      expiration: fc.string(),
      messageId: fc.string({ unit: 'binary' }),
      timestamp: fc.maxSafeNat(),
      type: fc.string(),
      userId: fc.string(),
      appId: fc.string(),
    },
    { requiredKeys: [], noNullPrototype: true },
  ),
})

/** Ours, with whatever an application, a tracer or a hand on the way has added. */
const ownMessage: fc.Arbitrary<Message> = fc
  .record({
    id: fc.string({ minLength: 1 }),
    subject: fc.option(fc.string({ minLength: 1 }), { nil: undefined }),
    time: fc.constantFrom(
      undefined,
      '2026-01-01T00:00:00Z',
      '2026-01-01T01:02:03.123456+02:00',
      '1969-12-31T23:59:59Z',
      'Thu, 01 Jan 2026 00:00:00 GMT',
    ),
    dataschema: fc.constantFrom(undefined, 'urn:schema'),
    extensions: fc.dictionary(
      fc.constantFrom('sequence', 'partitionkey', 'position', 'amqpheaders', '1', 'constructor'),
      fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(1.5)),
      { noNullPrototype: true },
    ),
    more: fc.array(fc.tuple(hostileName, headerValue), { maxLength: 3 }),
    contentType,
    body,
    edit: fc.constantFrom(undefined, 'priority', 'timestamp', 'messageId', 'type'),
  })
  .map(({ more, edit, body, ...input }) => {
    const message = toMessage({ ...input, type: 't', data: body }, { exchange, source: '/s' })
    const { headers } = message.properties
    return {
      ...message,
      properties: {
        ...message.properties,
        ...(edit !== undefined && { [edit]: edit === 'timestamp' || edit === 'priority' ? 1 : 'edited' }),
        headers: { ...headers, ...Object.fromEntries(more) },
      },
    }
  })

test('a line gives back every byte of what was published and recorded, whatever it is', () => {
  fc.assert(fc.property(foreignMessage, comesBack), { numRuns: 250 })
  fc.assert(fc.property(ownMessage, comesBack), { numRuns: 250 })
})

test("an event of our publisher's costs its attributes, its body, and little more", () => {
  const data = { price: 35_800, note: 'n'.repeat(400) }
  const message = toMessage(
    { type: 'order.placed', subject: 'EC-1', data, extensions: { sequence: sequenceText(newEpoch(), 1) } },
    { exchange, source: '/sales' },
  )
  const line = eventLine(recorded(message))
  assert.doesNotMatch(line, /amqpproperties|amqpheaders|amqproutingkey|unidentified/)
  const { id, subject, time } = recorded(message)
  const attributes = JSON.stringify({ id, source: '/sales', type: 'order.placed', subject, time })
  assert.ok(line.length - attributes.length - message.body.length < 230, `${line.length} characters`)
})

test("a tracer's header does not say the other properties again", () => {
  const headers = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }
  const message = toMessage({ type: 't', data: 1, headers }, { exchange, source: '/s' })
  const { amqpheaders, amqpproperties } = JSON.parse(eventLine(recorded(message))) as Record<string, unknown>
  assert.equal(amqpheaders, JSON.stringify({ headers }))
  assert.equal(amqpproperties, undefined)
})

test('JSON stands in a line as it was written, text as text, and all else as base64', () => {
  const dataOf = (contentType: string | undefined, text: string) => {
    const message = { exchange, routingKey: '', properties: { contentType }, body: Buffer.from(text) }
    return /"data(_base64)?":.*$/.exec(eventLine(recorded(message)))![0]
  }
  assert.equal(dataOf('application/json', '{"a": 1.50}'), '"data":{"a": 1.50}}')
  assert.equal(dataOf('text/plain', 'one\ntwo'), '"data":"one\\ntwo"}')
  assert.match(dataOf('application/json', '{\n}'), /^"data_base64":"ewp9"/)
  assert.match(dataOf(undefined, '{}'), /^"data_base64"/)
})

test("somebody else's CloudEvent is read as it is, wherever its data stands", () => {
  const line =
    '{ "specversion":"1.0", "data" : {"n": 12345678901234567890}, "id":"1", "source":"/s", "type":"t", "k":null, "x":"y" }'
  const event = readEventLine(line, { exchange })
  assert.equal(event.position, undefined)
  assert.equal(event.message.exchange, exchange)
  assert.equal(event.message.body.toString(), '{"n": 12345678901234567890}')
  const { contentType, headers, timestamp } = event.message.properties
  assert.deepEqual([contentType, headers?.['ce-x'], timestamp], ['application/json', 'y', undefined])
  assert.deepEqual(attributesOf(event.message), { id: '1', source: '/s', type: 't', subject: undefined })
})

const ours = '{"specversion":"1.0","id":"1","source":"/s","type":"t","position":1'
const wrong: readonly (readonly [text: string, reason: RegExp])[] = [
  ['nope', /^is no JSON: /],
  ['[]', /^is no JSON object$/],
  ['{"id":"1","source":"/s","type":"t"}', /^has no `specversion`, so it is no CloudEvent$/],
  ['{"specversion":"1.0","source":"/s","type":"t"}', /^has no `id`$/],
  ['{"specversion":"1.0","id":1,"source":"/s","type":"t"}', /^has a `id` that is no text$/],
  [`${ours.replace(':1', ':1.5')}}`, /`position`/],
  [`${ours}}`, /`recordedtime`/],
  [`${ours},"recordedtime":"then"}`, /`recordedtime`/],
  [`${ours},"recordedtime":"2026-01-01T00:00:00Z","amqpproperties":"{"}`, /`amqpproperties` that is no JSON/],
  [`${ours},"recordedtime":"2026-01-01T00:00:00Z","data_base64":"A=A"}`, /no base64/],
  [`${ours},"recordedtime":"2026-01-01T00:00:00Z","data":{}`, /^is no JSON: /],
  [`${ours},"recordedtime":"2026-01-01T00:00:00Z","data":1,"data_base64":"AA=="}`, /both/],
]

for (const [text, reason] of wrong) {
  test(`what is no event is told why: ${text}`, () => {
    assert.throws(() => readEventLine(text, { exchange }), { name: 'TypeError', message: reason })
  })
}
