import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parkedError } from './fingerprint.ts'

class SoldOut extends Error {}

test('failures of one kind are one group, whatever numbers their messages hold, and other kinds are others', () => {
  const order = (error: Error) => parkedError(error).group
  const at = (number: number) => new Error(`order ${number}\n    at ${number} o'clock`)
  assert.equal(new Set([1, 22, 333].map((number) => order(at(number)))).size, 1)
  const codes = ['E1', 'E2'].map((code) => order(Object.assign(at(1), { code })))
  const kinds = [at(1), new SoldOut('order 1'), new RangeError('order 1')].map(order)
  assert.equal(new Set([...codes, ...kinds]).size, 5)
})

test('whatever a handler throws is kept', () => {
  for (const thrown of [undefined, null, 17, 'text', Symbol('s'), Object.create(null), { toString: 1 }]) {
    assert.equal(typeof parkedError(thrown).message, 'string')
    assert.match(parkedError(thrown).group, /^[0-9a-f]{12}$/)
  }
  assert.equal(
    parkedError(Object.assign(new Error('x'), { message: { no: 'text' } })).message,
    "{ no: 'text' }",
  )
})
