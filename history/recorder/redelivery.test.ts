import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contentKey, Redelivery } from './redelivery.ts'

const message = (text: string) => ({ exchange: 'e', routingKey: '', properties: {}, body: Buffer.from(text) })

function verdict(recorded: string, redelivered: string, { end = true } = {}): string {
  const redelivery = new Redelivery([...recorded].map(message))
  for (const text of redelivered) redelivery.next(message(text))
  if (end) redelivery.end()
  return redelivery.verdict
}

test('a batch that comes again, whole and first, was recorded', () => {
  assert.equal(verdict('abc', 'abcd'), 'same')
  assert.equal(verdict('abc', 'abc'), 'same')
  assert.equal(verdict('ppp', 'pppp'), 'same')
})

test('what comes in its place, or only a part of it, is new: the batch had been acknowledged', () => {
  assert.equal(verdict('abc', 'bcd'), 'other')
  assert.equal(verdict('abc', 'abx'), 'other')
  assert.equal(verdict('ppp', 'p'), 'other')
  assert.equal(verdict('abc', ''), 'other')
  assert.equal(verdict('', 'abc'), 'other')
})

test('while more may come, a part of it says nothing', () => {
  assert.equal(verdict('abc', 'ab', { end: false }), 'open')
})

test('the key tells messages apart by all that was published', () => {
  const whole = { ...message('x'), properties: { headers: { n: 1 } } }
  const key = contentKey(whole)
  assert.equal(contentKey({ ...whole, body: Buffer.from('x') }), key)
  const others = [
    { exchange: 'f' },
    { routingKey: 'k' },
    { properties: { headers: { n: 2 } } },
    { body: Buffer.from('y') },
  ]
  for (const other of others) assert.notEqual(contentKey({ ...whole, ...other }), key)
})

test('no headers and an empty table of headers are the same: a redelivery may turn one into the other', () => {
  assert.equal(contentKey({ ...message('x'), properties: { headers: {} } }), contentKey(message('x')))
})
