import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newest } from './noted-error.ts'

test('the newest error is told, and of two at the same moment the outer one', () => {
  const [store, handler] = [
    { message: 'disk full', at: 1 },
    { message: 'no such car', at: 2 },
  ]
  assert.equal(newest(store, handler), handler)
  assert.equal(newest(handler, undefined, store), handler)
  assert.equal(newest({ message: 'stopped', at: 2 }, handler)?.message, 'stopped')
  assert.equal(newest(undefined), undefined)
})
