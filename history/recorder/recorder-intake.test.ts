import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Comparison } from './batch-in-hand.ts'
import { Intake } from './recorder-intake.ts'

test('redelivered messages that are fewer than the batch in hand are let go after a pause, though it is woken meanwhile', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const redelivery = new Comparison({ size: 3, known: 1, digest: 'another' })
  const intake = new Intake({ redelivery, prefetch: 10, batchMax: 10, batchWaitMs: 5 })
  intake.add({
    deliveryTag: 1,
    redelivered: true,
    returns: 1,
    exchange: 'e',
    routingKey: '',
    properties: {},
    body: Buffer.from('a'),
  })
  for (let n = 0; n < 3; n++) {
    t.mock.timers.tick(250)
    intake.wake()
    assert.equal(intake.cut(), undefined)
  }
  t.mock.timers.tick(250)
  assert.equal(intake.cut()?.events.length, 1)
})
