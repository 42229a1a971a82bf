import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attributesOf, decodeData, MessageEvent, timeOf, toMessage } from './event.ts'

const defaults = { exchange: 'orders', source: '/edison/sales' }

test('an event travels as CloudEvents headers, mirrored into the native properties', () => {
  const message = toMessage(
    {
      type: 'order.placed',
      subject: 'EC-1',
      id: '42',
      time: '2026-11-21T08:00:00.250Z',
      dataschema: 'https://edison.example/order.json',
      data: { model: 'Edison One' },
      headers: { traceparent: '00-abc-def-01' },
    },
    defaults,
  )
  assert.deepEqual(message, {
    exchange: 'orders',
    routingKey: '',
    properties: {
      contentType: 'application/json',
      deliveryMode: 2,
      messageId: '42',
      type: 'order.placed',
      appId: '/edison/sales',
      timestamp: Date.UTC(2026, 10, 21, 8) / 1_000,
      headers: {
        'ce-specversion': '1.0',
        'ce-id': '42',
        'ce-source': '/edison/sales',
        'ce-type': 'order.placed',
        'ce-time': '2026-11-21T08:00:00.250Z',
        'ce-subject': 'EC-1',
        'ce-dataschema': 'https://edison.example/order.json',
        traceparent: '00-abc-def-01',
      },
    },
    body: Buffer.from('{"model":"Edison One"}'),
  })
  const { id, ...attributes } = attributesOf(message)
  const event = new MessageEvent({ id: id!, ...attributes }, message)
  assert.equal(event.subject, 'EC-1')
  assert.equal(event.time, '2026-11-21T08:00:00.250Z')
  assert.equal(event.dataschema, 'https://edison.example/order.json')
  assert.deepEqual(event.data, { model: 'Edison One' })
})

test('what is not given is made: an id that sorts by time, and the time', () => {
  const first = toMessage({ type: 't' }, defaults)
  const second = toMessage({ type: 't' }, defaults)
  assert.ok(first.properties.messageId! < second.properties.messageId!)
  assert.ok(Math.abs(Date.parse(timeOf(first.properties)!) - Date.now()) < 60_000)
  assert.equal(first.body.length, 0)
})

test('bytes travel as they are, text as text', () => {
  const bytes = toMessage({ type: 't', data: Buffer.from([0, 255]) }, defaults)
  assert.equal(bytes.properties.contentType, 'application/octet-stream')
  assert.deepEqual(
    decodeData(bytes.body, bytes.properties.contentType, bytes as never),
    Buffer.from([0, 255]),
  )
  const view = toMessage({ type: 't', data: new Uint8Array([1, 2, 3]).subarray(1) }, defaults)
  assert.deepEqual(view.body, Buffer.from([2, 3]))
  const xml = toMessage({ type: 't', data: '<a/>', contentType: 'application/xml' }, defaults)
  assert.equal(xml.body.toString(), '<a/>')
  const text = toMessage({ type: 't', data: 'größer', contentType: 'text/plain' }, defaults)
  assert.equal(decodeData(text.body, 'text/plain; charset=utf-8', { source: '', id: '' }), 'größer')
})

test('an event of before 1970 has its time, and no timestamp, which AMQP could not hold', () => {
  const { properties } = toMessage({ type: 't', time: '1969-07-20T20:17:40Z' }, defaults)
  assert.equal(properties.timestamp, undefined)
  assert.equal(timeOf(properties), '1969-07-20T20:17:40Z')
})

test('a mistake of the caller is a TypeError, before anything is sent', () => {
  const invalid = [
    { type: '' },
    { type: 't', id: '' },
    { type: 't', time: 'yesterday' },
    { type: 't'.repeat(256) },
    { type: 't', id: 'ü'.repeat(128) },
    { type: 't', headers: { 'ce-id': 'mine' } },
    { type: 't', data: () => 1 },
  ]
  for (const event of invalid) assert.throws(() => toMessage(event, defaults), TypeError)
})

test('a number that RabbitMQ does not carry is a TypeError, wherever it is in the headers', () => {
  for (const value of [
    Number.NaN,
    Number.POSITIVE_INFINITY,
    { '!': 'float', value: Number.NEGATIVE_INFINITY },
  ]) {
    for (const headers of [{ load: value }, { load: [{ deep: value }] }])
      assert.throws(() => toMessage({ type: 't', headers }, defaults), /Header `load` is .*; send it as text/)
  }
  assert.throws(() => toMessage({ type: 't', extensions: { load: Number.NaN } }, defaults), TypeError)
})

test('a foreign message is an event: what it lacks falls back, and no id is told as none', () => {
  const foreign = (properties: object) => attributesOf({ exchange: 'orders', properties })
  assert.deepEqual(foreign({}), { id: undefined, source: 'amqp:orders', type: '', subject: undefined })
  assert.deepEqual(foreign({ messageId: '7', appId: 'legacy', type: 'placed' }), {
    id: '7',
    source: 'legacy',
    type: 'placed',
    subject: undefined,
  })
  // Bytes that are not UTF-8: another id may look the same.
  assert.equal(foreign({ messageId: 'a\ufffd' }).id, undefined)
  for (const id of ['a\ufffd', '\ud800', 'a\udc00b'])
    assert.throws(() => toMessage({ type: 't', id }, defaults), /UTF-8 can carry/)
  assert.equal(toMessage({ type: 't', id: '😀' }, defaults).properties.messageId, '😀')
  assert.equal(timeOf({ timestamp: 0 }), '1970-01-01T00:00:00.000Z')
  assert.equal(timeOf({}), undefined)
  assert.equal(timeOf({ timestamp: 2 ** 60 }), undefined)
})

test('data is decoded by its content type, when first asked for', () => {
  const decode = (text: string, type?: string) =>
    decodeData(Buffer.from(text), type, { source: '/s', id: '1' })
  assert.deepEqual(decode('[1]', 'application/json'), [1])
  assert.deepEqual(decode('[1]', 'Application/Vnd.Edison+JSON; charset=utf-8'), [1])
  assert.equal(decode('', 'application/json'), undefined)
  assert.deepEqual(decode('[1]'), Buffer.from('[1]'))
  assert.throws(() => decode('{', 'application/json'), { name: 'EventError', code: 'EVENT_UNDECODABLE' })
  assert.throws(() => decodeData(Buffer.from([255]), 'text/plain', { source: '/s', id: '1' }), {
    code: 'EVENT_UNDECODABLE',
  })
})
