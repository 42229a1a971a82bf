import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cursorMessage, cursorNoticeOf } from './cursor-notice.ts'
import { fenceIdOf, fenceMessage } from './fence.ts'

const notice = { consumer: 'production', cursor: 41 }

test('a notice tells what was said, and is a fence to a recorder that does not know it', () => {
  const message = cursorMessage('orders.history', notice)
  assert.deepEqual(cursorNoticeOf(message), notice)
  assert.equal(typeof fenceIdOf(message), 'string')
})

test('what came through an exchange, or states no cursor, is no notice', () => {
  const message = cursorMessage('orders.history', notice)
  assert.equal(cursorNoticeOf({ ...message, exchange: 'orders' }), undefined)
  assert.equal(cursorNoticeOf(fenceMessage('orders.history', 'f')), undefined)
  const stating = (headers: Record<string, string | number>) =>
    cursorNoticeOf({
      ...message,
      properties: { ...message.properties, headers: { ...message.properties.headers, ...headers } },
    })
  assert.deepEqual(stating({ 'backstory-cursor': '41' }), notice)
  for (const cursor of [-1, 1.5, '1e3', 2 ** 53, '']) {
    assert.equal(stating({ 'backstory-cursor': cursor }), undefined)
  }
  assert.equal(stating({ 'backstory-consumer': '' }), undefined)
  assert.equal(stating({ 'backstory-consumer': 'c'.repeat(256) }), undefined)
})
