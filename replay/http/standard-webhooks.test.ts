import assert from 'node:assert/strict'
import { test } from 'node:test'
import { webhookHeaders, webhookKey } from './standard-webhooks.ts'

test('a signature is that of Standard Webhooks’ own example', () => {
  const key = webhookKey('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')
  const id = 'msg_p5jXN8AQM9LWM0D4loKWxJek'
  const at = new Date(1_614_265_330_999)
  assert.deepEqual(webhookHeaders(key, { id, body: '{"test": 2432232314}', at }), {
    'webhook-id': id,
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  })
})

test('a secret that is none, too short or too long is refused, and is in no message', () => {
  const ofBytes = (bytes: number) => `whsec_${Buffer.alloc(bytes, 7).toString('base64')}`
  webhookKey(ofBytes(24))
  webhookKey(`${ofBytes(64)}\n`)
  for (const secret of ['', 'hunter2', ofBytes(23), ofBytes(65), 'whsec_', 'whsec_!!!!'])
    assert.throws(
      () => webhookKey(secret),
      (error: Error) => error instanceof TypeError && (secret.length < 7 || !error.message.includes(secret)),
      secret,
    )
})
