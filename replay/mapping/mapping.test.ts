import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { JsonEvent } from '../json-event.ts'
import { defaultMapping } from './default-mapping.ts'
import type { MappedValue } from './mapped-value.ts'
import { parseMapping } from './mapping.ts'

const order = `{"specversion":"1.0", "id":"e-1", "source":"/sales", "type":"order.placed", "subject":"EC-1",
  "time":"2026-01-02T03:04:05.678901+02:00", "data": {"customer":{"id":12345678901234567890},
  "total": 12.50, "paid":false, "note":null, "odd name":"x", "lines":[{"sku":"A-1", "n":2},{"sku":"B-2"}]}}`

test('a value comes from a path, a template or a constant', () => {
  const mapped = valuesOf({
    member: '$.data.customer.id',
    element: '$.data.lines[1].sku',
    quoted: `$.data['odd name']`,
    quotedToo: '$.data["odd name"]',
    all: '$.data.lines[*].sku',
    template: '{$.source}/{$.data.total} {not a place}',
    text: 'replayed',
    number: 7,
    none: null,
    list: [1, 2],
    dollar: { value: '$.data' },
    object: { value: { a: 1 } },
  })
  assert.deepEqual(mapped, {
    member: { type: 'integer', value: 12345678901234567890n },
    element: { type: 'text', value: 'B-2' },
    quoted: { type: 'text', value: 'x' },
    quotedToo: { type: 'text', value: 'x' },
    all: '["A-1","B-2"]',
    template: { type: 'text', value: '/sales/12.50 {not a place}' },
    text: { type: 'text', value: 'replayed' },
    number: { type: 'integer', value: 7 },
    none: null,
    list: '[1,2]',
    dollar: { type: 'text', value: '$.data' },
    object: '{"a":1}',
  })
})

test('JSON for a column is as it was written, with every digit', () => {
  const { whole, part } = valuesOf({
    whole: '$.data.customer',
    part: { path: '$.data.lines[0]', type: 'json' },
  })
  assert.deepEqual([whole, part], ['{"id":12345678901234567890}', '{"sku":"A-1", "n":2}'])
})

test('what is absent or null gives null, its default, or a refusal that names it', () => {
  assert.deepEqual(
    valuesOf({
      absent: '$.data.coupon',
      null: '$.data.note',
      place: '{$.data.coupon}-{$.id}',
      default: { path: '$.data.note', default: 'none' },
      every: '$.data.coupons[*].id',
    }),
    { absent: null, null: null, place: null, default: { type: 'text', value: 'none' }, every: null },
  )
  for (const path of ['$.data.coupon', '$.data.note', '$.constructor'])
    assertRefused({ path, required: true }, /^"it" is required/)
})

const types: [type: string, json: string, expected: unknown][] = [
  ['text', '"a"', 'a'],
  ['text', '1.50', '1.50'],
  ['text', 'true', 'true'],
  ['text', '{"a": 1}', '{"a": 1}'],
  ['integer', '"42"', 42],
  ['integer', '9007199254740993', 9007199254740993n],
  ['integer', '"-9007199254740993"', -9007199254740993n],
  ['integer', '1.5', undefined],
  ['integer', '"1e3"', undefined],
  ['integer', '"x"', undefined],
  ['integer', '"0x10"', undefined],
  ['number', '"1.5e3"', 1500],
  ['number', '1e999', undefined],
  ['number', '""', undefined],
  ['number', 'true', undefined],
  ['decimal', '0.10', '0.10'],
  ['decimal', '12345678901234567890.123456789', '12345678901234567890.123456789'],
  ['decimal', '"1,5"', undefined],
  ['boolean', 'true', true],
  ['boolean', '"false"', false],
  ['boolean', '0', false],
  ['boolean', '"yes"', undefined],
  ['timestamp', '"2026-01-02T03:04:05.678901+02:00"', '2026-01-02T01:04:05.678901Z'],
  ['timestamp', '"2026-01-02 03:04:05"', '2026-01-02T03:04:05Z'],
  ['timestamp', '1767323045678', '2026-01-02T03:04:05.678Z'],
  ['timestamp', '"2026-02-31T00:00:00Z"', undefined],
  ['timestamp', '"yesterday"', undefined],
  ['date', '"2026-01-02"', '2026-01-02'],
  ['date', '"2026-01-02T23:30:00-02:00"', '2026-01-03'],
  ['date', '"2026-13-01"', undefined],
  ['bytes', '"AP8="', Buffer.from([0, 255])],
  ['bytes', '"AP-_"', Buffer.from([0, 255, 191])],
  ['bytes', '"A"', undefined],
]

for (const [type, json, expected] of types) {
  const title =
    expected === undefined ? `${json} is no ${type}, and refused` : `${json} as ${type} is ${shown(expected)}`
  test(title, () => {
    if (expected === undefined)
      assertRefused({ path: '$.it', type }, new RegExp(`^"it" is no ${type}: `), json)
    else
      assert.deepEqual(valuesOf({ it: { path: '$.it', type } }, `{"it":${json}}`).it, {
        type,
        value: expected,
      })
  })
}

