import assert from 'node:assert/strict'
import { test } from 'node:test'
import { holds, parseCondition } from './condition.ts'

const order = {
  id: '42',
  customer: { id: 42, name: 'Ada', 'e-mail': 'ada@example.org', 'any name': 1 },
  total: 100,
  placed: '2026-11-21T10:00:00Z',
  paid: false,
  coupon: null,
  lines: [
    { sku: 'A-1', count: 2 },
    { sku: 'B-2', count: 5 },
  ],
}

const cases: readonly (readonly [condition: string, holds: boolean])[] = [
  ['$.customer.id=42', true],
  ['$.customer.id = 42', true],
  ['$.id=42', true],
  ['$.customer.id="42"', false],
  ['$.id="42"', true],
  ['$.customer.name=Ada', true],
  ['$.customer.name!=Ada', false],
  ['$.nobody!=Ada', true],
  ['$.customer.e-mail=ada@example.org', true],
  ['$.customer["any name"]=1', true],
  ['$.total>99.5', true],
  ['$.total>100', false],
  ['$.total>=100', true],
  ['$.total<100', false],
  ['$.total<=100', true],
  ['$.id>1', false],
  ['$.placed>=2026-11-21', true],
  ['$.placed<2026-11-21', false],
  ['$.paid=false', true],
  ['$.coupon=null', true],
  ['$.coupon exists', true],
  ['$.voucher exists', false],
  ['$.lines[1].sku=B-2', true],
  ['$.lines[2] exists', false],
  ['$.lines[*].sku=B-2', true],
  ['$.lines[*].sku!=B-2', false],
  ['$.lines[*].count>4', true],
  ['$.lines[*].count>5', false],
  ['$.constructor exists', false],
  ['$.lines.length exists', false],
  ['$ exists', true],
]

test('a condition holds for the JSON that it describes, and for no other', () => {
  for (const [text, expected] of cases) {
    assert.equal(holds(parseCondition(text), order), expected, text)
  }
  for (const data of [undefined, null, 'text', 17, Buffer.from('{}'), []]) {
    assert.equal(holds(parseCondition('$.a.b=1'), data), false)
  }
})

test('a condition that is none is refused with the place of the mistake', () => {
  const mistakes: readonly (readonly [text: string, message: RegExp])[] = [
    ['customer=1', /at character 1: a path begins with \$/],
    ['$.a..b=1', /at character 5: expected a name/],
    ['$.a[x]=1', /at character 5: expected \[0\], \[\*\] or \["name"\]/],
    ['$.a["\\x"]=1', /at character 5: this name is no JSON text/],
    ['$.a', /at character 4: expected =, !=/],
    ['$.a ~ 1', /at character 5: expected =, !=/],
    ['$.a=', /at character 5: expected a value behind =/],
    ['$.a==1', /at character 5: expected a value: equal is written with one =/],
    ['$.a={"b":1}', /at character 5: expected a number/],
    ['$.a="b', /at character 5: expected a number/],
    ['$.a> null', /at character 6: > compares numbers and texts/],
  ]
  for (const [text, message] of mistakes) {
    assert.throws(() => parseCondition(text), { name: 'TypeError', message }, text)
  }
})
