import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createEntryCheck } from './order.ts'

const check = createEntryCheck()

const order = {
  external_id: 'EC-1',
  name: 'Edison One',
  price: 25_000,
  order_date: '2026-02-28',
  delivery_date: '2026-02-28',
  customer_name: 'Zoë 田中',
}

function reasonOf(entry: unknown): string | undefined {
  const checked = check(entry)
  return checked.kind === 'rejected' ? checked.reason : undefined
}

test('an order passes with all that it carries', () => {
  const full = { ...order, address: { city: '大阪' }, options: ['tow bar'], note: null }
  const checked = check(full)
  assert.ok(checked.kind === 'order')
  assert.deepEqual(checked.order, full)
  assert.deepEqual(JSON.parse(checked.content), full)
})

test('content is the same whatever the order of keys, and another with another value', () => {
  const contentOf = (entry: unknown) => {
    const checked = check(entry)
    assert.ok(checked.kind === 'order')
    return checked.content
  }
  const one = { ...order, address: { city: 'Oslo', country: 'NO' }, options: ['a', 'b'] }
  const reversed = Object.fromEntries(Object.entries(one).reverse())
  const turned = { ...reversed, address: { country: 'NO', city: 'Oslo' } }
  assert.equal(contentOf(turned), contentOf(one))
  assert.notEqual(contentOf({ ...one, options: ['b', 'a'] }), contentOf(one))
  assert.notEqual(contentOf({ ...one, price: 25_001 }), contentOf(one))
  assert.notEqual(contentOf({ ...one, note: null }), contentOf(one))
})

test('a cancellation names its order', () => {
  assert.deepEqual(check({ external_id: 'EC-1', cancel: true }), { kind: 'cancellation', externalId: 'EC-1' })
})

const rejections: [title: string, entry: unknown, reason: RegExp][] = [
  ['null', null, /^the line must be an object, not null$/],
  ['a list', [order], /^the line must be an object, not a list$/],
  ['a text', 'EC', /^the line must be an object, not "EC"$/],
  ['an order without a number', { ...order, external_id: undefined }, /^external_id is missing$/],
  ['an empty number', { ...order, external_id: '' }, /^external_id is empty$/],
  ['a number that is no text', { ...order, external_id: 7 }, /^external_id must be a text, not 7$/],
  [
    'a very long number',
    { ...order, external_id: '大'.repeat(67) },
    /^external_id is longer than 200 bytes$/,
  ],
  ['an empty model', { ...order, name: '' }, /^name is empty$/],
  ['a price of 0', { ...order, price: 0 }, /^price must be above 0, not 0$/],
  ['a price below 0', { ...order, price: -1 }, /^price must be above 0, not -1$/],
  ['a price as text', { ...order, price: '24900' }, /^price must be a number, not "24900"$/],
  ['no price', { ...order, price: null }, /^price must be a number, not null$/],
  ['an endless price', JSON.parse('{"price":1e999}'), /price must be a number/],
  [
    'the 30th of February',
    { ...order, order_date: '2026-02-30' },
    /^order_date must be a date .* not "2026-02-30"$/,
  ],
  ['a date and time', { ...order, delivery_date: '2026-03-01T00:00:00Z' }, /^delivery_date must be a date/],
  ['a date that is no text', { ...order, order_date: 20260228 }, /^order_date must be a text, not 20260228/],
  [
    'delivery before order',
    { ...order, delivery_date: '2026-02-27' },
    /^delivery_date "2026-02-27" is before order_date "2026-02-28"$/,
  ],
  ['an empty customer', { ...order, customer_name: '' }, /^customer_name is empty$/],
  ['a customer of blanks', { ...order, customer_name: ' \t\u{a0}' }, /^customer_name is empty$/],
  ['half a character', { ...order, note: ['\u{d83d}'] }, /^has text that is not Unicode$/],
  ['half a character in a key', { ...order, note: { '\u{d83d}': 1 } }, /^has text that is not Unicode$/],
  ['an endless number', { ...order, note: Number.POSITIVE_INFINITY }, /^has a number that is too large$/],
  [
    'hostile nesting',
    { ...order, note: JSON.parse('['.repeat(9_999) + ']'.repeat(9_999)) },
    /^is nested more than 64/,
  ],
  ['cancel: false', { ...order, cancel: false }, /^cancel must be true, not false$/],
  ['a cancellation of nothing', { cancel: true }, /^external_id is missing$/],
]

for (const [title, entry, reason] of rejections) {
  test(`${title} is rejected with a reason`, () => assert.match(reasonOf(entry) ?? 'accepted', reason))
}

test('every missing field is named, and every fault', () => {
  assert.equal(
    reasonOf({ external_id: 'EC-1', price: 0 }),
    'name is missing; order_date is missing; delivery_date is missing; customer_name is missing; price must be above 0, not 0',
  )
})

test('a leap day is a day', () => {
  assert.equal(reasonOf({ ...order, order_date: '2028-02-29', delivery_date: '2028-02-29' }), undefined)
  assert.match(reasonOf({ ...order, order_date: '2027-02-29', delivery_date: '2028-02-29' })!, /order_date/)
})
