import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attributesOf, type EventInput, type Message, toMessage } from '../../events/index.ts'
import { eventLine } from '../../history/event-line.ts'
import type { StoredEvent } from '../../history/index.ts'
import { parseEvent } from './event-json.ts'

const defaults = { exchange: 'orders', source: '/test' }

test('a plain event is what a publisher is given', () => {
  const line =
    '{"type":"order.placed","data":{"n":1},"subject":"EC-1","id":"o-1","headers":{"k":1},"time":null}'
  const { properties, body } = messageOf(line)
  assert.equal(body.toString(), '{"n":1}')
  assert.deepEqual(attributesOf({ exchange: 'orders', properties }), {
    id: 'o-1',
    source: '/test',
    type: 'order.placed',
    subject: 'EC-1',
  })
  assert.equal(properties.headers?.k, 1)
  assert.equal(properties.contentType, 'application/json')
})

test('JSON data is published as it was written', () => {
  const data = '{"amount": 12345678901234567890.50,  "é":"\\u00e9"}'
  assert.equal(messageOf(`{"type":"t","data":${data}}`).body.toString(), data)
  assert.equal(messageOf('{"type":"t","data":null}').body.toString(), 'null')
  assert.equal(messageOf('{"type":"t"}').body.length, 0)
})

test('a CloudEvent keeps its attributes and its extensions', () => {
  const { properties, body } = messageOf(
    '{"specversion":"1.0","id":"1","source":"/s","type":"t","dataschema":"urn:x","datacontenttype":"text/xml","partitionkey":"p","data":"<x/>","position":9,"recordedtime":"2026-01-01T00:00:00Z"}',
  )
  assert.equal(body.toString(), '<x/>')
  assert.equal(properties.contentType, 'text/xml')
  const { headers } = properties
  assert.equal(headers?.['ce-partitionkey'], 'p')
  assert.equal(headers?.['ce-dataschema'], 'urn:x')
  assert.equal(headers?.['ce-position'], undefined)
})

test('binary data comes as base64', () => {
  const line =
    '{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"image/png","data_base64":"AAEC"}'
  assert.deepEqual(messageOf(line).body, Buffer.from([0, 1, 2]))
})

const wrong: readonly (readonly [text: string, reason: RegExp])[] = [
  ['nope', /is no JSON/],
  ['[]', /is no JSON object/],
  ['{}', /has no `type`/],
  ['{"type":5}', /`type` that is no text/],
  ['{"typ":"a"}', /unknown field typ \(did you mean type\?\)/],
  ['{"type":"a","headers":[]}', /`headers` that is no object/],
  ['{"type":"a","constructor":1}', /unknown field constructor/],
  ['{"specversion":"0.3","id":"1","source":"/s","type":"t"}', /specversion "0.3"/],
  ['{"specversion":"1.0","source":"/s","type":"t"}', /has no `id`/],
  ['{"specversion":"1.0","id":"1","source":"/s","type":"t","data":1,"data_base64":"AA=="}', /both/],
  ['{"specversion":"1.0","id":"1","source":"/s","type":"t","x":{}}', /attribute `x`/],
]

for (const [text, reason] of wrong) {
  test(`what is no event is told why: ${text}`, () => {
    assert.throws(() => parseEvent(text), { name: 'TypeError', message: reason })
  })
}

const published: readonly EventInput[] = [
  {
    type: 't',
    data: { a: [1] },
    subject: 's',
    dataschema: 'urn:x',
    extensions: { sampledrate: 3, ok: true },
  },
  { type: 't', data: Buffer.from([0xff, 0]), contentType: 'image/png' },
  { type: 't', data: 'one\ntwo', contentType: 'text/plain' },
  { type: 't', data: Buffer.from('no json'), contentType: 'application/json' },
  { type: 't', data: Buffer.from('{\n  "n": 1.50\n}'), contentType: 'application/json' },
]

test('a line of the history, published again, is the same event with the same body', () => {
  for (const event of published) {
    const message = toMessage(event, defaults)
    const line = eventLine(stored(message))
    assert.ok(!line.includes('\n'))
    const again = toMessage(parseEvent(line), defaults)
    const { contentType, headers } = message.properties
    assert.deepEqual(attributesOf(again), attributesOf(message))
    assert.deepEqual(again.properties.headers, headers)
    assert.deepEqual(again.body, message.body)
    assert.equal(again.properties.contentType, contentType)
  }
})

function messageOf(line: string): Message {
  return toMessage(parseEvent(line), defaults)
}

function stored(message: Message): StoredEvent {
  const { headers } = message.properties
  return {
    ...attributesOf(message),
    id: message.properties.messageId!,
    time: headers?.['ce-time'] as string,
    dataschema: headers?.['ce-dataschema'] as string | undefined,
    data: undefined,
    message,
    position: 7,
    unidentified: false,
    recordedAt: new Date(0),
  }
}