const natural: [json: string, expected: unknown][] = [
  ['1', { type: 'integer', value: 1 }],
  ['1.5', { type: 'number', value: 1.5 }],
  ['9007199254740993', { type: 'integer', value: 9007199254740993n }],
  ['0.12345678901234567890', { type: 'decimal', value: '0.12345678901234567890' }],
  ['-9007199254740993', { type: 'integer', value: -9007199254740993n }],
  ['0.10000000000000000001', { type: 'decimal', value: '0.10000000000000000001' }],
  ['-5.000000000000000000010', { type: 'decimal', value: '-5.000000000000000000010' }],
  ['1e-999', { type: 'decimal', value: '1e-999' }],
  ['0.30000000000000000000', { type: 'number', value: 0.3 }],
  ['0.30, "id": 12345678901234567890', { type: 'number', value: 0.3 }],
  ['7.0, "id": 12345678901234567890', { type: 'integer', value: 7 }],
  ['9007199254740991', { type: 'integer', value: 9007199254740991 }],
  ['1e999', { type: 'decimal', value: '1e999' }],
  ['true', { type: 'boolean', value: true }],
]

test('without a type a value has that of its JSON, and loses no digit', () => {
  for (const [json, expected] of natural)
    assert.deepEqual(valuesOf({ it: '$.it' }, `{"it":${json}}`).it, expected)
})

const wrong: [form: unknown, says: RegExp][] = [
  ['$.data[', /In \$\.data\[ at character/],
  ['$.data x', /in \$\.data x at character 7: expected the path to end/],
  ['{$.data', /expected } behind the path/],
  [{}, /expected one of path, template and value, .*it has none/],
  [{ path: '$.a', value: 1 }, /it has path and value/],
  [{ pth: '$.a' }, /not `pth`/],
  [{ path: '$.a', type: 'varchar' }, /expected type to be one of text/],
  [{ path: '$.a', required: 'yes' }, /required to be true or false/],
  [{ path: 1 }, /to be a text/],
]

for (const [form, says] of wrong) {
  test(`the mapping ${JSON.stringify(form)} is refused, with its column`, () => {
    assert.throws(
      () => parseMapping({ total: form }),
      (error: Error) => {
        assert.ok(error instanceof TypeError)
        assert.match(error.message, /^The mapping of "total": /)
        assert.match(error.message, says)
        return true
      },
    )
  })
}

test('a mapping fills something', () => {
  assert.throws(() => parseMapping({}), TypeError)
})

test('by default a CloudEvent, an event of EventBridge and plain JSON have the columns of an event', () => {
  assert.deepEqual(defaults(order), [
    'e-1',
    '/sales',
    'order.placed',
    'EC-1',
    '2026-01-02T01:04:05.678901Z',
    order.slice(order.indexOf('{"customer"'), -1),
  ])
  assert.deepEqual(
    defaults(
      '{"id":"1","detail-type":"t","source":"s","resources":["r"],"time":"2026-01-02T03:04:05Z","detail":{"a":1.0}}',
    ),
    ['1', 's', 't', 'r', '2026-01-02T03:04:05Z', '{"a":1.0}'],
  )
  assert.deepEqual(defaults('{"id":7,"total":1.0}'), ['7', '', null, null, null, '{"id":7,"total":1.0}'])
  assert.deepEqual(defaults('{"specversion":"1.0","id":"1"}'), ['1', '', null, null, null, null])
  assert.throws(() => defaultMapping.valuesOf(eventOf('{"total":1}')), { code: 'REPLAY_EVENT_REFUSED' })
})

test('the mapping of docs/replay/mapping.md gives what the page says', () => {
  const page = readFileSync(new URL('../../docs/replay/mapping.md', import.meta.url), 'utf8')
  const columns = JSON.parse(/```json\n([\s\S]*?)```/.exec(page)![1]!)
  const data = {
    country: 'NL',
    order: { id: 7 },
    customer: { id: 'c' },
    lines: [{ sku: 'A' }, { sku: 'B' }],
    'odd name': 1,
  }
  const mapped = valuesOf(columns, JSON.stringify({ time: '2026-01-02T03:04:05Z', data }))
  assert.deepEqual(mapped, {
    id: { type: 'integer', value: 7 },
    customer: { type: 'text', value: 'c' },
    first_sku: { type: 'text', value: 'A' },
    skus: '["A","B"]',
    label: { type: 'text', value: 'NL-7' },
    odd: { type: 'integer', value: 1 },
    placed_at: { type: 'timestamp', value: '2026-01-02T03:04:05Z' },
    channel: { type: 'text', value: 'web' },
    origin: { type: 'text', value: 'replay' },
    price_text: { type: 'text', value: '$5' },
  })
})

function defaults(text: string): unknown[] {
  return defaultMapping.valuesOf(eventOf(text)).map((value) => {
    if (value === null) return null
    return value.type === 'json' ? value.text : value.value
  })
}

function valuesOf(columns: Record<string, unknown>, text = order): Record<string, unknown> {
  const mapping = parseMapping(columns)
  const values = mapping.valuesOf(eventOf(text))
  return Object.fromEntries(mapping.names.map((name, at) => [name, plain(values[at]!)]))
}

function plain(value: MappedValue): unknown {
  return value?.type === 'json' ? value.text : value
}

function assertRefused(form: object, says: RegExp, json?: string): void {
  const text = json === undefined ? order : `{"it":${json}}`
  assert.throws(
    () => valuesOf({ it: form }, text),
    (error: Error & { code?: string }) => {
      assert.equal(error.code, 'REPLAY_EVENT_REFUSED')
      assert.match(error.message, says)
      return true
    },
  )
}

function eventOf(text: string): JsonEvent {
  return new JsonEvent(text, 1, { placeOf: String, tokenOf: String })
}

function shown(value: unknown): string {
  return Buffer.isBuffer(value) ? value.toString('hex') : String(value)
}
