import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { Checksum } from './checksum.ts'

test('the checksum of one event is the first half of the SHA-256 of its identity', () => {
  const checksum = new Checksum()
  checksum.add('/edison/sales', 'o-1')
  const expected = createHash('sha256').update('/edison/sales\0o-1').digest('hex').slice(0, 32)
  assert.equal(checksum.toString(), expected)
})

test('order does not matter, a repeat does, and removing undoes adding', () => {
  const ab = new Checksum()
  ab.add('a', '1')
  ab.add('b', '1')
  const ba = new Checksum()
  ba.add('b', '1')
  ba.add('a', '1')
  assert.equal(ab.toString(), ba.toString())
  ba.add('b', '1')
  assert.notEqual(ab.toString(), ba.toString())
  ba.add('b', '1')
  assert.notEqual(ab.toString(), ba.toString())
  ba.remove('b', '1')
  ba.remove('b', '1')
  assert.equal(ab.toString(), ba.toString())
})

test('a checksum goes on from its text', () => {
  const whole = new Checksum()
  whole.add('a', '1')
  const rest = new Checksum(whole.toString())
  whole.add('a', '2')
  rest.add('a', '2')
  assert.equal(rest.toString(), whole.toString())
  assert.throws(() => new Checksum('xyz'), TypeError)
})
