import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toMessage } from './event.ts'
import type { HeaderValue } from './message.ts'
import { newEpoch, sequenceOf, sequenceText } from './sequence.ts'

const withHeader = (value: HeaderValue) => ({ headers: { 'ce-sequence': value } })

test('a sequence comes out of the header as it went in', () => {
  const epoch = newEpoch()
  for (const sequence of [1, 42, Number.MAX_SAFE_INTEGER]) {
    assert.deepEqual(sequenceOf(withHeader(sequenceText(epoch, sequence))), { epoch, sequence })
  }
  assert.equal(sequenceText('0mx3', 7), '0mx3.0000000000000007')
})

test('sequences sort as text: by number within an epoch, epochs by their time', (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 36 ** 8 - 1 })
  const before = newEpoch()
  t.mock.timers.tick(1)
  const after = newEpoch()
  const texts = [sequenceText(before, 9), sequenceText(before, 10), sequenceText(after, 1)]
  assert.deepEqual([...texts].sort(), texts)
  assert.match(before, /^[0-9a-z]{14}$/)
  assert.match(after, /^[0-9a-z]{14}$/)
})

test('two epochs of one millisecond differ', (t) => {
  t.mock.timers.enable({ apis: ['Date'] })
  assert.equal(new Set(Array.from({ length: 100 }, newEpoch)).size, 100)
})

test('anything else in that header is no sequence', () => {
  const digits = '0000000000000001'
  const others: HeaderValue[] = [
    '1',
    1,
    null,
    Buffer.from(`e.${digits}`),
    digits,
    `.${digits}`,
    `E.${digits}`,
    `e.${digits}0`,
    'e.0000000000000000',
    'e.9999999999999999',
    `e.${digits}\n`,
    ` e.${digits}`,
    `${'e'.repeat(65)}.${digits}`,
  ]
  for (const value of others) assert.equal(sequenceOf(withHeader(value)), undefined, String(value))
  assert.equal(sequenceOf({}), undefined)
  const stated = toMessage(
    { type: 't', extensions: { sequence: 7 } },
    { exchange: 'orders', source: '/sales' },
  )
  assert.equal(sequenceOf(stated.properties), undefined)
})
